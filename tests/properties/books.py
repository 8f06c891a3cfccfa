"""Random order books. Prices and volumes are multiples of 1/4, so that sums are exact."""

from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from assume_rl.core.clearing import RULES, MarketSpec, Slots
from assume_rl.core.orders import unit_major
from assume_rl.testing import toy_market

quarters = st.integers(-80, 80).map(lambda n: n / 4)
RESULTS = (
    "accepted",
    "paid",
    "price",
    "supply_volume",
    "demand_volume",
    "min_price",
    "max_price",
)
prices = st.one_of(quarters, st.sampled_from([-500.0, 3000.0]))


@dataclass(frozen=True)
class Book:
    price: list[float]
    volume: list[float]
    tie: list[float]

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        columns = (self.price, self.volume, self.tie)
        price, volume, tie = (torch.tensor(c, dtype=torch.float64) for c in columns)
        return price, volume, tie

    def clear(self, rule: str) -> SimpleNamespace:
        return clear(rule, *self.tensors())

    def plus(self, price: float, volume: float, tie: float = 0.999) -> "Book":
        return Book([*self.price, price], [*self.volume, volume], [*self.tie, tie])

    def shuffled(self, order: list[int]) -> "Book":
        return Book(*([column[i] for i in order] for column in vars(self).values()))


@cache
def market_of(rule: str, slots: int) -> tuple[MarketSpec[Any], Any]:
    """A market and its setup, one for all examples."""
    market = toy_market(RULES[rule])
    return market, market.rule.setup(market, Slots(node=torch.zeros(slots, dtype=torch.int64)))


for _rule in RULES:  # libraries are loaded before anything is timed
    market_of(_rule, 1)


def clear(rule: str, price: Tensor, volume: Tensor, tie: Tensor) -> SimpleNamespace:
    """Clear auctions (... slot) of one product; the results are without the axis of products."""
    orders = unit_major(price.unsqueeze(-2), volume.unsqueeze(-2), price.shape[-1])
    market, setup = market_of(rule, price.shape[-1])
    cleared = market.clear(orders, tie.unsqueeze(-2), setup)
    return SimpleNamespace(**{name: getattr(cleared, name).squeeze(-2) for name in RESULTS})


@st.composite
def books(draw: st.DrawFn, slots: int | None = None) -> Book:
    n = slots or draw(st.integers(1, 9))
    ranks = draw(st.permutations(range(n)))
    return Book(
        draw(st.lists(prices, min_size=n, max_size=n)),
        draw(st.lists(quarters, min_size=n, max_size=n)),
        [rank / n for rank in ranks],
    )
