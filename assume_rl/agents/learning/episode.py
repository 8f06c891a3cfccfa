"""How far a Learning role has come in an episode."""

import logging
from dataclasses import dataclass, field

from mango import AgentAddress

from assume_rl.agents.learning.experience import Experience
from assume_rl.agents.messages import EpisodeEnd, EpisodeStart, UpdateDue

logger = logging.getLogger(__name__)


@dataclass
class Episode:
    """One pass through the calendar."""

    number: int
    evaluation: bool
    experience: Experience
    announced: bool = False
    due: int = 0  # position of the next update in the schedule
    updates: int = 0
    asked: list[tuple[UpdateDue, AgentAddress]] = field(default_factory=list)

    @classmethod
    def of(cls, number: int, evaluation: bool) -> "Episode":
        """A fresh episode; nothing of an evaluation is stored."""
        return cls(number, evaluation, Experience(store=not evaluation))

    def is_meant(self, message: EpisodeStart | EpisodeEnd) -> bool:
        """Whether a message is about this episode."""
        return (message.episode, message.evaluation) == (self.number, self.evaluation)

    def incomplete(self) -> int:
        """Deliveries not learned from, once the episode is over; if there are any, says so."""
        count = self.experience.incomplete
        if count:
            logger.warning(
                "episode %d: %d deliveries were not learned from, because some unit told no "
                "observation, action or reward",
                self.number,
                count,
            )
        return count
