"""Observers hear how an experiment proceeds; experiments themselves print nothing."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from assume_rl.errors import ConfigurationError
from assume_rl.learning.learner import Learner, Listener
from assume_rl.learning.types import Joint, UpdateMetrics
from assume_rl.scenario.plugins import registered
from assume_rl.scenario.plugins.registry import OBSERVERS, ORIGINS
from assume_rl.scenario.types import Scenario

IF_KNOWN = ("exploitability", "movement", "policy_version", "staleness")
"""Fields that the lines of some episodes lack."""


@dataclass(frozen=True)
class EpisodeReport:
    """The results of one episode."""

    episode: int  # evaluations count on their own
    evaluation: bool
    reward: float  # sum over the calendar, mean over the agents
    profit: float  # EUR, all agents
    regret: float  # EUR, all agents
    seconds: float
    best: bool = False  # the highest reward of all evaluations so far
    exploitability: float | None = None  # EUR, of an evaluation, where it is known and cheap
    movement: float | None = None  # of policies since the evaluation before, see `judge.Movement`
    policy_version: int | None = None  # of training: updates that the latest policies had had
    staleness: int | None = None  # likewise: updates that policies were behind at most

    @property
    def line(self) -> dict[str, Any]:
        """Return the entries of the episode in `metrics.jsonl`; optional ones only if known."""
        known = asdict(self)
        return {n: v for n, v in known.items() if v is not None or n not in IF_KNOWN}


class Observer(Listener, Protocol):
    """Receives progress and events of the learner."""

    def begin(self, episodes: int, done: int = 0) -> None:
        """Note that a training of `episodes` (1: a plain run) begins, or resumes after `done`."""
        ...

    def advance(self, share: float) -> None:
        """Note that a share of the running episode is done, 0 to 1."""
        ...

    def doing(self, what: str, share: float = 0.0) -> None:
        """Note that a share of long work other than a training episode is done, 0 to 1."""
        ...

    def opening(self, time: int) -> None:
        """Note that learners are about to bid in auctions that open `time` s into the episode."""
        ...

    def episode(self, report: EpisodeReport) -> None:
        """Note that an episode has ended."""
        ...


class Silent:
    """Ignores everything."""

    def begin(self, episodes: int, done: int = 0) -> None:
        """Do nothing."""

    def advance(self, share: float) -> None:
        """Do nothing."""

    def doing(self, what: str, share: float = 0.0) -> None:
        """Do nothing."""

    def opening(self, time: int) -> None:
        """Do nothing."""

    def episode(self, report: EpisodeReport) -> None:
        """Do nothing."""

    def experienced(self, learner: Learner, joint: Joint) -> None:
        """Do nothing."""

    def updating(self, learner: Learner) -> None:
        """Do nothing."""

    def updated(self, learner: Learner, metrics: UpdateMetrics) -> None:
        """Do nothing."""


class Afterwards(Silent):
    """Passes on progress after a training, but not that episodes are played again for it.

    :param observer: of the training
    :param about: what is said before
    """

    def __init__(self, observer: Observer, about: str) -> None:
        self._observer, self._about = observer, about

    def begin(self, episodes: int, done: int = 0) -> None:
        """Announce the purpose of the episode."""
        self.advance(0.0)

    def advance(self, share: float) -> None:
        """See `begin`."""
        self._observer.doing(f"{self._about}: a recorded episode", share)

    def doing(self, what: str, share: float = 0.0) -> None:
        """See `Observer.doing`."""
        self._observer.doing(f"{self._about}: {what}", share)


class Several:
    """Observers that all hear of the same training, in their order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def begin(self, episodes: int, done: int = 0) -> None:
        """See `Observer.begin`."""
        for observer in self._observers:
            observer.begin(episodes, done)

    def advance(self, share: float) -> None:
        """See `Observer.advance`."""
        for observer in self._observers:
            observer.advance(share)

    def doing(self, what: str, share: float = 0.0) -> None:
        """See `Observer.doing`."""
        for observer in self._observers:
            observer.doing(what, share)

    def opening(self, time: int) -> None:
        """See `Observer.opening`."""
        for observer in self._observers:
            observer.opening(time)

    def episode(self, report: EpisodeReport) -> None:
        """See `Observer.episode`."""
        for observer in self._observers:
            observer.episode(report)

    def experienced(self, learner: Learner, joint: Joint) -> None:
        """See `Listener.experienced`."""
        for observer in self._observers:
            observer.experienced(learner, joint)

    def updating(self, learner: Learner) -> None:
        """See `Listener.updating`."""
        for observer in self._observers:
            observer.updating(learner)

    def updated(self, learner: Learner, metrics: UpdateMetrics) -> None:
        """See `Listener.updated`."""
        for observer in self._observers:
            observer.updated(learner, metrics)


def with_plugins(scenario: Scenario, observer: Observer | None) -> Observer:
    """Return an observer with those that the plug-ins of a study case have registered.

    :param scenario: the study case
    :param observer: of the caller; None: there is none
    :raises ConfigurationError: one of these is no observer
    """
    made = [_made(name) for name in registered(scenario.plugins, "observer")]
    return Several([observer or Silent(), *made])


def _made(name: str) -> Observer:
    observer: Observer = OBSERVERS[name]()
    lacks = [m for m in dir(Silent) if not m.startswith("_") and not hasattr(observer, m)]
    if lacks:
        raise ConfigurationError(
            f"{ORIGINS['observer', name]}: the observer '{name}' lacks {', '.join(lacks)}, see the "
            "protocol Observer; a class derived from Silent has all of them"
        )
    return observer
