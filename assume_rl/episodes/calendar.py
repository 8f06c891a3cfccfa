"""The place of an episode in time, and the key of its draws."""

from dataclasses import dataclass
from datetime import UTC

from assume_rl.scenario.compile.compiled import Compiled


@dataclass(frozen=True)
class EpisodeKey:
    """The key of all draws of one episode."""

    seed: int
    episode: int
    evaluation: bool

    @property
    def phase(self) -> str:
        """Return the name of the stream of draws: that of training or of evaluation episodes."""
        return "evaluation" if self.evaluation else "training"


@dataclass(frozen=True)
class Calendar:
    """The conversion between steps and POSIX seconds."""

    start: int  # POSIX seconds of step 0
    step_seconds: int

    @classmethod
    def of(cls, compiled: Compiled) -> "Calendar":
        """Return the `Calendar` of a scenario; its naive dates are UTC."""
        start = int(compiled.scenario.start.replace(tzinfo=UTC).timestamp())
        return cls(start, compiled.step_seconds)

    @property
    def step_hours(self) -> float:
        """Return the length of a step in hours."""
        return self.step_seconds / 3600

    def time(self, step: int) -> float:
        """Return the POSIX seconds at which `step` begins."""
        return float(self.start + step * self.step_seconds)

    def later(self, steps: int) -> "Calendar":
        """Return the calendar of an episode that begins at a step of this one."""
        return Calendar(self.start + steps * self.step_seconds, self.step_seconds)
