"""The auctions of a recorded episode in one market: orders of all bidders, and what agents earned.

It is read from the tables once for all learners. Each product stands for an auction of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.core.clearing.insertion import book_order
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
    """What was bid and earned, by start of delivery."""

    steps: Int[Tensor, " auction"]  # of the calendar, at which delivery starts
    book: OwnBook  # (auction product slot), nobody's own
    slots: Mapping[str, Int[Tensor, " own"]]  # by unit, in the order of its bids
    earned: Mapping[str, Reward]  # by agent, (auction,)

    def book_of(self, unit: str, orders: int) -> OwnBook:
        """Return the book as a unit sees it.

        :param unit: of the market
        :param orders: that it may have in an auction; slots without a row are empty
        """
        slots, count = self.book.orders.price.shape[-1], len(self.slots.get(unit, ()))
        own = torch.arange(slots - (orders - count), slots)
        return replace(self.book, own=torch.cat([self.slots[unit], own]) if count else own)

    def received(self, agent: str) -> Reward:
        """Return what an agent earned (product,), of an auction by its first one; 0: no row."""
        nothing = torch.zeros(len(self.steps), dtype=torch.float64)
        return self.earned.get(agent, Reward(nothing, nothing, nothing))


def recorded_episode(compiled: Compiled, memory: MemorySink) -> RecordedEpisode:
    """Return what the tables of an episode hold.

    :param compiled: scenario of one market
    :param memory: tables `market_meta`, `market_orders` and, for what was earned, `rl_params`
    """
    # Auctions without any order count too.
    times = np.unique(memory.table("market_meta")["product_start"])
    start, step = np.datetime64(compiled.scenario.start), compiled.step_seconds
    steps = ((times - start) / np.timedelta64(step, "s")).astype(np.int64)
    orders = memory.table("market_orders")
    time = np.searchsorted(times, orders["start_time"])
    units, slot = _slots(time, orders["unit_id"], orders["bid_id"])
    price, volume = np.zeros((2, len(times), sum(map(len, units.values())) + SPARE))
    price[time, slot], volume[time, slot] = orders["price"], orders["volume"]
    book = book_of_one_product(
        compiled.markets[0],
        torch.from_numpy(price),
        torch.from_numpy(volume),
        torch.zeros(0, dtype=torch.long),
    )
    order = book_order(book.orders.price, book.orders.volume)
    return RecordedEpisode(
        steps=torch.from_numpy(steps),
        book=replace(book, order=order),
        slots=units,
        earned=_earned(memory, times),
    )


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


def _earned(memory: MemorySink, times: NDArray[np.datetime64]) -> dict[str, Reward]:
    """Return what each agent earned at each time; nothing where that was not recorded."""
    earned = memory.table("rl_params")
    if not earned:
        return {}
    found: dict[str, Reward] = {}
    place = np.searchsorted(times, earned["datetime"])
    for agent, rows in _places(earned["unit"]):
        columns = np.zeros((3, len(times)))
        for column, name in zip(columns, ("reward", "profit", "regret"), strict=True):
            np.add.at(column, place[rows], earned[name][rows])
        found[agent] = Reward(*torch.from_numpy(columns))
    return found
