"""How far a training has come in the episode that is running."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from mango import AgentAddress

from assume_rl.agents.learning.experience import Experience

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """Updates that another agent asked for."""

    time: float  # POSIX seconds up to which updates are due
    records: int  # records of the episode that must have arrived before
    sender: AgentAddress  # who asks
    done: Callable[[], None]  # called once the updates are done


@dataclass
class Episode:
    """One pass through the calendar."""

    number: int
    evaluation: bool
    experience: Experience
    units: tuple[str, ...] = ()  # that must have registered before any request is answered
    announced: bool = False  # its start was announced
    due: int = 0  # position of the next update in the schedule
    untimed: Counter[str] = field(default_factory=Counter)  # deliveries without a time, by unit
    requests: list[Request] = field(default_factory=list)

    @classmethod
    def of(cls, number: int, evaluation: bool) -> "Episode":
        """Return a fresh episode; nothing of an evaluation is stored."""
        return cls(number, evaluation, Experience(store=not evaluation))

    @property
    def key(self) -> tuple[int, bool]:
        """Return the number and the kind, which identify the episode."""
        return self.number, self.evaluation

    def incomplete(self) -> int:
        """Return how many deliveries were not learned from once it is over, and log any."""
        count = self.experience.incomplete
        if count:
            logger.warning(
                "episode %d: %d deliveries were not learned from, because the observation, action "
                "or reward of some unit is missing",
                self.number,
                count,
            )
        return count
