"""The protocol of a clearing rule, and its input and output."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from assume_rl.core.clearing.grid import NO_GRID, Grid
from assume_rl.core.contract import of_kind, shaped
from assume_rl.core.orders import Orders, auction_of

Need = Literal["node", "blocks"]
"""Parts of an order that a rule may read besides price and volume: node, block terms."""


class NoParams(BaseModel):
    """The parameters of a rule that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Slots:
    """The slots of a market's order book, as known before any order arrives."""

    node: Int[Tensor, " slot"]  # index of the node at which the slot's unit is connected


@dataclass(frozen=True)
class Clearing:
    """The result of a clearing rule; a rule without zones has one."""

    accepted: Float[Tensor, "... product slot"]  # MW, sign of the order
    paid: Float[Tensor, "... product slot"]  # EUR/MWh, also stated for rejected orders
    price: Float[Tensor, "... product zone"]  # published price, 0 if nothing trades
    supply_volume: Float[Tensor, "... product zone"]  # MW
    demand_volume: Float[Tensor, "... product zone"]  # MW, positive
    min_price: Float[Tensor, "... product zone"]  # EUR/MWh, paid to accepted supply
    max_price: Float[Tensor, "... product zone"]
    zone: Int[Tensor, " slot"]  # in which each slot lies
    flows: Float[Tensor, "... product line"] | None = None  # MW; None: the rule has no grid
    zones: tuple[str, ...] = (NO_GRID,)  # their names

    @property
    def price_of_slots(self) -> Float[Tensor, "... product slot"]:
        """Return the published price of each slot's zone, EUR/MWh."""
        if len(self.zones) == 1:  # takes no memory
            return self.price.expand(self.accepted.shape)
        return self.price[..., self.zone]

    def prices_of(self, sizes: Sequence[int]) -> Sequence[Float[Tensor, "... product own"]]:
        """Return the part of `price_of_slots` of each of several neighbours in the order book.

        :param sizes: slots of each
        """
        if len(self.zones) > 1:
            return self.price_of_slots.split_with_sizes(list(sizes), dim=-1)
        alike = {size: self.price.expand(*self.price.shape[:-1], size) for size in set(sizes)}
        return [alike[size] for size in sizes]


P = TypeVar("P", bound=BaseModel)
S = TypeVar("S")


@runtime_checkable
class Rule(Protocol[P, S]):
    """A rule that decides accepted volumes and prices: a frozen object without state.

    `P` are its parameters, `S` is its setup, made once per order book. A rule is added by one file
    and one entry of `core.clearing.RULES`; `assume_rl.testing.check_clearing` checks the contract.
    """

    @property
    def name(self) -> str:
        """Return its key in the registry, as written in `market_mechanism`."""
        ...

    @property
    def Params(self) -> type[P]:
        """Return the model of a market's `param_dict`, which is validated with the scenario."""
        ...

    @property
    def couples_products(self) -> bool:
        """Return whether the products of an auction depend on each other."""
        ...

    @property
    def needs(self) -> frozenset[Need]:
        """Return the parts of orders that it reads besides price and volume."""
        ...

    @property
    def batched(self) -> bool:
        """Return whether `clear` takes leading axes; else `MarketSpec.clear` loops over copies."""
        ...

    def setup(self, spec: "MarketSpec[P]", slots: Slots) -> S:
        """Return the data that all auctions of a market with an order book of these slots share."""
        ...

    def clear(self, orders: Orders, tie: Float[Tensor, "... product slot"], setup: S) -> Clearing:
        """Return the `Clearing` of an auction (if `batched`, with leading axes, of many auctions).

        :param orders: within the limits of the market; volume 0 marks an empty slot
        :param tie: in [0, 1), orders equal prices
        :param setup: the result of `setup` for a book with these slots
        """
        ...


PER_ORDER = ("accepted", "paid")
"""Fields of a clearing that have a value for each order of an auction."""
PER_ZONE = ("price", "supply_volume", "demand_volume", "min_price", "max_price")
"""Fields of a clearing that have a value for each product and zone of an auction."""


@dataclass(frozen=True)
class MarketSpec(Generic[P]):
    """A market without its auctions: rule, parameters and limits."""

    name: str
    operator: str
    rule: Rule[P, Any]
    params: P  # of the rule
    min_price: float  # EUR/MWh
    max_price: float  # EUR/MWh
    max_volume: float  # MW
    product_type: str
    nodes: tuple[str, ...] = (NO_GRID,)  # of the scenario, by the index that orders carry
    grid: Grid | None = None  # zones of the nodes, and lines; None: there is one zone
    reads_ratios: bool = True  # whether the least share of an order that may trade counts
    publishes_curves: bool = True  # aggregated supply and demand of past auctions
    price_tick: float | None = None  # EUR/MWh that prices are multiples of; None: any
    volume_tick: float | None = None  # MW that volumes are multiples of; None: any

    def price_of(self, price: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return the prices of orders as the market takes them, EUR/MWh.

        They are cut to the limits, then rounded to ticks; half a tick to the even one.
        """
        return _within(price, self.min_price, self.max_price, self.price_tick)

    def volume_of(self, volume: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return the volumes of orders as the market takes them, MW; see `price_of`."""
        return _within(volume, -self.max_volume, self.max_volume, self.volume_tick)

    def limited(self, orders: Orders) -> Orders:
        """Return orders within the limits of the market: corrected, never refused.

        NaN stays NaN: refuse it where orders enter.

        :param orders: as they were sent
        """
        return replace(
            orders, price=self.price_of(orders.price), volume=self.volume_of(orders.volume)
        )

    def clear(self, orders: Orders, tie: Float[Tensor, "... product slot"], setup: Any) -> Clearing:
        """Return `Rule.clear`, checked: nothing else calls it.

        Leading axes are free. A rule that is not `batched` clears copy by copy.

        :param orders: within the limits of the market
        :param tie: in [0, 1), orders equal prices
        :param setup: of the rule, for a book with these slots
        :raises ContractError: the rule did not return a clearing of these orders
        """
        batch = orders.volume.shape[:-2]
        if self.rule.batched or not batch:
            return self._checked(orders, tie, setup)
        copies = replace(
            orders, price=orders.price.flatten(0, -3), volume=orders.volume.flatten(0, -3)
        )
        ties = tie.expand(orders.volume.shape).flatten(0, -3)
        each = [
            self._checked(auction_of(copies, i), own, setup) for i, own in enumerate(ties.unbind())
        ]
        return _stacked(each, batch)

    def _checked(
        self, orders: Orders, tie: Float[Tensor, "... product slot"], setup: Any
    ) -> Clearing:
        function = self.rule.clear
        found = of_kind(function, function(orders, tie, setup), Clearing)
        shape = tuple(orders.volume.shape)
        for name in PER_ORDER:
            shaped(function, getattr(found, name), shape, name)
        zones = (*shape[:-1], len(found.zones))
        for name in PER_ZONE:
            shaped(function, getattr(found, name), zones, name)
        shaped(function, found.zone, shape[-1:], "zone")
        return found


def _within(
    values: Float[Tensor, "..."], least: float, most: float, tick: float | None
) -> Float[Tensor, "..."]:
    """Return values cut to limits, and rounded to multiples of a tick that lie within them."""
    cut = values.clamp(least, most)
    if tick is None:
        return cut
    low, high = ticks_within(least, most, tick)
    return (cut / tick).round().clamp(low, high) * tick


def ticks_within(least: float, most: float, tick: float) -> tuple[float, float]:
    """Return the number of ticks of the lowest and of the highest multiple within limits.

    The first exceeds the second where there is none. Infinite limits stay.

    :param least: lowest value
    :param most: highest value
    :param tick: > 0
    """
    low, high = least / tick, most / tick
    if math.isfinite(low):
        low = float(math.ceil(low - _ROUNDING))
    if math.isfinite(high):
        high = float(math.floor(high + _ROUNDING))
    return low, high


_ROUNDING = 1e-9
"""Ticks; 0.3 is not quite three times 0.1."""


def _stacked(each: Sequence[Clearing], batch: Sequence[int]) -> Clearing:
    """Return the clearings of several copies of a market as one with leading axes."""
    found: dict[str, Any] = {}
    for name in (*PER_ORDER, *PER_ZONE, "flows"):
        values = [getattr(one, name) for one in each]
        if values[0] is not None:
            table = torch.stack(values)
            found[name] = table.reshape(*batch, *table.shape[1:])
    return replace(each[0], **found)
