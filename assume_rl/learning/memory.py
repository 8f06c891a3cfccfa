"""How much memory a learner takes, worked out before any of it is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from assume_rl.learning.config import LearningConfig
from assume_rl.learning.types import AgentSpec


@dataclass(frozen=True)
class Memory:
    """Bytes of a learner's lasting tensors."""

    networks: int  # actors and critics, targets, gradients and both moments
    replay: int  # when it is full; rows take up memory as they are written

    @property
    def total(self) -> int:
        """All of it."""
        return self.networks + self.replay
