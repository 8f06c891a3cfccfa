"""Auctions along the merit order: who trades (`match`) and what each order is paid (`pricing`).

All orders of an auction are put on one ladder, cheapest first. At each rung the supply up to it and
the demand from it upwards are known from two running sums; the volume that trades is the largest
volume both sides can carry at one rung. There is no loop over orders or auctions.

Semantics: docs/scenario-format.md, "Clearing".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import threshold

from assume_rl.core.clearing.rule import Clearing, MarketSpec, Need, NoParams, Slots
from assume_rl.core.orders import Orders
from assume_rl.core.units.base import ZERO_VOLUME


@dataclass(frozen=True)
class Match:
    """Which volumes trade, in ladder order (price ascending, supply before demand).

    `order` leads from the ladder to the slots: `ladder = slots.gather(-1, order)`.
    """

    order: Int[Tensor, "... slot"]
    price: Float[Tensor, "... slot"]  # EUR/MWh as bid
    supply: Float[Tensor, "... slot"]  # MW accepted, 0 at demand orders
    demand: Float[Tensor, "... slot"]  # MW accepted, positive, 0 at supply orders
    supply_until: Float[Tensor, "... slot"]  # MW offered up to and including this rung
    demand_until: Float[Tensor, "... slot"]  # MW wanted at this rung and above
    traded: Float[Tensor, "... 1"]  # MW


def match(
    price: Float[Tensor, "*batch slot"],
    volume: Float[Tensor, "*batch slot"],
    tie: Float[Tensor, "*batch slot"],
) -> Match:
    """Trade the largest volume at which the supply price does not exceed the demand price.

    Equal prices trade. Orders smaller than `ZERO_VOLUME` are empty slots, and what rounding leaves
    of an order below that size is given to, or taken from, the order.

    :param price: EUR/MWh
    :param volume: MW, sell > 0, buy < 0
    :param tie: in [0, 1); among equal prices the smaller supply and the larger demand come first
    """
    order = ladder_order(price, volume, tie)
    price, volume = price.gather(-1, order), volume.gather(-1, order)
    offered, wanted = threshold(volume, ZERO_VOLUME, 0.0), threshold(-volume, ZERO_VOLUME, 0.0)
    supply_until = offered.cumsum(-1)
    demand_until = wanted.flip(-1).cumsum(-1).flip(-1)
    traded = torch.minimum(supply_until, demand_until).amax(-1, keepdim=True)
    return Match(
        order,
        price,
        filled(offered, supply_until, traded),
        filled(wanted, demand_until, traded),
        supply_until,
        demand_until,
        traded,
    )


def ladder_order(
    price: Float[Tensor, "*batch slot"],
    volume: Float[Tensor, "*batch slot"],
    tie: Float[Tensor, "*batch slot"],
) -> Int[Tensor, "*batch slot"]:
    """Slots by price, at equal prices supply before demand, then by `tie`.

    Supply comes first so that the rungs of one price hold a rung that sees all of both sides.
    """
    by_tie = (tie + (volume < 0)).argsort(-1)
    by_price = price.gather(-1, by_tie).argsort(dim=-1, stable=True)
    return by_tie.gather(-1, by_price)


def filled(
    size: Float[Tensor, "*batch slot"],
    until: Float[Tensor, "*batch slot"],
    traded: Float[Tensor, "*batch 1"],
) -> Float[Tensor, "*batch slot"]:
    """Accepted part of each order, MW, when the first `traded` MW of its side trade.

    :param size: order sizes, MW, not negative
    :param until: running sum of `size`, each order included
    """
    refused = threshold(until - traded, ZERO_VOLUME, 0.0)
    return threshold(size - refused, ZERO_VOLUME, 0.0)


@dataclass(frozen=True)
class Prices:
    """What a matched auction pays (`paid`, in the order of the slots) and publishes, EUR/MWh."""

    paid: Float[Tensor, "*batch slot"]
    published: Float[Tensor, "*batch 1"]
    lowest: Float[Tensor, "*batch 1"]  # that accepted supply is paid
    highest: Float[Tensor, "*batch 1"]


@dataclass(frozen=True)
class MeritOrder:
    """Clear every product on its own along the merit order, in one zone, whatever the nodes."""

    name: str
    pricing: Callable[[Match], Prices]
    Params: type[NoParams] = NoParams
    couples_products: bool = False
    needs: frozenset[Need] = frozenset()
    batched: bool = True

    def setup(self, spec: MarketSpec[Any], slots: Slots) -> Int[Tensor, " slot"]:
        """Return the zone of each slot: 0. Rules built on this one may pass their own `spec`."""
        return torch.zeros_like(slots.node)

    def clear(
        self,
        orders: Orders,
        tie: Float[Tensor, "*batch product slot"],
        setup: Int[Tensor, " slot"],
    ) -> Clearing:
        """Match supply and demand and price what trades.

        :param orders: EUR/MWh and MW; volume 0 marks an empty slot
        :param tie: in [0, 1), orders equal prices (see `match`)
        :param setup: zone of each slot
        """
        matched = match(orders.price, orders.volume, tie)
        prices = self.pricing(matched)
        return Clearing(
            accepted=to_slots(matched, matched.supply - matched.demand),
            paid=prices.paid,
            price=prices.published,
            supply_volume=matched.supply.sum(-1, keepdim=True),
            demand_volume=matched.demand.sum(-1, keepdim=True),
            min_price=prices.lowest,
            max_price=prices.highest,
            zone=setup,
        )


def uniform(matched: Match) -> Prices:
    """Pay everyone the highest accepted supply price.

    Demand never sets the price, not even in shortage. Nothing trades: price 0.
    """
    highest = highest_supply_price(matched)
    return Prices(highest.expand_as(matched.price), highest, highest, highest)


def discriminatory(matched: Match) -> Prices:
    """Pay supply its own price and charge demand that of the last supply that serves it.

    The published price is the volume-weighted average of the accepted supply prices; it is also
    stated for rejected orders. Nothing trades: price 0.
    """
    average = average_supply_price(matched)
    paid = torch.where(matched.supply > 0, matched.price, average)
    paid = torch.where(matched.demand > 0, last_matched_price(matched), paid)
    lowest, highest = lowest_supply_price(matched), highest_supply_price(matched)
    return Prices(to_slots(matched, paid), average, lowest, highest)


def lowest_supply_price(matched: Match) -> Float[Tensor, "... 1"]:
    """Lowest price among accepted supply orders, EUR/MWh; 0 if nothing trades."""
    lowest = torch.where(matched.supply > 0, matched.price, torch.inf).amin(-1, keepdim=True)
    return torch.where(matched.traded > 0, lowest, 0.0)


def highest_supply_price(matched: Match) -> Float[Tensor, "... 1"]:
    """Highest price among accepted supply orders, EUR/MWh; 0 if nothing trades."""
    highest = torch.where(matched.supply > 0, matched.price, -torch.inf).amax(-1, keepdim=True)
    return torch.where(matched.traded > 0, highest, 0.0)


def average_supply_price(matched: Match) -> Float[Tensor, "... 1"]:
    """Volume-weighted mean price of accepted supply, EUR/MWh; 0 if nothing trades."""
    revenue = (matched.price * matched.supply).sum(-1, keepdim=True)
    volume = matched.supply.sum(-1, keepdim=True)
    return torch.where(volume > 0, revenue / volume, 0.0)


def last_matched_price(matched: Match) -> Float[Tensor, "... slot"]:
    """Price of the last supply order that serves each demand order, EUR/MWh.

    Meaningful at accepted demand orders only.
    """
    served_until = torch.minimum(matched.demand_until, matched.traded) - ZERO_VOLUME
    rung = torch.searchsorted(matched.supply_until, served_until.contiguous())
    return matched.price.gather(-1, rung.clamp(max=matched.price.shape[-1] - 1))


def to_slots(matched: Match, ladder: Float[Tensor, "*batch slot"]) -> Float[Tensor, "*batch slot"]:
    """Values in ladder order, put back to the slots of the orders."""
    return torch.empty_like(ladder).scatter(-1, matched.order, ladder)


pay_as_clear = MeritOrder("pay_as_clear", uniform)
pay_as_bid = MeritOrder("pay_as_bid", discriminatory)
