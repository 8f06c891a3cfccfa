"""Priorities of transitions: those with large errors are drawn more often.

Schaul et al. 2016, arXiv:1511.05952, in its proportional form. A sum tree over the rows of the
replay finds rows in a number of steps that grows with the logarithm of their number; all draws of
all seeds descend it together.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.learning.types import Number

EPSILON = 1e-6  # so that no transition is never drawn again


class Priorities:
    """The priority of each row of a replay, seed by seed.

    :param rows: of the replay
    :param seeds: number of seeds
    :param exponent: of errors; 0 makes all rows alike
    :param device: of the replay
    """

    def __init__(self, rows: int, seeds: int, exponent: float, device: torch.device) -> None:
        self._exponent = exponent
        self._levels = max(math.ceil(math.log2(max(rows, 1))), 1)
        self._leaves = 2**self._levels
        # Node k has the children 2k and 2k + 1; the root is node 1, leaves are the last nodes.
        self._tree = torch.zeros(seeds, 2 * self._leaves, dtype=torch.float64, device=device)
        self._highest = torch.ones(seeds, dtype=torch.float64, device=device)

    @property
    def nbytes(self) -> int:
        """Return the bytes of the tree."""
        return self._tree.nbytes + self._highest.nbytes

    def add(self, rows: Int[Tensor, " row"]) -> None:
        """Give new rows the highest priority that there was."""
        seeds = len(self._highest)
        self._write(rows.expand(seeds, -1), self._highest[:, None].expand(seeds, len(rows)))

    def feedback(self, index: Int[Tensor, "seed row"], error: Float[Tensor, "seed row"]) -> None:
        """Set priorities by the absolute errors of rows that were learned from."""
        found = (error.abs().to(torch.float64) + EPSILON) ** self._exponent
        torch.maximum(self._highest, found.amax(dim=-1), out=self._highest)
        self._write(index, found)

    def draw(self, u: Float[Tensor, "seed draw"]) -> Int[Tensor, "seed draw"]:
        """Return rows drawn in proportion to their priorities.

        :param u: uniform draws in [0, 1)
        """
        left_over = u * self._tree[:, 1:2]
        node = torch.ones_like(u, dtype=torch.int64)
        for _ in range(self._levels):
            left = self._tree.gather(1, 2 * node)
            right = left_over >= left
            # Rounding must not lead where nothing is.
            right &= self._tree.gather(1, 2 * node + 1) > 0
            left_over = torch.where(right, left_over - left, left_over)
            node = 2 * node + right.long()
        found: Tensor = node - self._leaves
        return found

    def weights(
        self, index: Int[Tensor, "seed row"], size: int | Int[Tensor, ""], exponent: Number
    ) -> Float[Tensor, "seed row"]:
        """Return importance weights (eq. 2 of the paper), the largest of each seed 1.

        :param index: rows that were drawn
        :param size: number of rows that could be drawn
        :param exponent: the paper's beta: 0 no correction, 1 all of it
        """
        share = self._tree.gather(1, index + self._leaves) / self._tree[:, 1:2]
        found: Tensor = (size * share) ** -exponent
        largest: Tensor = found.amax(dim=-1, keepdim=True)
        return found / largest

    def state_of(self, seed: int) -> dict[str, Any]:
        """Return copies of one seed's priorities."""
        leaves = self._tree[seed, self._leaves :].clone()
        return {"leaves": leaves, "highest": self._highest[seed].clone()}

    def load_state_of(self, seed: int, state: Mapping[str, Any]) -> None:
        """Continue from `state_of`."""
        level = state["leaves"].to(self._tree.device)
        self._highest[seed] = state["highest"]
        while True:
            self._tree[seed, len(level) : 2 * len(level)] = level
            if len(level) == 1:
                break
            level = level.view(-1, 2).sum(dim=-1)

    def _write(self, index: Int[Tensor, "seed row"], values: Float[Tensor, "seed row"]) -> None:
        node = index + self._leaves
        self._tree.scatter_(1, node, values)
        for _ in range(self._levels):
            node = node // 2
            both = self._tree.gather(1, 2 * node) + self._tree.gather(1, 2 * node + 1)
            self._tree.scatter_(1, node, both)
