"""The Learning role: trains the units that register with it, in any mango simulation.

A trading agent registers its units (`RegisterUnit`), acts on the policies it is sent
(`PolicyUpdate`) and reports what each unit saw, did and earned (`Observed`, `Acted`, `Rewarded`).
`EpisodeStart` and `EpisodeEnd` frame an episode. Updates are due at fixed times of the simulation:
the role does them by its container's clock, or on `UpdateDue`, which also says how many records
must have arrived before. `Goodbye` ends what an agent takes part in. The role subscribes, publishes
and answers; `training` decides what is learned and when, `keeper` saves and loads, `publisher`
knows who needs which policies, `incoming` checks what comes from other containers: a mistake is
answered with `Refused` and changes nothing, and nor does what follows it in the same sequence.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mango import AgentAddress, Role, sender_addr

from assume_rl.agents.learning.episode import Request
from assume_rl.agents.learning.incoming import (
    check_numbers,
    check_protocol,
    is_learning_message,
    one_by_one,
    unpack,
)
from assume_rl.agents.learning.keeper import Keeper
from assume_rl.agents.learning.publisher import Publisher, named
from assume_rl.agents.learning.training import Training
from assume_rl.agents.messages import (
    Acted,
    EpisodeEnd,
    EpisodeStart,
    Goodbye,
    ObsActRew,
    Observed,
    Refused,
    RegisterUnit,
    Rewarded,
    Rows,
    UpdateDone,
    UpdateDue,
)
from assume_rl.agents.transport import Failures, post
from assume_rl.core.bidding.base import Layout
from assume_rl.episodes.learning_files import load_obj
from assume_rl.episodes.plan import Plan, pick_device
from assume_rl.episodes.selection import Scores
from assume_rl.episodes.trainer import Trainer
from assume_rl.errors import ConfigurationError
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.critics.base import CriticNets
from assume_rl.learning.learner import Learner, Listener
from assume_rl.learning.nets.stack import ActorStack, CriticStack
from assume_rl.learning.states import States, networks, write_networks
from assume_rl.learning.types import NO_SCALES, Earnings, Scales

logger = logging.getLogger(__name__)


class Learning(Role):  # type: ignore[misc]
    """Actors, critics, replay and schedule of all units that learn; lives for a whole training.

    The same object is composed into a fresh agent, container and clock for every episode. What
    arrives before an `EpisodeStart` belongs to the next training episode.

    :param learning_config: a `LearningConfig` or a mapping with its keys
    :param start: first instant of an episode; naive datetimes are UTC
    :param end: last instant of an episode
    :param seed: keys all draws of the learner
    :param device: where networks and replay are; None: `learning_config.device`
    :param dtype: of networks and replay
    :param save_path: folder for the best and the last policies; None: none are saved
    :param recorder: address of an agent that takes `Rows` (`rl_params`, `rl_grad_params`)
    :param failures: where exceptions of handlers go; None: to mango, which logs them
    :param listener: hears of transitions and updates
    :param notes: further entries of the manifests of policies, which JSON can hold
    :raises ConfigurationError: a setting is wrong, or the device is not available
    """

    def __init__(
        self,
        learning_config: LearningConfig | Mapping[str, Any],
        start: datetime,
        end: datetime,
        *,
        seed: int = 0,
        device: str | None = None,
        dtype: torch.dtype = torch.float32,
        save_path: Path | str | None = None,
        recorder: AgentAddress | None = None,
        failures: Failures | None = None,
        listener: Listener | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(learning_config, LearningConfig):
            learning_config = LearningConfig.from_mapping(learning_config)
        config: LearningConfig = learning_config
        self.plan = Plan.of(config, start, end)
        self.save_path = None if save_path is None else Path(save_path)
        self.recorder = recorder
        self.failures = failures
        self._trainer = Trainer(
            config, seed=seed, device=pick_device(device or config.device), dtype=dtype
        )
        self._trainer.when_created(lambda: self._trainer.listen(listener))
        self._training = Training(
            self._trainer, self.plan, report=self._report, renewed=self._renewed
        )
        self._keeper = Keeper(self._training, notes or {})
        self._publisher = Publisher(self._trainer, lambda: self._training.exploration)
        self._bound: object = None  # context in which the role has subscribed
        self._driven = False  # updates are asked for, so the clock causes none
        self._market: object = None  # address of the container that started the episode
        self._handlers: dict[type, Callable[[Any, dict[str, Any]], None]] = {
            RegisterUnit: self._register,
            Observed: self._record,
            Acted: self._record,
            Rewarded: self._record,
            ObsActRew: self._record_all,
            UpdateDue: self._ask,
            EpisodeStart: self._start_episode,
            EpisodeEnd: self._end_episode,
            Goodbye: self._leave,
        }

    @property
    def config(self) -> LearningConfig:
        """Return the settings."""
        return self._trainer.config

    @property
    def learner(self) -> Learner:
        """Return the learner, created on first use; `ConfigurationError` if no unit registered."""
        return self._trainer.learner

    @property
    def episodes_done(self) -> int:
        """Return the number of training episodes that have ended."""
        return self._training.episodes_done

    @property
    def scores(self) -> Scores | None:
        """Return the scores of the latest episode that has ended, None before the first."""
        return self._training.scores

    @property
    def evaluation_scores(self) -> Scores | None:
        """Return the scores of the latest evaluation, None before the first."""
        return self._training.evaluation_scores

    @property
    def incomplete(self) -> int:
        """Return the number of deliveries not learned from because a record is missing."""
        return self._training.incomplete

    # --- life in a container -------------------------------------------------------------------

    def setup(self) -> None:
        """Subscribe by message type; doing so again in the same agent changes nothing."""
        if self._bound is self.context:
            return
        self._bound = self.context
        self._driven = False
        self._publisher.forget_agents()
        # In another container an evaluation may have a number that was used before.
        self._training.forget_evaluations()
        handler = self.failures.guard(self.handle_message) if self.failures else self.handle_message
        self.context.subscribe_message(self, handler, lambda c, _: is_learning_message(c))

    def on_ready(self) -> None:
        """Await the first update by the container's clock."""
        self._await_next_update()

    def handle_message(self, content: Any, meta: dict[str, Any]) -> None:
        """Take a message, a mapping with the keys of one, or a sequence of them.

        Units that register in one sequence are answered with one `PolicyUpdate`. What is wrong
        raises a `ConfigurationError`; if it comes from another container, its sender gets it. Of a
        sequence, the messages before it have been taken by then, those after it are not.
        """
        try:
            for message in unpack(content, strict=self._elsewhere(meta)):
                self._handlers[type(message)](message, meta)
        except ConfigurationError as error:
            if not self._elsewhere(meta):
                raise
            logger.warning("refused a message of %s: %s", named(sender_addr(meta)), error)
            post(self.context, Refused(str(error)), sender_addr(meta))
        # Networks wait for the first record, so that units may register one by one before it.
        if self._publisher.awaited and self._training.begun:
            self._publish()
        self._training.answer()

    def _await_next_update(self) -> None:
        now = self.context.current_timestamp
        due = next((time for time in self.plan.update_times if time > now), None)
        if due is not None:
            self.context.schedule_timestamp_task(self._wake(), due)

    async def _wake(self) -> None:
        if self._driven:
            return
        try:
            self._training.catch_up(self.context.current_timestamp)
        except Exception as error:
            if self.failures is None:
                raise
            self.failures.note(error)
        self._await_next_update()

    # --- messages ------------------------------------------------------------------------------

    def _elsewhere(self, meta: dict[str, Any]) -> bool:
        return bool(sender_addr(meta).protocol_addr != self.context.addr.protocol_addr)

    def _register(self, message: RegisterUnit, meta: dict[str, Any]) -> None:
        check_protocol(f"unit '{message.unit_id}'", message.protocol)
        sizes = message.act_size, message.rungs
        known = message.earnings, message.scales
        self.register(message.unit_id, message.layout, *sizes, *known, shared=message.shared)
        self._publisher.register(message.unit_id, sender_addr(meta))

    def _leave(self, message: Goodbye, meta: dict[str, Any]) -> None:
        sender = sender_addr(meta)
        who = sender if message.of is None else AgentAddress(*message.of)
        if who != sender and self._elsewhere(meta) and sender.protocol_addr != self._market:
            raise ConfigurationError(
                f"only {named(who)} itself, or the market, can say that it has left"
            )
        self._training.leave(self._publisher.leave(who))

    def _start_episode(self, message: EpisodeStart, meta: dict[str, Any]) -> None:
        if self._training.start(message.episode, message.evaluation, message.units):
            self._market = sender_addr(meta).protocol_addr
            if message.units:
                self._publisher.forget_unclaimed()
            self._publisher.renew()
            self._publish()

    def _end_episode(self, message: EpisodeEnd, meta: dict[str, Any]) -> None:
        if self._training.end(message.episode, message.evaluation):
            self._publisher.release()

    def _record(self, message: Observed | Acted | Rewarded, meta: dict[str, Any]) -> None:
        self._publisher.check_owner(message.unit_id, sender_addr(meta))
        if self._elsewhere(meta):
            self._trainer.check_known(message.unit_id)
            check_numbers(message, self._trainer.spec(message.unit_id))
        behind = 0
        if isinstance(message, Acted) and message.version >= 0:
            behind = self._publisher.behind(message.unit_id, message.version)
        self._training.record(message, behind)

    def _record_all(self, message: ObsActRew, meta: dict[str, Any]) -> None:
        unit = message.unit_id or self._publisher.only_unit(sender_addr(meta))
        times = message.time
        if times is None:
            times = self._training.times_of(unit, len(message.observation))
        for record in one_by_one(message, unit, times):
            self._record(record, meta)

    def _ask(self, message: UpdateDue, meta: dict[str, Any]) -> None:
        self._driven = True
        sender = sender_addr(meta)
        done = partial(self._answer, message, sender)
        self._training.ask(Request(message.time, message.records, sender, done))

    def _answer(self, due: UpdateDue, address: AgentAddress) -> None:
        self._publish()
        post(self.context, UpdateDone(due.time, self._publisher.version, due.records), address)

    def _report(self, table: str, rows: Callable[[], Sequence[dict[str, Any]]]) -> None:
        if self.recorder is not None:
            for columns in rows():
                post(self.context, Rows(table, columns), self.recorder)

    def _renewed(self) -> None:
        self._publisher.renew()
        if self._trainer.created:
            self._publish()

    def _publish(self) -> None:
        """Send the policies to every agent that does not have this version of them."""
        for address in self._publisher.outdated():
            post(self.context, self._publisher.update_for(address), address)

    # --- units and networks --------------------------------------------------------------------

    def register(
        self,
        unit_id: str,
        layout: Layout,
        act_size: int,
        rungs: int = 0,
        earnings: Earnings | None = None,
        scales: Scales = NO_SCALES,
        shared: str | None = None,
    ) -> None:
        """Add a unit; agents are in the order in which their units are added.

        :param unit_id: its name
        :param layout: features of its observations
        :param act_size: numbers of an action
        :param rungs: of the ladder that an action chooses from; 0: there is none
        :param earnings: the range of its rewards, which `clip_targets` needs
        :param scales: what its numbers stand for, which policy files keep
        :param shared: policy that it shares with others; None: it has one of its own
        :raises ConfigurationError: it is known with other sizes, or the networks already exist
        """
        self._trainer.register(unit_id, layout, act_size, rungs, earnings, scales, shared)

    def create_learning_algorithm(self, algorithm: str) -> None:
        """Choose the algorithm; `ConfigurationError` if it is unknown or the networks exist."""
        self._trainer.choose(algorithm)

    def create_actors(self) -> tuple[ActorStack, ...]:
        """Return snapshots of all actors, one stack per sizes of observation and action.

        Creates the networks if they do not exist yet.
        """
        return self._trainer.actors()

    def create_critics(self) -> tuple[CriticStack | CriticNets, ...]:
        """Return snapshots of all critics; create the networks if they do not exist yet."""
        return tuple(
            net.form.snapshot(net.online, 0) for net in self.learner.nets.get("critic", ())
        )

    def create_actors_and_critics(self, actors_and_critics: States | None = None) -> None:
        """Create all networks, with the weights that `extract_actors_and_critics` returned, if any.

        :raises PolicyError: they do not fit
        """
        learner = self.learner
        if actors_and_critics is not None:
            normaliser, given = learner.normaliser, actors_and_critics
            own = {kind: given[kind] for kind in given if kind not in normaliser.parts}
            write_networks(learner.nets, 0, own)
            normaliser.load_state_of(0, given)
            self._publisher.renew()

    def extract_actors_and_critics(self) -> States:
        """Return copies of actors, critics and their targets: kind -> unit -> state dict.

        So are statistics, if any are kept.
        """
        return networks(self.learner.nets, 0) | self.learner.normaliser.moments_of(0)

    def turn_off_initial_exploration(self, unit_ids: Sequence[str] | None = None) -> None:
        """Let these units (None: all) act on their actors, with noise, from now on."""
        self._training.skip_random_start(unit_ids)

    async def update_policy(self) -> None:
        """Update once from the replay, whatever the schedule says, and publish the policies.

        Does nothing in an evaluation, and while the replay holds no transition.
        """
        self._training.update(self.context.current_timestamp if self.context else self.plan.start)

    # --- files ---------------------------------------------------------------------------------

    def compare_and_save_policies(self, metrics: Mapping[str, float] | None = None) -> bool:
        """Keep the policies that did best in an evaluation; return whether training should stop.

        The highest reward, the highest profit, the lowest regret and the lowest exploitability
        each have a folder `best_<metric>` of `save_path`; the current policies and critics go to
        `last`.

        :param metrics: `reward`, `profit`, `regret`, `exploitability` (any of them); None: those
            that are known of the latest evaluation episode
        """
        return self._keeper.keep_best(metrics, self.save_path)

    def save_params(self, directory: Path | str) -> None:
        """Write actors, critics and trainer state; `PolicyError` if that fails."""
        self.save_actor_params(directory)
        self.save_critic_params(directory)

    def save_actor_params(self, directory: Path | str) -> None:
        """Write a policy folder, which a scenario can run on."""
        self._keeper.save_actors(Path(directory))

    def save_critic_params(self, directory: Path | str) -> None:
        """Write critics, targets and optimisers."""
        self._keeper.save_critics(Path(directory))

    def load_params(self, directory: Path | str) -> None:
        """Load actors and critics; before the networks exist, as soon as they do.

        Reads our layout and ASSUME's.

        :raises PolicyError: files are missing or damaged
        """
        self.load_actor_params(directory)
        self.load_critic_params(directory)

    def load_actor_params(self, directory: Path | str) -> None:
        """Load the actors saved there; their units skip the random initial experience.

        Units without a policy that fits keep theirs, with a warning.
        """
        self._keeper.load_actors(Path(directory))
        self._publisher.renew()

    def load_critic_params(self, directory: Path | str) -> None:
        """Load critics and targets; optimisers too if the saved fleet is this one."""
        self._keeper.load_critics(Path(directory))

    def load_obj(self, directory: Path | str) -> dict[str, Any]:
        """Return the content of one file (`.pt`, `.safetensors`) or of a folder's trainer state.

        No code that a file may hold is run. `PolicyError` if it is missing or damaged.
        """
        return load_obj(Path(directory))

    def state_dict(self) -> dict[str, Any]:
        """Return everything between two episodes, replay included, that a run resumes from."""
        return {"learner": self.learner.state_dict(), **self.schedule_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, taken from a role with the same units and settings."""
        self.learner.load_state_dict(state["learner"])
        self.load_schedule_state(state)

    def schedule_state(self) -> dict[str, Any]:
        """Return the state between two episodes without the learner's."""
        return self._keeper.progress()

    def load_schedule_state(self, state: Mapping[str, Any]) -> None:
        """Continue from `schedule_state`, taken from a role with the same settings."""
        self._keeper.load_progress(state)
        self._publisher.renew()
