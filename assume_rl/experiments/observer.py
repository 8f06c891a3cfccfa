"""Who is told how an experiment goes; experiments themselves print nothing."""

from dataclasses import dataclass
from typing import Protocol

from assume_rl.learning.learner import Learner, Listener
from assume_rl.learning.types import Joint, UpdateMetrics


@dataclass(frozen=True)
class EpisodeReport:
    """What one episode brought."""

    episode: int  # evaluations count on their own
    evaluation: bool
    reward: float  # sum over the calendar, mean over the agents
    profit: float  # EUR, all agents
    regret: float  # EUR, all agents
    seconds: float
    best: bool = False  # the highest reward of all evaluations so far


class Observer(Listener, Protocol):
    """Told of progress, and of what the learner does."""

    def begin(self, episodes: int, done: int = 0) -> None:
        """It has so many training episodes (1: a plain run), `done` of them from before."""
        ...

    def advance(self, share: float) -> None:
        """So much of the running episode is done, 0 to 1."""
        ...

    def opening(self, time: int) -> None:
        """Learners are about to bid in auctions that open `time` seconds into the episode."""
        ...

    def episode(self, report: EpisodeReport) -> None:
        """An episode has ended."""
        ...


class Silent:
    """Ignores everything."""

    def begin(self, episodes: int, done: int = 0) -> None:
        """Do nothing."""

    def advance(self, share: float) -> None:
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
