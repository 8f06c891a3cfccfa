"""Stretches of transitions in order of time, and advantages along them.

On-policy algorithms learn from each transition once: from the stretches that came in since the last
update. Within a stretch rows are in order of time, at each time copy by copy of the market.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from assume_rl.errors import ConfigurationError


class Stretch(NamedTuple):
    """Consecutive transitions of copies of a market."""

    rows: int
    copies: int


class Waiting:
    """The stretches that were not learned from yet, in the order in which they came.

    :param capacity: rows that can wait
    """

    def __init__(self, capacity: int) -> None:
        self.stretches: list[Stretch] = []
        self._capacity = capacity

    @property
    def rows(self) -> int:
        """Return the number of rows of all stretches."""
        return sum(stretch.rows for stretch in self.stretches)

    def add(self, rows: int, copies: int) -> None:
        """Append a stretch to those that wait.

        :raises ConfigurationError: there is no room for it
        """
        self.stretches.append(Stretch(rows, copies))
        if self.rows > self._capacity:
            raise ConfigurationError(
                f"{self.rows} transitions wait for an update, but learning_config."
                f"replay_buffer_size is {self._capacity}; make it larger, or train_freq shorter"
            )

    def clear(self) -> None:
        """Forget all stretches: they were learned from."""
        self.stretches.clear()


def advantages(
    reward: Float[Tensor, "seed agent row"],
    value: Float[Tensor, "seed agent row"],
    next_value: Float[Tensor, "seed agent row"],
    terminated: Bool[Tensor, "seed row"],
    truncated: Bool[Tensor, "seed row"],
    stretches: Sequence[Stretch],
    gamma: float,
    trace: float,
) -> Float[Tensor, "seed agent row"]:
    """Return generalised advantage estimates (Schulman et al. 2016, arXiv:1506.02438, eq. 16).

    An episode that is terminated has no value after its end. One that is truncated has, and so has
    the end of a stretch; the sum stops at each of them.

    :param reward: of the rows
    :param value: of their observations
    :param next_value: of the observations that followed
    :param terminated: whether nothing follows
    :param truncated: whether what follows was not simulated further
    :param stretches: that the rows consist of
    :param gamma: discount per transition
    :param trace: the paper's lambda: 0 is the one-step error, 1 the return less the value
    """
    error = reward + gamma * next_value * ~terminated[:, None] - value
    goes_on = (~(terminated | truncated))[:, None].to(error.dtype) * (gamma * trace)
    found, start = torch.empty_like(error), 0
    for stretch in stretches:
        stop, copies = start + stretch.rows, stretch.copies
        following = torch.zeros_like(error[..., :copies])
        for row in range(stop - copies, start - 1, -copies):
            own = slice(row, row + copies)
            following = error[..., own] + goes_on[..., own] * following
            found[..., own] = following
        start = stop
    return found
