"""The Learning role: trains the units that register with it, in any mango simulation.

A trading agent introduces its units (`RegisterUnit`), acts on the policies it is sent
(`PolicyUpdate`) and tells what each unit saw, did and earned (`Observed`, `Acted`, `Rewarded`).
`EpisodeStart` and `EpisodeEnd` frame an episode. Updates are due at fixed times of the simulation:
the role sees to them itself by its container's clock, or on `UpdateDue`, which also says how many
records must have arrived before. All learning is done by one `learning.learner.Learner`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from mango import AgentAddress, Role, sender_addr

from assume_rl.agents.learning.episode import Episode
from assume_rl.agents.learning.incoming import is_learning_message, unpack
from assume_rl.agents.learning.publisher import PolicyDesk
from assume_rl.agents.learning.rows import rl_grad_params, rl_params
from assume_rl.agents.messages import (
    Acted,
    EpisodeEnd,
    EpisodeStart,
    Observed,
    RegisterUnit,
    Rewarded,
    Rows,
    UpdateDone,
    UpdateDue,
)
from assume_rl.agents.transport import Failures, post
from assume_rl.core.bidding.base import Layout
from assume_rl.episodes.learning_files import load_obj
from assume_rl.episodes.plan import Plan, Scores, Selection, pick_device
from assume_rl.episodes.trainer import Trainer
from assume_rl.errors import ConfigurationError
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.critics.critic import CriticNets
from assume_rl.learning.exploration import OFF, Exploration
from assume_rl.learning.learner import Learner
from assume_rl.learning.networks import ActorStack, CriticStack
from assume_rl.learning.states import States, networks, write_networks


class Learning(Role):  # type: ignore[misc]
    """Actors, critics, replay and schedule of all units that learn; lives for a whole training.

    The same object is composed into a fresh agent, container and clock for every episode. What
    arrives before an `EpisodeStart` belongs to the next training episode.

    :param learning_config: a `LearningConfig` or a mapping with its keys.
    :param start, end: first and last instant of an episode; naive datetimes are UTC.
    :param seed: keys all draws of the learner.
    :param device: where networks and replay live; None: `learning_config.device`.
    :param save_path: folder for the best and the last policies; None: none are saved.
    :param recorder: address of an agent that takes `Rows` (`rl_params`, `rl_grad_params`).
    :param failures: where exceptions of handlers go; None: to mango, which logs them.
    :raises ConfigurationError: a setting is wrong, or the device is not there.
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
    ) -> None:
        super().__init__()
        if not isinstance(learning_config, LearningConfig):
            learning_config = LearningConfig.from_mapping(learning_config)
        config: LearningConfig = learning_config
        self.plan = Plan.of(config, start, end)
        self.save_path = None if save_path is None else Path(save_path)
        self.recorder = recorder
        self.failures = failures
        self.episodes_done = 0  # training episodes that have ended
        self.scores: Scores | None = None  # of the latest episode that has ended
        self.evaluation_scores: Scores | None = None  # of the latest evaluation
        self.incomplete = 0  # deliveries not learned from, because some unit told nothing
        self._trainer = Trainer(
            config, seed=seed, device=pick_device(device or config.device), dtype=dtype
        )
        self._desk = PolicyDesk(self._trainer, lambda: self._exploration)
        self._selection = Selection(config.early_stopping_window, config.early_stopping_threshold)
        self._random_start = True  # the initial experience is gathered by random actions
        self._bound: object = None
        self._ended: set[tuple[int, bool]] = set()  # (episode, evaluation)
        self._driven = False  # somebody asks for the updates
        self._open(1, config.evaluation_mode)
        self._handlers: dict[type, Callable[[Any, dict[str, Any]], None]] = {
            RegisterUnit: self._register,
            Observed: self._record,
            Acted: self._record,
            Rewarded: self._record,
            UpdateDue: self._ask,
            EpisodeStart: self._start_episode,
            EpisodeEnd: self._end_episode,
        }

    @property
    def config(self) -> LearningConfig:
        """The settings."""
        return self._trainer.config

    @property
    def learner(self) -> Learner:
        """The learner, created on first use; `ConfigurationError` while no unit is registered."""
        return self._trainer.learner

    # --- life in a container -------------------------------------------------------------------

    def setup(self) -> None:
        """Subscribe by message type; doing so again in the same agent changes nothing."""
        if self._bound is self.context:
            return
        self._bound = self.context
        self._driven = False
        self._desk.forget_agents()
        # In another container an evaluation may have a number that was used before.
        self._ended = {key for key in self._ended if not key[1]}
        handler = self.failures.guard(self.handle_message) if self.failures else self.handle_message
        self.context.subscribe_message(self, handler, lambda c, _: is_learning_message(c))

    def on_ready(self) -> None:
        """Await the first update by the container's clock."""
        self._await_next_update()

    def handle_message(self, content: Any, meta: dict[str, Any]) -> None:
        """Take a message, a mapping with the keys of one, or a sequence of them.

        Units that register in one sequence are answered with one `PolicyUpdate`.
        """
        for message in unpack(content):
            self._handlers[type(message)](message, meta)
        # Networks wait for the first record, so that units may register one by one before it.
        begun = self._trainer.created or self._episode.experience.count
        if self._desk.awaited and begun:
            self._publish()
        if self._episode.asked:
            self._answer()

    def _await_next_update(self) -> None:
        now = self.context.current_timestamp
        due = next((time for time in self.plan.update_times if time > now), None)
        if due is not None:
            self.context.schedule_timestamp_task(self._wake(), due)

    async def _wake(self) -> None:
        if self._driven:
            return
        try:
            self._catch_up(self.context.current_timestamp)
        except Exception as error:
            if self.failures is None:
                raise
            self.failures.note(error)
        self._await_next_update()

    # --- units and networks --------------------------------------------------------------------

    def register(self, unit_id: str, layout: Layout, act_size: int) -> None:
        """Make a unit known; agents are in the order in which they become known.

        `ConfigurationError` if it is known with other sizes, or if the networks already exist.
        """
        self._trainer.register(unit_id, layout, act_size)

    def create_learning_algorithm(self, algorithm: str) -> None:
        """Choose the algorithm; `ConfigurationError` if it is unknown or the networks exist."""
        self._trainer.choose(algorithm)

    def create_actors(self) -> tuple[ActorStack, ...]:
        """Snapshots of all actors, which are created if they are not there yet."""
        return self.learner.actors()

    def create_critics(self) -> tuple[CriticStack | CriticNets, ...]:
        """Snapshots of all critics, which are created if they are not there yet."""
        return tuple(critic.snapshot(0) for critic in self.learner.critics)

    def create_actors_and_critics(self, actors_and_critics: States | None = None) -> None:
        """Create all networks, with the weights that `extract_actors_and_critics` gave, if any.

        `PolicyError` if they do not fit.
        """
        learner = self.learner
        if actors_and_critics is not None:
            write_networks(learner, 0, actors_and_critics)
            self._desk.renew()

    def extract_actors_and_critics(self) -> States:
        """Copies of actors, critics and their targets: kind -> unit -> state dict."""
        return networks(self.learner, 0)

    def turn_off_initial_exploration(self, unit_ids: Sequence[str] | None = None) -> None:
        """Let these units (None: all) act on their actors, with noise, from now on."""
        if unit_ids is None:
            self._random_start = False
        else:
            self._trainer.experienced |= set(unit_ids)
        self._renew_policies(self._exploration_at())

    def _register(self, message: RegisterUnit, meta: dict[str, Any]) -> None:
        self.register(message.unit_id, message.layout, message.act_size)
        self._desk.register(message.unit_id, sender_addr(meta))

    # --- episodes ------------------------------------------------------------------------------

    def _open(self, number: int, evaluation: bool) -> None:
        self._episode = Episode.of(number, evaluation)
        self._exploration = self._exploration_at()

    def _start_episode(self, message: EpisodeStart, meta: dict[str, Any]) -> None:
        running = self._episode
        if running.is_meant(message) and running.announced:
            return  # a repeated message
        if self._has_ended(message):
            return  # a repeated message, too
        if not running.is_meant(message):
            if running.announced or running.experience.count:
                self._close()  # its end was never told, or is still under way
            self._open(message.episode, message.evaluation)
        self._episode.announced = True
        self._desk.renew()
        self._publish()

    def _has_ended(self, message: EpisodeStart) -> bool:
        """Whether a start is a late repetition."""
        old = not message.evaluation and message.episode <= self.episodes_done
        return old or (message.episode, message.evaluation) in self._ended

    def _end_episode(self, message: EpisodeEnd, meta: dict[str, Any]) -> None:
        if self._episode.is_meant(message):
            self._close()

    def _close(self) -> None:
        """Learn from the last deliveries, score the episode and be ready for the next one."""
        self._close_window(final=True)
        self._ended.add((self._episode.number, self._episode.evaluation))
        self.incomplete += self._episode.incomplete()
        self.scores = self._episode.experience.scores()
        if self._episode.evaluation:
            self.evaluation_scores = self.scores
        else:
            self.episodes_done += 1
        self._open(self.episodes_done + 1, False)

    def _record(self, message: Observed | Acted | Rewarded, meta: dict[str, Any]) -> None:
        self._trainer.check_known(message.unit_id)
        self._episode.experience.add(message)

    # --- updates -------------------------------------------------------------------------------

    def _ask(self, message: UpdateDue, meta: dict[str, Any]) -> None:
        self._driven = True
        self._episode.asked.append((message, sender_addr(meta)))

    def _answer(self) -> None:
        """Do what was asked for as soon as all records it waits for have arrived."""
        episode = self._episode
        while episode.asked and episode.experience.count >= episode.asked[0][0].records:
            message, address = episode.asked.pop(0)
            self._catch_up(message.time)
            self._publish()
            post(self.context, UpdateDone(message.time, self._desk.version), address)

    def _catch_up(self, now: float) -> None:
        """Do every update that is due by `now` and not done yet."""
        episode = self._episode
        for due in self.plan.update_times[episode.due :]:
            if due > now:
                return
            episode.due += 1
            self._close_window()
            if self.episodes_done >= self.plan.initial_episodes:
                self._update(due)

    def _close_window(self, *, final: bool = False) -> None:
        """Report what is complete, and hand its transitions to the learner."""
        episode = self._episode
        if not episode.experience.count:
            return
        trainer, units = self._trainer, self._trainer.unit_ids
        frames = episode.experience.take_complete(units, final=final)
        if self.recorder is not None:
            for columns in rl_params(frames, trainer.specs, episode.number, episode.evaluation):
                post(self.context, Rows("rl_params", columns), self.recorder)
        groups = [group.unit_ids for group in trainer.groups]
        joint = episode.experience.take_transitions(len(units), groups, final=final)
        if joint is not None:
            trainer.learner.observe(joint)

    async def update_policy(self) -> None:
        """Update once from the replay, whatever the schedule says, and publish the policies.

        Does nothing in an evaluation, and while the replay holds no transition.
        """
        self._close_window()
        self._update(self.context.current_timestamp if self.context else self.plan.start)

    def _update(self, now: float) -> None:
        if self._episode.evaluation or not self._trainer.ready:
            return
        episode = self._episode
        progress = self.plan.progress(self.episodes_done, now)
        metrics = self.learner.update(progress).of_seed(0)
        if self.recorder is not None:
            first = self.plan.iterations_before(self.episodes_done, episode.updates)
            units = self._trainer.unit_ids
            columns = rl_grad_params(metrics, units, first=first, episode=episode.number)
            post(self.context, Rows("rl_grad_params", columns), self.recorder)
        episode.updates += 1
        self._renew_policies(self._exploration_at(now))

    def _exploration_at(self, now: float | None = None) -> Exploration:
        if self._episode.evaluation:
            return OFF
        return self.plan.exploration(self.episodes_done, now, random_start=self._random_start)

    # --- policies ------------------------------------------------------------------------------

    def _renew_policies(self, exploration: Exploration) -> None:
        self._exploration = exploration
        self._desk.renew()
        if self._trainer.created:
            self._publish()

    def _publish(self) -> None:
        """Send the policies to everybody who does not have them yet."""
        for address in self._desk.outdated():
            post(self.context, self._desk.update_for(address), address)

    def compare_and_save_policies(self, metrics: Mapping[str, float] | None = None) -> bool:
        """Keep the policies that did best in an evaluation; whether training should stop.

        `metrics`: `reward`, `profit`, `regret` (any of them; None: those of the latest evaluation
        episode). The highest reward, the highest profit and the lowest regret each have a folder
        `best_<metric>` of `save_path`; the current policies and critics go to `last`.
        """
        if metrics is None:
            if self.evaluation_scores is None:
                raise ConfigurationError("no evaluation episode has ended yet")
            metrics = vars(self.evaluation_scores)
        improved = self._selection.improved(metrics)
        if self.save_path is not None:
            for name in improved:
                self.save_actor_params(self.save_path / f"best_{name}")
            self.save_params(self.save_path / "last")
        return "reward" in metrics and self._selection.settled(metrics["reward"])

    # --- files ---------------------------------------------------------------------------------

    def save_params(self, directory: Path | str) -> None:
        """Write actors, critics and trainer state; `PolicyError` if that fails."""
        self.save_actor_params(directory)
        self.save_critic_params(directory)

    def save_actor_params(self, directory: Path | str) -> None:
        """Write a policy folder, which a scenario can run on."""
        extra = {
            "episodes_done": self.episodes_done,
            "max_bid_price": self.config.max_bid_price,  # what actions and observations scale by
        }
        self._trainer.save_actors(Path(directory), extra)

    def save_critic_params(self, directory: Path | str) -> None:
        """Write critics, targets and optimisers."""
        self._trainer.save_critics(Path(directory))

    def load_params(self, directory: Path | str) -> None:
        """Take over actors and critics; before the networks exist, as soon as they do.

        Reads our layout and ASSUME's. `PolicyError` if files are missing or damaged.
        """
        self.load_actor_params(directory)
        self.load_critic_params(directory)

    def load_actor_params(self, directory: Path | str) -> None:
        """Take over the actors saved there; their units skip the random initial experience.

        Units without a policy that fits keep theirs, with a warning.
        """
        self._trainer.when_created(lambda: self._trainer.load_actors(Path(directory)))
        self._desk.renew()

    def load_critic_params(self, directory: Path | str) -> None:
        """Take over critics and targets; optimisers too if the saved fleet is this one."""
        self._trainer.when_created(lambda: self._trainer.load_critics(Path(directory)))

    def load_obj(self, directory: Path | str) -> dict[str, Any]:
        """Content of one file (`.pt`, `.safetensors`) or of a folder's trainer state.

        Nothing that a file may hold is run. `PolicyError` if it is missing or damaged.
        """
        return load_obj(Path(directory))

    def state_dict(self) -> dict[str, Any]:
        """Everything between two episodes, replay included: what a run resumes from."""
        return {"learner": self.learner.state_dict(), **self.schedule_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, taken from a role with the same units and settings."""
        self.learner.load_state_dict(state["learner"])
        self.load_schedule_state(state)

    def schedule_state(self) -> dict[str, Any]:
        """How far the training has come between two episodes: the state without the learner's."""
        return {
            "episodes_done": self.episodes_done,
            "selection": self._selection.state_dict(),
            "random_start": self._random_start,
            "experienced": sorted(self._trainer.experienced),
        }

    def load_schedule_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `schedule_state`, taken from a role with the same settings."""
        self.episodes_done = state["episodes_done"]
        self._selection.load_state_dict(state["selection"])
        self._random_start = state["random_start"]
        self._trainer.experienced = set(state["experienced"])
        self._exploration = self._exploration_at()
        self._desk.renew()
