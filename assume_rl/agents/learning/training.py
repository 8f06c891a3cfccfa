"""A training, episode by episode: transitions, updates that are due, and how units explore."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from assume_rl.agents.learning.episode import Episode, Request
from assume_rl.agents.learning.experience import Record
from assume_rl.agents.learning.rows import rl_grad_params, rl_params
from assume_rl.agents.messages import Acted, Observed, Rewarded
from assume_rl.episodes.plan import Plan
from assume_rl.episodes.selection import Scores
from assume_rl.episodes.trainer import Trainer
from assume_rl.errors import ConfigurationError
from assume_rl.learning.build import decision_extras, outcome_extras
from assume_rl.learning.exploration import OFF, Exploration


class Report(Protocol):
    """Takes rows of a result table."""

    def __call__(self, table: str, rows: Callable[[], Sequence[dict[str, Any]]]) -> None:
        """Take the sets of columns that `rows` returns; it is called only if they are wanted."""
        ...


class Training:
    """Feeds a learner with the records of one episode after another, and updates it as planned.

    :param trainer: holds the learner
    :param plan: when updates are due, and how units explore
    :param report: takes rows of `rl_params` and `rl_grad_params`
    :param renewed: called when policies or exploration have changed within an episode
    """

    def __init__(
        self, trainer: Trainer, plan: Plan, *, report: Report, renewed: Callable[[], None]
    ) -> None:
        self.trainer = trainer
        self.plan = plan
        self.episodes_done = 0  # training episodes that have ended
        self.scores: Scores | None = None  # of the latest episode that has ended
        self.evaluation_scores: Scores | None = None  # of the latest evaluation
        self.incomplete = 0  # deliveries not learned from, because a record is missing
        self.random_start = True  # the first episodes act at random
        self._report = report
        self._renewed = renewed
        self._ended: set[tuple[int, bool]] = set()  # keys of episodes
        self._open(1, trainer.config.evaluation_mode)

    # --- episodes ------------------------------------------------------------------------------

    @property
    def begun(self) -> bool:
        """Return whether the networks exist, or may be created because a record has arrived."""
        return self.trainer.created or self._episode.experience.heard

    def forget_evaluations(self) -> None:
        """Let evaluations have numbers that were used before."""
        self._ended = {(number, evaluation) for number, evaluation in self._ended if not evaluation}

    def start(self, number: int, evaluation: bool, units: tuple[str, ...] = ()) -> bool:
        """Start an episode; return False if it was started before, which changes nothing.

        What has arrived before the first start belongs to that episode.

        :param number: of the episode
        :param evaluation: whether it is an evaluation
        :param units: that learn, in the order of the agents; empty: those that register
        """
        key, running = (number, evaluation), self._episode
        if key == running.key and running.announced:
            return False
        if key in self._ended or (not evaluation and number <= self.episodes_done):
            return False
        if key != running.key:
            if running.announced or running.experience.heard:
                self._close()  # its end was not announced, or that message is still under way
            self._open(number, evaluation)
        self._episode.announced = True
        self._episode.units = units
        self.trainer.order = units or self.trainer.order
        return True

    def end(self, number: int, evaluation: bool) -> bool:
        """End an episode; return False if it is not the one that is running: nothing changes."""
        if (number, evaluation) != self._episode.key:
            return False
        self._close()
        return True

    def record(self, record: Record, behind: int = 0) -> None:
        """Keep a record of the running episode.

        :param record: to keep
        :param behind: versions between the policy of an action and the latest one
        :raises ConfigurationError: its unit has not registered, or it contradicts another record,
            or it lacks extras of an action or outcome that the algorithm learns from
        """
        self.trainer.check_known(record.unit_id)
        if not (self._episode.evaluation or isinstance(record, Observed)):
            _check_extras(record, self.trainer)
        self._episode.experience.add(record, behind)

    def leave(self, units: Sequence[str]) -> None:
        """Wait for no further records of these units in the running episode."""
        self._episode.experience.leave(units)

    def times_of(self, unit_id: str, count: int) -> tuple[float, ...]:
        """Return times for deliveries that a unit reports without any, one after the other.

        The first ones of an episode get the same times whatever the unit, so that they are joined.
        """
        reported = self._episode.untimed
        first = self.plan.start + reported[unit_id]
        reported[unit_id] += count
        return tuple(float(first + k) for k in range(count))

    def _open(self, number: int, evaluation: bool) -> None:
        self._episode = Episode.of(number, evaluation)
        self.exploration = self._exploration_at()

    def _close(self) -> None:
        """Learn from the last deliveries, score the episode and open the next one."""
        self._take_experience(final=True)
        self._ended.add(self._episode.key)
        self.incomplete += self._episode.incomplete()
        self.scores = self._episode.experience.scores()
        if self._episode.evaluation:
            self.evaluation_scores = self.scores
        else:
            self.episodes_done += 1
        self._open(self.episodes_done + 1, False)

    # --- updates -------------------------------------------------------------------------------

    def ask(self, request: Request) -> None:
        """Keep a request of the running episode until `answer` can fulfil it.

        It takes the place of one of the same sender for the same time.
        """
        own = (request.sender, request.time)
        waiting = [r for r in self._episode.requests if (r.sender, r.time) != own]
        self._episode.requests = [*waiting, request]

    def answer(self) -> None:
        """Fulfil the requests, in order, whose records have arrived, once all units are known."""
        episode = self._episode
        while episode.requests and episode.experience.count >= episode.requests[0].records:
            if not set(episode.units).issubset(self.trainer.unit_ids):
                return
            request = episode.requests.pop(0)
            self.catch_up(request.time)
            request.done()

    def catch_up(self, now: float) -> None:
        """Do every update that is due by `now` (POSIX seconds) and not done yet."""
        episode = self._episode
        for due in self.plan.update_times[episode.due :]:
            if due > now:
                return
            episode.due += 1
            self._take_experience()
            if self.episodes_done >= self.plan.initial_episodes:
                self._update(due)

    def update(self, now: float) -> None:
        """Update at `now` (POSIX seconds), whatever the schedule says.

        Does nothing in an evaluation, and while the replay holds no transition.
        """
        self._take_experience()
        self._update(now)

    def _take_experience(self, *, final: bool = False) -> None:
        """Report the deliveries that are complete, and hand their transitions to the learner."""
        episode, trainer = self._episode, self.trainer
        if not episode.experience.heard:
            return
        units = trainer.unit_ids
        frames = episode.experience.take_complete(units, final=final)
        self._report("rl_params", partial(rl_params, frames, trainer.specs, *episode.key))
        groups = [group.unit_ids for group in trainer.groups]
        extras = list(trainer.learner.extras)
        joint = episode.experience.take_transitions(len(units), groups, extras, final=final)
        if episode.experience.cut and not episode.evaluation:
            trainer.learner.cut()
        if joint is not None:
            trainer.learner.observe(joint)

    def _update(self, now: float) -> None:
        episode, trainer = self._episode, self.trainer
        if episode.evaluation or not trainer.ready:
            return
        progress = self.plan.progress(self.episodes_done, now)
        first = trainer.learner.iterations
        metrics = trainer.learner.update(progress).of_seed(0)
        self._report(
            "rl_grad_params",
            lambda: (
                rl_grad_params(metrics, trainer.unit_ids, first=first, episode=episode.number),
            ),
        )
        self._explore(self._exploration_at(now))

    # --- exploration ---------------------------------------------------------------------------

    def skip_random_start(self, unit_ids: Sequence[str] | None = None) -> None:
        """Let these units (None: all) act on their actors, with noise, from now on."""
        if unit_ids is None:
            self.random_start = False
        else:
            self.trainer.experienced |= set(unit_ids)
        self._explore(self._exploration_at())

    def resume(self, episodes_done: int, *, random_start: bool) -> None:
        """Continue between two episodes.

        :param episodes_done: training episodes that have ended
        :param random_start: whether the first episodes act at random
        """
        self.episodes_done, self.random_start = episodes_done, random_start
        self.exploration = self._exploration_at()

    def _explore(self, exploration: Exploration) -> None:
        self.exploration = exploration
        self._renewed()

    def _exploration_at(self, now: float | None = None) -> Exploration:
        if self._episode.evaluation:
            return OFF
        return self.plan.exploration(self.episodes_done, now, random_start=self.random_start)


def _check_extras(record: Acted | Rewarded, trainer: Trainer) -> None:
    """Raise `ConfigurationError` unless a record has the extras that the algorithm learns from."""
    config, acted = trainer.config, isinstance(record, Acted)
    for name, size in (decision_extras(config) if acted else outcome_extras(config)).items():
        found, expected = record.extras.get(name), trainer.spec(record.unit_id).entries(size)
        if found is None or found.numel() != expected:
            there = "none" if found is None else f"{found.numel()} numbers"
            raise ConfigurationError(
                f"{config.algorithm} learns from extras['{name}'] of an "
                f"{'action' if acted else 'outcome'}, {expected} numbers; unit '{record.unit_id}' "
                f"reported {there}"
            )
