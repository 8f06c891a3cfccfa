"""Optional ways to be faster: compiled steps, and products in bfloat16 on CUDA."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

from assume_rl.learning.config import LearningConfig

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R], device: torch.device) -> Callable[P, R]:
    """The function, compiled when it is first called; with CUDA graphs where torch can use them."""
    mode = "reduce-overhead" if device.type == "cuda" else None
    return torch.compile(function, mode=mode)


def autocast(config: LearningConfig, device: torch.device) -> torch.autocast:
    """Return a context with bfloat16 products if they are asked for and the device is CUDA."""
    enabled = config.autocast and device.type == "cuda"
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
