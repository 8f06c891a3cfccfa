"""Draws of all copies, computed for many auctions at a time.

The draws kept between two calls only save time: every draw is a pure function of seed, episode,
unit and auction (`episodes.draws`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl import keyed

CHUNK = 1 << 18  # numbers drawn at a time, at least an auction's

# From keys (copy, unit), the first auction and the number of auctions to (auction, copy, ...).
Draw = Callable[[Tensor, int, int], Tensor]


class Ahead:
    """One kind of draw, auction by auction.

    :param keys: (seed, unit), not yet combined with an episode
    :param num_envs: copies per seed
    :param draw: function of keys
    :param auctions: number of auctions in an episode
    :param size: numbers drawn for one auction of one copy
    """

    def __init__(
        self, keys: Tensor, num_envs: int, draw: Draw, *, auctions: int, size: int
    ) -> None:
        self._keys = keys.repeat_interleave(num_envs, dim=0)
        self._draw = draw
        self._auctions = auctions
        self._count = max(1, min(auctions, CHUNK // max(1, size * len(self._keys))))
        self._first = -1
        self._episodes: Tensor | None = None
        self._drawn = torch.empty(0)

    def __getstate__(self) -> dict[str, Any]:
        """Return all attributes but the kept draws, which are drawn again after loading."""
        return self.__dict__ | {"_first": -1, "_episodes": None, "_drawn": torch.empty(0)}

    def of_auction(self, episodes: Int[Tensor, " copy"], number: int) -> Float[Tensor, "copy ..."]:
        """Return the draws of auction `number` in the given episodes."""
        first = number - number % self._count
        if self._episodes is not episodes or self._first != first:
            keys = keyed.combine(self._keys, episodes[:, None])
            count = min(self._count, self._auctions - first)
            self._drawn = self._draw(keys, first, count)
            self._episodes, self._first = episodes, first
        return self._drawn[number - first]

    def of_auctions(
        self, episodes: Int[Tensor, " copy"], numbers: Sequence[int]
    ) -> Float[Tensor, "auction copy ..."]:
        """Return the draws of several auctions in the given episodes."""
        return torch.stack([self.of_auction(episodes, number) for number in numbers])


def stacked_keys(
    of_seed: Callable[[int], Int[Tensor, " unit"]], seeds: Sequence[int]
) -> Int[Tensor, "seed unit"]:
    """Return the keys of the same units for several seeds."""
    return torch.stack([of_seed(seed) for seed in seeds])
