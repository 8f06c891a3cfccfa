"""Optional ways to be faster: compiled steps, and products in bfloat16."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

from assume_rl.learning.config import LearningConfig

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function, compiled when it is first called; `graphs` are recorded around it."""
    return torch.compile(function)


def autocast(config: LearningConfig, device: torch.device) -> torch.autocast:
    """Return a context with bfloat16 products if they are asked for."""
    # Nothing is kept from product to product: weights move between two of them.
    return torch.autocast(device.type, torch.bfloat16, enabled=config.autocast, cache_enabled=False)
