"""Trains the learning bidders of a study case, keeps the best policies and shows what they do."""

import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path

from assume_rl.agents.learning_role import Learning
from assume_rl.agents.world import World
from assume_rl.episodes.learning_plan import pick_device, update_interval
from assume_rl.errors import ConfigurationError
from assume_rl.experiments.case import (
    Experiment,
    Places,
    compiled_case,
    folder_policies,
    named_policies,
    open_experiment,
    policy_folder,
)
from assume_rl.experiments.evaluate import KEPT, Evaluation, score
from assume_rl.experiments.loop import complete
from assume_rl.experiments.observer import EpisodeReport, Observer, Silent
from assume_rl.experiments.outputs import METRICS, POLICIES, check_policy_copy, copy_policies
from assume_rl.learning.assume_layout import is_assume_layout
from assume_rl.learning.checkpoint import load_policies
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.trainer_state import FILE as TRAINER_STATE
from assume_rl.results.metrics import JsonLines, write_kpis
from assume_rl.scenario.config import CONFIG_FILE
from assume_rl.scenario.types import Scenario


@dataclass(frozen=True)
class TrainResult:
    """Where a training's results are, and how good its last and its best policies were."""

    folder: Path
    database: str  # SQLAlchemy URL
    policies: tuple[Path, ...]  # `policies` of the folder, then `trained_policies_save_path`
    episodes: tuple[EpisodeReport, ...]
    last: Evaluation
    best: Evaluation
    warnings: tuple[str, ...]


def train(
    scenario: Scenario | Path | str,
    *,
    policies: Path | str | None = None,
    seed: int | None = None,
    device: str | None = None,
    out: Path | str | None = None,
    db: str | None = None,
    csv: Path | str | None = None,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> TrainResult:
    """Train, evaluate at intervals, keep the best; then record a run on the last policies.

    Units that the study case names a policy for act on it and do not learn.

    :param policies: folder to start from; likewise `trained_policies_load_path` with
        `continue_learning`.
    :param device: `auto`, `cpu`, `cuda`; None: `learning_config.device`.
    :param out: see `Places`, likewise `db`, `csv`, `overwrite`.
    :raises AssumeRlError: something the user can mend.
    """
    compiled = compiled_case(scenario)
    config = compiled.scenario.learning
    fixed = named_policies(compiled)
    learners = [unit for unit in compiled.learners if unit not in fixed]
    _check(compiled.scenario, learners)
    start_from = _start_from(config, policies)
    watcher = observer or Silent()
    places = Places(out, db, csv, overwrite)
    copy = Path(config.trained_policies_save_path) if config.trained_policies_save_path else None
    if copy is not None:
        check_policy_copy(copy, overwrite=overwrite)
    named = str(pick_device(device or config.device))
    with open_experiment(
        compiled, "train", places, seed=seed, device=named, keep=KEPT, reads=start_from
    ) as experiment:
        learning = _learning_role(experiment, config, named)
        if start_from is not None:
            _take_over(learning, start_from)
        world = World(experiment.compiled, seed=experiment.seed, policies=fixed, learning=learning)
        reports = complete(_collect(experiment, world, learning, watcher))
        saved = experiment.folder / POLICIES
        kinds = {
            name: fixed | folder_policies(experiment.compiled, saved / name, learners)
            for name in ("best_reward", "last")
        }
        scores = {}
        for name, actors in kinds.items():
            # What is recorded for good is the run on the last policies, as users expect it.
            run = experiment if name == "last" else experiment.unrecorded(KEPT)
            scores[name] = score(run, actors, Silent())
        write_kpis(experiment.database)
        experiment.results["scores"] = {
            name: {"reward": s.reward, "profit": s.profit, "regret": s.regret}
            for name, s in scores.items()
        }
        if copy is not None and copy.resolve() != saved.resolve():
            copy_policies(saved, copy)
    return TrainResult(
        experiment.folder,
        experiment.url,
        (saved,) if copy is None else (saved, copy),
        reports,
        scores["last"],
        scores["best_reward"],
        (*compiled.scenario.warnings, *training_warnings(compiled.scenario)),
    )


def training_warnings(scenario: Scenario) -> tuple[str, ...]:
    """What is odd about training this study case, one sentence each."""
    if scenario.config.learning_config is None or scenario.learning.learning_mode:
        return ()
    where = f"{CONFIG_FILE}, {scenario.case}.learning_config.learning_mode"
    return (f"{where}: is false, but a training trains all the same",)


async def episodes(
    experiment: Experiment, world: World, learning: Learning, observer: Observer
) -> AsyncIterator[EpisodeReport]:
    """Training episodes, and an evaluation after every `validation_episodes_interval` of them."""
    config = learning.config
    first = _first_evaluation(config)
    evaluations, best = 0, -float("inf")
    for number in range(learning.episodes_done + 1, config.training_episodes + 1):
        yield await _episode(experiment, world, learning, observer, number, evaluation=False)
        if number % config.validation_interval or number < first:
            continue
        evaluations += 1
        report = await _episode(experiment, world, learning, observer, evaluations, evaluation=True)
        improved, best = report.reward > best, max(best, report.reward)
        stop = learning.compare_and_save_policies()
        yield EpisodeReport(**(asdict(report) | {"best": improved}))
        if stop:
            return


async def _episode(
    experiment: Experiment,
    world: World,
    learning: Learning,
    observer: Observer,
    number: int,
    *,
    evaluation: bool,
) -> EpisodeReport:
    start = time.perf_counter()
    await world.run_episode(
        number,
        evaluation=evaluation,
        sink=experiment.training_sink,
        record_market=False,
        on_time=lambda now: observer.advance(experiment.share_done(now)),
    )
    scores = learning.evaluation_scores if evaluation else learning.scores
    assert scores is not None
    seconds = time.perf_counter() - start
    return EpisodeReport(
        number, evaluation, scores.reward, scores.profit, scores.regret, round(seconds, 3)
    )


async def _collect(
    experiment: Experiment, world: World, learning: Learning, observer: Observer
) -> tuple[EpisodeReport, ...]:
    """Run all episodes; whatever stops them, the policies of that moment are saved."""
    reports = []
    observer.begin(learning.config.training_episodes)
    with JsonLines(experiment.folder / METRICS) as metrics:
        try:
            async for report in episodes(experiment, world, learning, observer):
                reports.append(report)
                metrics.write(asdict(report))
                observer.episode(report)
        finally:
            if learning.episodes_done > 0:
                learning.save_params(experiment.folder / POLICIES / "last")
    return tuple(reports)


def _learning_role(experiment: Experiment, config: LearningConfig, device: str | None) -> Learning:
    return Learning(
        config,
        experiment.scenario.start,
        experiment.scenario.index[-1].to_pydatetime(),
        seed=experiment.seed,
        device=device,
        save_path=experiment.folder / POLICIES,
    )


def _start_from(config: LearningConfig, policies: Path | str | None) -> Path | None:
    found = policies
    if found is None and config.continue_learning:
        found = config.trained_policies_load_path
    if found is not None:
        folder = policy_folder(Path(found))
        load_policies(folder)  # damaged files are told before anything is written
        return folder
    if config.continue_learning:
        raise ConfigurationError(
            "learning_config.continue_learning needs trained_policies_load_path, the folder of "
            "the policies to go on from"
        )
    return None


def _take_over(learning: Learning, folder: Path) -> None:
    """Go on from a policy folder; the best policies are kept without critics."""
    if is_assume_layout(folder) or (folder / TRAINER_STATE).is_file():
        learning.load_params(folder)
    else:
        learning.load_actor_params(folder)


def _check(scenario: Scenario, learners: list[str]) -> None:
    """Somebody must learn, and a training must reach its first evaluation."""
    if not learners:
        raise ConfigurationError(
            f"study case '{scenario.case}' has no learning bidder: give a unit a learning "
            "strategy in its bidding_<MARKET> column"
        )
    config = scenario.learning
    first = _first_evaluation(config)
    if config.training_episodes < first:
        raise ConfigurationError(
            f"learning_config.training_episodes is {config.training_episodes}, but with "
            "episodes_collecting_initial_experience and validation_episodes_interval as they are "
            f"the first evaluation takes place after episode {first}"
        )
    horizon = int((scenario.index[-1] - scenario.index[0]).total_seconds())
    update_interval(config.train_freq, horizon)


def _first_evaluation(config: LearningConfig) -> int:
    """The first multiple of the interval that leaves a whole interval of learning before it."""
    interval = config.validation_interval
    earliest = config.episodes_collecting_initial_experience + interval
    return -(-earliest // interval) * interval
