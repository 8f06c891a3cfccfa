"""Where an episode stands in time, and what keys its draws."""

from dataclasses import dataclass
from datetime import UTC

from assume_rl.scenario.compile.compiled import Compiled


@dataclass(frozen=True)
class EpisodeKey:
    """What keys the draws of one episode."""

    seed: int
    episode: int
    evaluation: bool

    @property
    def phase(self) -> str:
        """Training and evaluation episodes draw from different streams."""
        return "evaluation" if self.evaluation else "training"


@dataclass(frozen=True)
class Calendar:
    """How steps and seconds relate."""

    start: int  # POSIX seconds of step 0
    step_seconds: int

    @classmethod
    def of(cls, compiled: Compiled) -> "Calendar":
        """The calendar of a scenario; its naive dates are UTC."""
        start = int(compiled.scenario.start.replace(tzinfo=UTC).timestamp())
        return cls(start, compiled.step_seconds)

    @property
    def step_hours(self) -> float:
        """Length of a step in hours."""
        return self.step_seconds / 3600

    def time(self, step: int) -> float:
        """POSIX seconds at which `step` begins."""
        return float(self.start + step * self.step_seconds)

    def later(self, steps: int) -> "Calendar":
        """Return the calendar of an episode that begins at a step of this one."""
        return Calendar(self.start + steps * self.step_seconds, self.step_seconds)
