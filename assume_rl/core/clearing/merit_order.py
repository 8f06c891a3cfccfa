"""Auctions by merit order: the accepted volumes (`match`) and their prices (`pricing`).

All orders of an auction are put on one ladder, cheapest first. At each rung two running sums give
the supply up to it and the demand from it upwards; the traded volume is the largest over the rungs
of the smaller of the two. There is no loop over orders or auctions.

Semantics: docs/scenario-format.md, "Clearing".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn.functional import threshold

from assume_rl.core.clearing.rule import Clearing, MarketSpec, Need, NoParams, Slots
from assume_rl.core.orders import Orders
from assume_rl.core.units.base import ZERO_VOLUME


@dataclass(frozen=True)
class Match:
    """The traded volumes, in ladder order (price ascending, supply before demand).

    `order` gives the slot of each rung: `ladder = slots.gather(-1, order)`.
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
    """Return the `Match` of the largest volume whose supply price does not exceed the demand price.

    Equal prices trade. Orders smaller than `ZERO_VOLUME` are empty slots, and a remainder of an
    order below that size, due to rounding, is added to, or taken from, the accepted part.

    :param price: EUR/MWh
    :param volume: MW, sell > 0, buy < 0
    :param tie: in [0, 1); at equal prices the supply of smallest and the demand of largest `tie`
        trade first
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
    """Return the slots by price, at equal prices supply before demand, then by `tie`.

    Supply is first so that among the rungs of one price there is one that counts all of both sides.

    :param price: EUR/MWh
    :param volume: MW, sell > 0, buy < 0
    :param tie: in [0, 1)
    """
    by_tie = (tie + (volume < 0)).argsort(-1)
    by_price = price.gather(-1, by_tie).argsort(dim=-1, stable=True)
    return by_tie.gather(-1, by_price)


def filled(
    size: Float[Tensor, "*batch slot"],
    until: Float[Tensor, "*batch slot"],
    traded: Float[Tensor, "*batch 1"],
) -> Float[Tensor, "*batch slot"]:
    """Return the accepted part of each order, MW, when the first `traded` MW of its side trade.

    :param size: order sizes, MW, not negative
    :param until: running sum of `size`, each order included
    :param traded: MW
    """
    refused = threshold(until - traded, ZERO_VOLUME, 0.0)
    return threshold(size - refused, ZERO_VOLUME, 0.0)


@dataclass(frozen=True)
class Prices:
    """The prices of a matched auction, EUR/MWh; `paid` is in the order of the slots."""

    paid: Float[Tensor, "*batch slot"]
    published: Float[Tensor, "*batch 1"]
    lowest: Float[Tensor, "*batch 1"]  # that accepted supply is paid
    highest: Float[Tensor, "*batch 1"]


Pricing = Callable[[Match], Prices]
"""How prices follow from what trades."""


class UniformParams(BaseModel):
    """Parameters of a uniform price."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    scarcity_pricing: bool = Field(False, strict=True)
    """Whether demand that buys less than it wants sets the price, where it offers more than all \
supply that sells."""


@dataclass(frozen=True)
class Setup:
    """The data that all auctions of a market share."""

    zone: Int[Tensor, " slot"]
    pricing: Pricing


@dataclass(frozen=True)
class MeritOrder:
    """A rule that clears every product separately by merit order, in one zone for all nodes."""

    name: str
    pricing: Pricing
    Params: type[BaseModel] = NoParams
    couples_products: bool = False
    needs: frozenset[Need] = frozenset()
    batched: bool = True

    def setup(self, spec: MarketSpec[Any], slots: Slots) -> Setup:
        """Return the zone of each slot, 0, and how prices are made.

        Rules built on this one may pass their own `spec`.
        """
        return Setup(torch.zeros_like(slots.node), self.priced(spec.params))

    def priced(self, params: BaseModel) -> Pricing:
        """Return how prices are made with some parameters, its own or those of another rule."""
        scarce = isinstance(params, UniformParams) and params.scarcity_pricing
        return scarcity if scarce else self.pricing

    def clear(
        self, orders: Orders, tie: Float[Tensor, "*batch product slot"], setup: Setup
    ) -> Clearing:
        """Return the `Clearing` of the matched supply and demand.

        :param orders: EUR/MWh and MW; volume 0 marks an empty slot
        :param tie: in [0, 1), orders equal prices (see `match`)
        :param setup: of the market
        """
        matched = match(orders.price, orders.volume, tie)
        prices = setup.pricing(matched)
        return Clearing(
            accepted=to_slots(matched, matched.supply - matched.demand),
            paid=prices.paid,
            price=prices.published,
            supply_volume=matched.supply.sum(-1, keepdim=True),
            demand_volume=matched.demand.sum(-1, keepdim=True),
            min_price=prices.lowest,
            max_price=prices.highest,
            zone=setup.zone,
        )


def uniform(matched: Match) -> Prices:
    """Return `Prices` that pay all orders the highest accepted supply price.

    Demand never sets the price, not even in shortage (see `scarcity`). Nothing trades: price 0.
    """
    highest = highest_supply_price(matched)
    return Prices(highest.expand_as(matched.price), highest, highest, highest)


def scarcity(matched: Match) -> Prices:
    """Return `Prices` that pay all orders the lowest price at which nobody wants to buy more.

    That is the highest accepted supply price, or if that is higher the price of the demand that is
    not served, or not wholly. Nothing trades: price 0.
    """
    unserved = matched.demand_until > matched.traded + ZERO_VOLUME
    wanted = torch.where(unserved, matched.price, -torch.inf).amax(-1, keepdim=True)
    highest = torch.maximum(highest_supply_price(matched), wanted)
    highest = torch.where(matched.traded > 0, highest, 0.0)
    return Prices(highest.expand_as(matched.price), highest, highest, highest)


def discriminatory(matched: Match) -> Prices:
    """Return `Prices` that pay supply its own price, and charge demand that of its last supply.

    The published price is the volume-weighted average of the accepted supply prices; it is also
    stated for rejected orders. Nothing trades: price 0.
    """
    average = average_supply_price(matched)
    paid = torch.where(matched.supply > 0, matched.price, average)
    paid = torch.where(matched.demand > 0, last_matched_price(matched), paid)
    lowest, highest = lowest_supply_price(matched), highest_supply_price(matched)
    return Prices(to_slots(matched, paid), average, lowest, highest)


def lowest_supply_price(matched: Match) -> Float[Tensor, "... 1"]:
    """Return the lowest price of accepted supply orders, EUR/MWh; 0 if nothing trades."""
    lowest = torch.where(matched.supply > 0, matched.price, torch.inf).amin(-1, keepdim=True)
    return torch.where(matched.traded > 0, lowest, 0.0)


def highest_supply_price(matched: Match) -> Float[Tensor, "... 1"]:
    """Return the highest price of accepted supply orders, EUR/MWh; 0 if nothing trades."""
    highest = torch.where(matched.supply > 0, matched.price, -torch.inf).amax(-1, keepdim=True)
    return torch.where(matched.traded > 0, highest, 0.0)


def average_supply_price(matched: Match) -> Float[Tensor, "... 1"]:
    """Return the volume-weighted mean price of accepted supply, EUR/MWh; 0 if nothing trades."""
    revenue = (matched.price * matched.supply).sum(-1, keepdim=True)
    volume = matched.supply.sum(-1, keepdim=True)
    return torch.where(volume > 0, revenue / volume, 0.0)


def last_matched_price(matched: Match) -> Float[Tensor, "... slot"]:
    """Return the price of the last supply order that serves each demand order, EUR/MWh.

    Meaningful at accepted demand orders only.
    """
    served_until = torch.minimum(matched.demand_until, matched.traded) - ZERO_VOLUME
    rung = torch.searchsorted(matched.supply_until, served_until.contiguous())
    return matched.price.gather(-1, rung.clamp(max=matched.price.shape[-1] - 1))


def to_slots(matched: Match, ladder: Float[Tensor, "*batch slot"]) -> Float[Tensor, "*batch slot"]:
    """Return values in ladder order in the order of the slots."""
    return torch.empty_like(ladder).scatter(-1, matched.order, ladder)


pay_as_clear = MeritOrder("pay_as_clear", uniform, UniformParams)
pay_as_bid = MeritOrder("pay_as_bid", discriminatory)
