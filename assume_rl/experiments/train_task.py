"""The task of a training, checked before anything is written."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from assume_rl.core.bidding.ladder import OnLadder
from assume_rl.core.bidding.operator_learning import NAME as LEARNING
from assume_rl.core.bidding.operator_learning import OperatorLearning
from assume_rl.durations import duration_seconds
from assume_rl.envs.windows import window_plan
from assume_rl.episodes.earnings import earnings_of
from assume_rl.episodes.plan import most_waiting, pick_device, update_interval, update_times
from assume_rl.episodes.teams import bidder_spec
from assume_rl.errors import ConfigurationError, SettingError
from assume_rl.experiments.case import compiled_case, study_case
from assume_rl.experiments.engine_choice import choose_engine
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.policies import learned_bidders, named_policies
from assume_rl.experiments.policy_folder import policy_folder
from assume_rl.experiments.recorded_market import unknown_next
from assume_rl.experiments.recorded_plants import not_alone
from assume_rl.experiments.scales import compiled_on, with_seen_prices
from assume_rl.experiments.training import first_evaluation
from assume_rl.learning.algorithms import ALGORITHMS, able, check_action
from assume_rl.learning.bytes import costly_critic
from assume_rl.learning.config import SETTINGS, LearningConfig
from assume_rl.learning.learner import check_learnable
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.learning.policies.folder import load_policies
from assume_rl.learning.types import AgentSpec
from assume_rl.scenario.compile.capabilities import on_ladders
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.config.cases import CONFIG_FILE
from assume_rl.scenario.types import Scenario


@dataclass(frozen=True)
class Task:
    """A study case, its learners, their start, engine and device."""

    compiled: Compiled
    fixed: dict[str, ActorStack]  # policies of units that do not learn
    learners: list[str]
    start_from: Path | None  # policies to start from
    engine: str  # agents or batch
    device: str
    warnings: tuple[str, ...]

    @property
    def config(self) -> LearningConfig:
        """Return the settings of the training."""
        return self.compiled.scenario.learning

    @property
    def agents(self) -> tuple[AgentSpec, ...]:
        """Return the specification of each learner, in the order of registration."""
        return _specs(self.compiled, self.learners)


def training_task(
    scenario: Scenario | Path | str,
    policies: Path | str | None,
    device: str | None,
    engine: EngineName,
) -> Task:
    """Return a checked training task; `AssumeRlError` if the training is impossible.

    Nothing is played, so that ladders of seen prices are still open: see `ready`.
    """
    case = study_case(scenario)
    with placed(case):
        return _task(case, policies, device, engine)


def _task(
    case: Scenario, policies: Path | str | None, device: str | None, engine: EngineName
) -> Task:
    config = case.learning
    start_from = _start_from(config, policies)
    compiled = compiled_on(case, start_from)
    fixed = named_policies(compiled)
    learners = [unit for unit in compiled.learners if unit not in fixed]
    name, notes = choose_engine(engine, compiled, default="batch")
    if not learners:
        raise ConfigurationError(
            f"study case '{compiled.scenario.case}' has no learning bidder: give a unit a learning "
            "strategy in its bidding_<MARKET> column"
        )
    _check_learners(compiled, learners)
    _check_schedule(compiled, learners, name)
    return Task(
        compiled,
        fixed,
        learners,
        start_from,
        name,
        str(pick_device(device or config.device)),
        (
            *_mode_warnings(compiled.scenario),
            *notes,
            *_width_warnings(config),
            *_starts_warnings(compiled, name),
            *_memory_warnings(compiled, name),
            *costly_critic(config, _specs(compiled, learners)),
            *_device_warnings(config, device or config.device),
            *_status_warnings(config),
        ),
    )


def ready(task: Task) -> Task:
    """Return a task that can begin: whose ladders of seen prices have them, for which it plays."""
    return replace(task, compiled=with_seen_prices(task.compiled, task.fixed))


def training_warnings(scenario: Scenario, engine: EngineName = "auto") -> tuple[str, ...]:
    """Return warnings about training this study case, one sentence each.

    :raises ConfigurationError: it cannot be done at all, see `check_training`
    """
    compiled = compiled_case(scenario)
    check_training(compiled)
    name, notes = choose_engine(engine, compiled, default="batch")
    config, named = scenario.learning, scenario.config.policies
    learners = [agent for agent in compiled.learners if agent not in named]
    return (
        *_mode_warnings(scenario),
        *notes,
        *_width_warnings(config),
        *_starts_warnings(compiled, name),
        *_memory_warnings(compiled, name),
        *costly_critic(config, _specs(compiled, learners)),
        *_device_warnings(config, config.device),
        *_status_warnings(config),
    )


def check_training(compiled: Compiled) -> None:
    """Check the learning settings of a study case without its policies; no learner: nothing.

    Bidders that only act on finished policies do not learn. Episodes, updates and memory are
    checked where `learning_mode` says that the study case is meant for training.

    :raises ConfigurationError: those who are to learn cannot be trained with them
    """
    config, named = compiled.scenario.learning, compiled.scenario.config.policies
    learners = [agent for agent in compiled.learners if agent not in named]
    if not learners:
        return
    with placed(compiled.scenario):
        if config.trained_policies_load_path is None or config.learning_mode:
            _check_learners(compiled, learners)
        if config.learning_mode:
            engine, _ = choose_engine("auto", compiled, default="batch")
            _check_schedule(compiled, learners, engine)


@contextmanager
def placed(scenario: Scenario) -> Iterator[None]:
    """Add to an error about a setting where it was set, see `Scenario.place`."""
    try:
        yield
    except SettingError as error:
        raise ConfigurationError(f"{scenario.place(error.key)}: {error.what}") from None


def _check_learners(compiled: Compiled, learners: list[str]) -> None:
    """Raise unless the settings fit the algorithm, and the algorithm fits all learners.

    Where it learns from reward curves, those of each learner must say all that a bid changes.
    """
    config, bidders = compiled.scenario.learning, learned_bidders(compiled)
    specs = _specs(compiled, learners)
    for spec in specs:
        bidder = bidders[spec.unit_id]
        own = f"unit '{spec.unit_id}' with the bidder {bidder.name}"
        operator = f"operator '{spec.unit_id}' with the strategy {LEARNING}"
        owner = operator if isinstance(bidder, OperatorLearning) else own
        instead = on_ladders(bidder) if spec.action == "box" else ()
        check_action(config.algorithm, spec.action, owner, instead)
    check_learnable(config, specs)
    _check_products(compiled)
    if not config.settings.needs_curves:
        return
    _check_information(compiled)
    for agent in learners:
        ahead = config.settings.needs_next
        unknown = unknown_next(compiled) if ahead else not_alone(compiled, agent)
        if unknown is not None:
            raise SettingError(
                "learning_config.algorithm",
                f"{config.algorithm} learns from the rewards of other bids, which are not "
                f"known here: {unknown}{_instead(compiled, agent)}",
            )


def _specs(compiled: Compiled, learners: Sequence[str]) -> tuple[AgentSpec, ...]:
    """Return the learner's specification of each agent, in the order of registration."""
    earnings, bidders = earnings_of(compiled), learned_bidders(compiled)
    return tuple(
        bidder_spec(a, own, earnings.get(a), compiled.scales[a], compiled.shared.get(a))
        for a, own in bidders.items()
        if a in learners
    )


def _instead(compiled: Compiled, agent: str) -> str:
    """Return the end of a refusal: which algorithms can learn from curves of an agent, if any."""
    why = {True: unknown_next(compiled), False: not_alone(compiled, agent)}
    others = [
        name
        for name in able("ladder")
        if (settings := SETTINGS[name]()).needs_curves and why[settings.needs_next] is None
    ]
    return f"; {', '.join(others)} can" if others else ""


def _check_products(compiled: Compiled) -> None:
    """Raise unless the products that ramps actors decide for follow each other, a step each."""
    if compiled.scenario.learning.actor_architecture != "ramps":
        return
    of_several = {
        market
        for operator in compiled.operators
        for market, participants in operator.participants.items()
        for own in participants
        if isinstance(own.bidder, OnLadder) and own.bidder.products > 1
    }
    for auction in compiled.auctions:
        if auction.market not in of_several:
            continue
        first = auction.first[0]
        if auction.first != tuple(range(first, first + len(auction.first))):
            raise SettingError(
                "learning_config.actor_architecture",
                "ramps reads forecasts step by step, but the products of "
                f"'{auction.market}' do not follow each other, a step each",
            )


def _check_information(compiled: Compiled) -> None:
    """Raise unless all markets publish supply and demand, as reward curves need."""
    name = compiled.scenario.learning.algorithm
    others = [other for other in able("ladder") if not SETTINGS[other]().needs_curves]
    for market in compiled.markets:
        if not market.publishes_curves:
            raise SettingError(
                f"markets_config.{market.name}.information",
                f"is own_results, but {name} learns from the curves that a market publishes; make "
                "it published_curves, or learn from own results by learning_config.algorithm: "
                f"{', '.join(others)}",
            )


def _mode_warnings(scenario: Scenario) -> tuple[str, ...]:
    if scenario.config.learning_config is None or scenario.learning.learning_mode:
        return ()
    where = f"{CONFIG_FILE}, {scenario.case}.learning_config.learning_mode"
    return (f"{where}: is false, but a training trains all the same",)


def _width_warnings(config: LearningConfig) -> tuple[str, ...]:
    width, interval = config.num_envs, config.validation_interval
    if width > interval:
        return (
            f"learning_config.num_envs: of {width} only {interval} are used, since an evaluation "
            f"follows every {interval} episodes (validation_episodes_interval)",
        )
    return ()


def _starts_warnings(compiled: Compiled, engine: str) -> tuple[str, ...]:
    config = compiled.scenario.learning
    first, most = config.settings.transitions_first, _transitions(compiled, engine)
    if first <= max(1, most):
        return ()
    return (
        f"learning_config.learning_starts: is {first}, but all {config.training_episodes} episodes "
        f"of training have {most} transitions: nothing would be learned",
    )


def _memory_warnings(compiled: Compiled, engine: str) -> tuple[str, ...]:
    """Warn where policies would remember so little that they may run in circles."""
    config, most = compiled.scenario.learning, _transitions(compiled, engine)
    least = math.floor(config.settings.least_memory * most)
    if least <= config.replay_buffer_size:
        return ()
    return (
        f"learning_config.replay_buffer_size: is {config.replay_buffer_size}, but of {most} "
        f"transitions of the training {config.algorithm} should remember {least}: policies that "
        "remember little may run in circles after each other",
    )


def _transitions(compiled: Compiled, engine: str) -> int:
    """Return how many transitions a training has."""
    seconds = _episode_seconds(compiled.scenario, engine)
    each = sum(time < seconds for time in _decided(compiled, compiled.learners))
    return compiled.scenario.learning.training_episodes * each


def _device_warnings(config: LearningConfig, device: str) -> tuple[str, ...]:
    if not config.cuda_graphs or pick_device(device).type != "cpu":
        return ()
    return ("learning_config.cuda_graphs: is not used on a CPU",)


def _status_warnings(config: LearningConfig) -> tuple[str, ...]:
    own = ALGORITHMS[config.algorithm]
    if own.status == "stable":
        return ()
    return (f"learning_config.algorithm: {own.name} is {own.status}; matd3 has been used more",)


def _start_from(config: LearningConfig, policies: Path | str | None) -> Path | None:
    found = policies
    if found is None and config.continue_learning:
        found = config.trained_policies_load_path
    if found is not None:
        folder = policy_folder(Path(found))
        load_policies(folder)  # damaged files are found before anything is written
        return folder
    if config.continue_learning:
        raise SettingError(
            "learning_config.continue_learning",
            "needs trained_policies_load_path, the folder of the policies to start from",
        )
    return None


def _check_schedule(compiled: Compiled, learners: list[str], engine: str) -> None:
    """Raise unless episodes are playable, reach an evaluation and give updates their data."""
    config = compiled.scenario.learning
    first = first_evaluation(config)
    if config.training_episodes < first:
        raise SettingError(
            "learning_config.training_episodes",
            f"is {config.training_episodes}, but with episodes_collecting_initial_experience and "
            "validation_episodes_interval as they are the first evaluation takes place after "
            f"episode {first}: make it that or more",
        )
    seconds = _episode_seconds(compiled.scenario, engine)
    _check_window(compiled)
    updates = update_times(0, seconds, update_interval(config.train_freq, seconds))
    times = [time for time in _decided(compiled, learners) if time < seconds]
    if config.settings.on_policy:
        _check_waiting(config, most_waiting(times, updates))


def _check_window(compiled: Compiled) -> None:
    """Raise unless the parts of the calendar, if episodes are parts, hold whole auctions."""
    steps = window_steps(compiled)
    if steps is None:
        return
    try:
        window_plan(compiled, steps)
    except ConfigurationError as error:
        length = compiled.scenario.learning.episode_length
        raise SettingError("learning_config.episode_length", f"is {length}: {error}") from None


def _check_waiting(config: LearningConfig, waiting: int) -> None:
    """Raise unless all transitions of an on-policy update fit into the replay."""
    needed = min(config.num_envs, config.validation_interval) * waiting
    if needed > config.replay_buffer_size:
        raise SettingError(
            "learning_config.replay_buffer_size",
            f"is {config.replay_buffer_size}, but {needed} transitions wait for an update of "
            f"{config.algorithm}; make it larger, or train_freq shorter",
        )


def window_steps(compiled: Compiled) -> int | None:
    """Return the steps of a training episode; None: it is the whole calendar."""
    length = compiled.scenario.learning.episode_length
    if length is None:
        return None
    # Like the calendar, a window includes the step at its end.
    return duration_seconds(length) // compiled.step_seconds + 1


def _learned_in(compiled: Compiled, learners: Sequence[str]) -> set[str]:
    """Return the markets in which any of these agents bids."""
    agents = compiled.agents.items()
    return {market for market, own in agents if not set(learners).isdisjoint(own.values())}


def openings(compiled: Compiled, learners: Sequence[str]) -> list[int]:
    """Return when learners decide: seconds since the calendar starts."""
    learned = _learned_in(compiled, learners)
    return [
        tick.time
        for tick in compiled.plan
        if any(auction.market in learned for auction in tick.opening)
    ]


def _decided(compiled: Compiled, learners: Sequence[str]) -> list[int]:
    """Return when all learners have decided for a delivery, and its transition begins, likewise.

    Where they decide in turns, that is when the last of them does.
    """
    learned = _learned_in(compiled, learners)
    last: dict[int, int] = {}
    for auction in compiled.auctions:
        if auction.market in learned:
            first = auction.first[0]
            last[first] = max(last.get(first, 0), auction.opens)
    return sorted(last.values())


def _episode_seconds(scenario: Scenario, engine: str) -> int:
    """Return the length of a training episode, s; `ConfigurationError` if it is unplayable."""
    horizon = int((scenario.index[-1] - scenario.index[0]).total_seconds())
    length = scenario.learning.episode_length
    if length is None:
        return horizon
    key, given = "learning_config.episode_length", f"is {length}"
    if engine != "batch":
        raise SettingError(key, f"{given}, but only the batch engine plays parts of the calendar")
    if duration_seconds(length) % scenario.config.time_step:
        step = scenario.config.time_step
        raise SettingError(key, f"{given}, not a multiple of time_step, which is {step} s")
    if duration_seconds(length) > horizon:
        raise SettingError(key, f"{given}, longer than the simulated {horizon / 3600:g} h")
    return duration_seconds(length)
