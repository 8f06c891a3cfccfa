"""The auctions of a recorded episode in one market: orders of all bidders, and agents' earnings.

Each product stands for an auction of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.core.money import Reward
from assume_rl.core.reward_curve import OwnBook, book_of_one_product
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled

SPARE = 2
"""Empty slots, for bidders of which an order never had any volume, and so no row.

Bidders whose best response is known have no more orders than that.
"""


@dataclass(frozen=True)
class RecordedEpisode:
    """Bids and earnings, by start of delivery: read from the tables once, when asked for.

    :param compiled: scenario of one market
    :param memory: tables `market_meta`, `market_orders` and, for what was earned, `rl_params`
    """

    compiled: Compiled
    memory: MemorySink

    @cached_property
    def steps(self) -> Int[Tensor, " product"]:
        """Return the steps of the calendar at which delivery starts."""
        start, step = np.datetime64(self.compiled.scenario.start), self.compiled.step_seconds
        steps = ((self._times - start) / np.timedelta64(step, "s")).astype(np.int64)
        return torch.from_numpy(steps)

    @cached_property
    def sold_in(self) -> Int[Tensor, " product"]:
        """Return the numbers of the auctions that sold products, counted from 0."""
        number = {
            first: auction.number for auction in self.compiled.auctions for first in auction.first
        }
        return torch.tensor([number[step] for step in self.steps.tolist()], dtype=torch.long)

    def book_of(self, unit: str, orders: int) -> OwnBook:
        """Return the book (auction product slot) as a unit sees it.

        :param unit: of the market
        :param orders: that it may have in an auction; slots without a row are empty
        """
        book, places = self._book
        slots, count = book.orders.price.shape[-1], len(places.get(unit, ()))
        own = torch.arange(slots - (orders - count), slots)
        return replace(book, own=torch.cat([places[unit], own]) if count else own)

    def received(self, agent: str) -> Reward:
        """Return an agent's earnings (product,), of an auction by its first one; 0: no row."""
        nothing = torch.zeros(len(self._times), dtype=torch.float64)
        return self._earned.get(agent, Reward(nothing, nothing, nothing))

    @cached_property
    def _times(self) -> NDArray[np.datetime64]:
        # Auctions without any order count too.
        times: NDArray[np.datetime64] = np.unique(self.memory.table("market_meta")["product_start"])
        return times

    @cached_property
    def _book(self) -> tuple[OwnBook, dict[str, Int[Tensor, " own"]]]:
        """Return the sorted book, nobody's own, and the slots of each unit in order of its bids."""
        orders = self.memory.table("market_orders")
        time = np.searchsorted(self._times, orders["start_time"])
        units, slot = _slots(time, orders["unit_id"], orders["bid_id"])
        price, volume = np.zeros((2, len(self._times), sum(map(len, units.values())) + SPARE))
        price[time, slot], volume[time, slot] = orders["price"], orders["volume"]
        book = book_of_one_product(
            self.compiled.markets[0],
            torch.from_numpy(price),
            torch.from_numpy(volume),
            torch.zeros(0, dtype=torch.long),
        )
        return book.ordered(), units

    @cached_property
    def _earned(self) -> Mapping[str, Reward]:
        """Return each agent's earnings at each time; nothing where they were not recorded."""
        earned = self.memory.table("rl_params")
        if not earned:
            return {}
        found: dict[str, Reward] = {}
        place = np.searchsorted(self._times, earned["datetime"])
        for agent, rows in _places(earned["unit"]):
            columns = np.zeros((3, len(self._times)))
            for column, name in zip(columns, ("reward", "profit", "regret"), strict=True):
                np.add.at(column, place[rows], earned[name][rows])
            found[agent] = Reward(*torch.from_numpy(columns))
        return found


def _slots(
    time: NDArray[np.int64], unit: NDArray[np.object_], bid: NDArray[np.object_]
) -> tuple[dict[str, Int[Tensor, " own"]], NDArray[np.int64]]:
    """Return the slots of each unit, and that of each order: those of a unit by their names."""
    names, group = np.unique(unit, return_inverse=True)
    ranked = np.lexsort((bid, group, time))
    _, first, sizes = np.unique(
        (time * len(names) + group)[ranked], return_index=True, return_counts=True
    )
    rank = np.empty_like(group)
    rank[ranked] = np.arange(len(ranked)) - np.repeat(first, sizes)
    most = np.zeros(len(names), dtype=np.int64)
    np.maximum.at(most, group, rank + 1)
    ends = np.cumsum(most)
    own = {
        name: torch.arange(end - size, end)
        for name, size, end in zip(names.tolist(), most.tolist(), ends.tolist(), strict=True)
    }
    return own, (ends - most)[group] + rank


def _places(names: NDArray[np.object_]) -> list[tuple[str, NDArray[np.int64]]]:
    """Return where each name stands."""
    found, group = np.unique(names, return_inverse=True)
    by_group = np.argsort(group, kind="stable")
    parts = np.split(by_group, np.cumsum(np.bincount(group, minlength=len(found)))[:-1])
    return list(zip(found.tolist(), parts, strict=True))
