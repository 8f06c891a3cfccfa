"""Clearing alternatives of a few own orders against the same book, which is sorted only once.

Clearing a merit order anew for each of K alternatives sorts the whole book K times. Here orders of
others are sorted once, and `SortedBook` keeps their running sums. The place of an own order, what
trades, and the price of the last supply that does are then found by bisection: K log N steps for N
orders of others instead of K N log N.

The result is that of `merit_order` but for rounding; own orders lose ties, those of the same price
trade in the order of their slots.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad, threshold

from assume_rl.core.clearing.merit_order import (
    MeritOrder,
    Prices,
    Pricing,
    discriminatory,
    filled,
    ladder_order,
    uniform,
)
from assume_rl.core.clearing.rule import Clearing, MarketSpec
from assume_rl.core.units.base import ZERO_VOLUME


@dataclass(frozen=True)
class SortedBook:
    """The orders of others by price, at equal prices supply before demand, and running sums."""

    price: Float[Tensor, "... other"]  # EUR/MWh
    key: Float[Tensor, "... other"]  # rises, so that own orders find their place
    offered: Float[Tensor, "... other"]  # MW, 0 at demand
    supply_until: Float[Tensor, "... other"]  # MW offered up to and including an order
    demand_until: Float[Tensor, "... other"]  # MW wanted by an order and those above it
    excess: Float[Tensor, "... other"]  # MW, supply less demand; rises

    def before(self, place: Int[Tensor, "... rung own"]) -> Float[Tensor, "... rung own"]:
        """Return the MW that others offer before a place."""
        return at(pad(self.supply_until, (1, 0)), place)

    def after(self, place: Int[Tensor, "... rung own"]) -> Float[Tensor, "... rung own"]:
        """Return the MW that others want from a place on."""
        return at(pad(self.demand_until, (0, 1)), place)

    def last(self, volume: Float[Tensor, "... rung own"]) -> Int[Tensor, "... rung own"]:
        """Return the place of the supply that is the last to sell when others sell a volume, MW."""
        return first_above(self.supply_until, volume - ZERO_VOLUME)


def book_order(
    price: Float[Tensor, "... other"], volume: Float[Tensor, "... other"]
) -> Int[Tensor, "... other"]:
    """Return the slots of a book by price, at equal prices supply before demand.

    :param price: EUR/MWh
    :param volume: MW, sell > 0, buy < 0; 0 is an empty slot
    """
    return ladder_order(price, volume, torch.full_like(price, 0.5))


def sorted_book(
    price: Float[Tensor, "... other"],
    volume: Float[Tensor, "... other"],
    order: Int[Tensor, "... other"],
) -> SortedBook:
    """Return orders of others, sorted.

    :param price: EUR/MWh
    :param volume: MW, sell > 0, buy < 0; 0 is an empty slot
    :param order: of `book_order`, which may be that of the same book with more of its slots filled
    """
    price, volume = price.gather(-1, order), volume.gather(-1, order)
    offered, wanted = threshold(volume, ZERO_VOLUME, 0.0), threshold(-volume, ZERO_VOLUME, 0.0)
    supply = offered.cumsum(-1)
    demand = wanted.flip(-1).cumsum(-1).flip(-1)
    # Own orders come after supply of the same price, and before demand of it.
    above = torch.where(volume < 0, price.nextafter(price.new_tensor(torch.inf)), price)
    above = above.cummax(-1).values  # an emptied slot may stand among demand
    return SortedBook(price, above, offered, supply, demand, supply - demand)


@dataclass(frozen=True)
class Insertion:
    """Own orders on each rung, put among those of others; by price, supply before demand."""

    others: SortedBook
    order: Int[Tensor, "... rung own"]  # slot of each
    price: Float[Tensor, "... rung own"]  # EUR/MWh
    supply_start: Float[Tensor, "... rung own"]  # MW offered by all before each
    offered: Float[Tensor, "... rung own"]  # MW, 0 at demand
    demand_until: Float[Tensor, "... rung own"]  # MW wanted by each, and by all above it
    supply: Float[Tensor, "... rung own"]  # MW accepted, 0 at demand
    demand: Float[Tensor, "... rung own"]  # MW accepted, positive, 0 at supply
    traded: Float[Tensor, "... rung 1"]  # MW, of all orders

    @property
    def sold_by_others(self) -> Float[Tensor, "... rung 1"]:
        """Return MW."""
        return self.traded - self.supply.sum(-1, keepdim=True)

    def last_price(self, volume: Float[Tensor, "... rung some"]) -> Float[Tensor, "... rung some"]:
        """Return the price of the supply that is the last to sell when some volumes trade, EUR/MWh.

        :param volume: MW, at most `traded`; 0 has no price: minus infinity
        """
        own = volume.unsqueeze(-1) - self.supply_start.unsqueeze(-2)
        own = torch.minimum(own.clamp(min=0.0), self.offered.unsqueeze(-2))
        mine = torch.where(own > ZERO_VOLUME, self.price.unsqueeze(-2), -torch.inf).amax(-1)
        theirs = volume - own.sum(-1)
        price = at(self.others.price, self.others.last(theirs))
        return torch.maximum(mine, torch.where(theirs > ZERO_VOLUME, price, -torch.inf))


def inserted(
    others: SortedBook, price: Float[Tensor, "... rung own"], volume: Float[Tensor, "... rung own"]
) -> Insertion:
    """Return own orders among those of others, with their traded volumes.

    :param others: their orders
    :param price: EUR/MWh
    :param volume: MW, sell > 0, buy < 0
    """
    order = _own_order(price, volume)
    price, volume = price.gather(-1, order), volume.gather(-1, order)
    offered, wanted = threshold(volume, ZERO_VOLUME, 0.0), threshold(-volume, ZERO_VOLUME, 0.0)
    supply, demand = offered.cumsum(-1), wanted.flip(-1).cumsum(-1).flip(-1)
    place = first_above(others.key, price, right=True)
    supply_until, demand_until = others.before(place) + supply, others.after(place) + demand
    beside_own = torch.minimum(supply_until, demand_until).amax(-1, keepdim=True)
    traded = torch.maximum(beside_own, _among_others(others, place, supply, demand))
    return Insertion(
        others,
        order,
        price,
        supply_until - offered,
        offered,
        demand_until,
        filled(offered, supply_until, traded),
        filled(wanted, demand_until, traded),
        traded,
    )


def _own_order(
    price: Float[Tensor, "... rung own"], volume: Float[Tensor, "... rung own"]
) -> Int[Tensor, "... rung own"]:
    """Return own orders by price; most are sent like that, and sorting many small books is slow."""
    rises = (price[..., 1:] >= price[..., :-1]).all() and (volume >= 0).all()
    if rises:
        return torch.arange(price.shape[-1], device=price.device).expand_as(price)
    return ladder_order(price, volume, torch.zeros_like(price))


def _among_others(
    others: SortedBook,
    place: Int[Tensor, "... rung own"],
    supply: Float[Tensor, "... rung own"],
    demand: Float[Tensor, "... rung own"],
) -> Float[Tensor, "... rung 1"]:
    """Return the most that can trade where the last supply, or demand, is an order of others, MW.

    Own orders cut the sorted book into stretches. On each one supply rises, demand falls, and own
    orders add a constant to both: the smaller of the two is largest where they cross.

    :param place: how many others stand before each own order
    :param supply: MW, running sum over the own orders
    :param demand: MW, running sum over the own orders, from the last one on
    """
    more_supply, more_demand = pad(supply, (1, 0)), pad(demand, (0, 1))
    first, stop = pad(place, (1, 0)), pad(place, (0, 1), value=others.price.shape[-1])
    crossing = first_above(others.excess, more_demand - more_supply)
    found = []
    for beside in (crossing, crossing - 1):
        order = torch.minimum(torch.maximum(beside, first), stop - 1).clamp(min=0)
        offered = at(others.supply_until, order) + more_supply
        wanted = at(others.demand_until, order) + more_demand
        found.append(torch.where(first < stop, torch.minimum(offered, wanted), 0.0))
    return torch.maximum(*found).amax(-1, keepdim=True)


def at(
    table: Float[Tensor, "... entry"], index: Int[Tensor, "... rung own"]
) -> Float[Tensor, "... rung own"]:
    """Return entries of a table by their index, or the last one beyond it."""
    flat = index.flatten(-2).clamp(max=table.shape[-1] - 1)
    return table.gather(-1, flat).view(index.shape)


def first_above(
    table: Float[Tensor, "... entry"], value: Float[Tensor, "... rung own"], right: bool = False
) -> Int[Tensor, "... rung own"]:
    """Return the first entry of a rising table that is not below a value, or is above it.

    :param table: rising values
    :param value: to look for, of each own order on each rung
    :param right: whether to return the first entry above the value, else the first not below it
    """
    flat = value.flatten(-2).contiguous()
    return torch.searchsorted(table.contiguous(), flat, right=right).view(value.shape)


# --- prices ---------------------------------------------------------------------------------------


def uniform_price(own: Insertion) -> Prices:
    """Return `merit_order.uniform` prices; `paid` in the order of the insertion."""
    highest = torch.where(own.traded > 0, own.last_price(own.traded), 0.0)
    return Prices(highest.expand_as(own.price), highest, highest, highest)


def own_prices(own: Insertion) -> Prices:
    """Return `merit_order.discriminatory` prices; `paid` in the order of the insertion."""
    average = _average(own)
    paid = torch.where(own.supply > 0, own.price, average)
    served = torch.minimum(own.demand_until, own.traded)
    paid = torch.where(own.demand > 0, own.last_price(served), paid)
    others = own.others
    least = torch.where(others.offered > 0, others.price, torch.inf).amin(-1)[..., None, None]
    theirs = torch.where(own.sold_by_others > ZERO_VOLUME, least, torch.inf)
    mine = torch.where(own.supply > 0, own.price, torch.inf).amin(-1, keepdim=True)
    lowest = torch.where(own.traded > 0, torch.minimum(mine, theirs), 0.0)
    highest = torch.where(own.traded > 0, own.last_price(own.traded), 0.0)
    return Prices(paid, average, lowest, highest)


def _average(own: Insertion) -> Float[Tensor, "... rung 1"]:
    """Return the mean price of all supply that is accepted, EUR/MWh; 0 if nothing trades."""
    others, sold = own.others, own.sold_by_others
    last = others.last(sold)
    start = at(pad(others.supply_until, (1, 0)), last)
    whole = at(pad((others.price * others.offered).cumsum(-1), (1, 0)), last)
    theirs = whole + at(others.price, last) * (sold - start)
    theirs = torch.where(sold > ZERO_VOLUME, theirs, 0.0)
    revenue = theirs + (own.price * own.supply).sum(-1, keepdim=True)
    return torch.where(own.traded > 0, revenue / own.traded, 0.0)


PRICES: dict[Pricing | None, Callable[[Insertion], Prices]] = {
    uniform: uniform_price,
    discriminatory: own_prices,
}
"""How the prices of an insertion follow from it, by how those of a whole match do."""


def can_insert(market: MarketSpec[Any]) -> bool:
    """Return whether own orders can be inserted into the book of a market."""
    return _pricing(market) in PRICES


def pays_one_price(market: MarketSpec[Any]) -> bool:
    """Return whether a market pays all the price of the last supply that sells; it `can_insert`."""
    return _pricing(market) is uniform


def _pricing(market: MarketSpec[Any]) -> Pricing | None:
    """Return how a market that is cleared by merit order makes prices; None: it is not."""
    rule = market.rule
    return rule.priced(market.params) if isinstance(rule, MeritOrder) else None


def part_sold(
    others: SortedBook, volume: Float[Tensor, "..."]
) -> tuple[Int[Tensor, "..."], Int[Tensor, "..."]]:
    """Return two places among others: before the first a seller sells all, at the second nothing.

    Others' supply falls short of their demand by more than all of its own volume before the first,
    and exceeds it from the second on, if it does anywhere.

    :param others: their orders
    :param volume: MW, all that the seller offers
    """
    ends = torch.stack((-volume - ZERO_VOLUME, torch.full_like(volume, ZERO_VOLUME)), -1)
    first, last = first_above(others.excess, ends.unsqueeze(-2)).squeeze(-2).unbind(-1)
    return first, last


def decisive_prices(
    others: SortedBook, volume: Float[Tensor, "..."]
) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    """Return the limits between which a seller's price matters, under a uniform price.

    At the lower one and below it sells all, and others' supply sets the price. At the higher one
    and above it sells nothing. That holds for each of its orders, whatever the others of them ask.

    :param others: their orders
    :param volume: MW, all that the seller offers
    """
    first, last = (place.unsqueeze(-1) for place in part_sold(others, volume))
    supply = torch.where(others.offered > 0, others.price, -torch.inf).cummax(-1).values
    asked = pad(others.price, (0, 1), value=torch.inf)
    # Own orders stand behind those of the same price, and so behind the first one if it is equal.
    before = asked.gather(-1, first).nextafter(asked.new_tensor(-torch.inf))
    low = torch.minimum(pad(supply, (1, 0), value=-torch.inf).gather(-1, first), before)
    # They stand before demand of the same price, which so may still buy at its own price.
    high = pad(others.key, (0, 1), value=torch.inf).gather(-1, last)
    return low.squeeze(-1), high.squeeze(-1)


def clear_inserted(
    market: MarketSpec[Any],
    others: SortedBook,
    price: Float[Tensor, "... rung product own"],
    volume: Float[Tensor, "... rung product own"],
) -> Clearing:
    """Return the clearing of own orders on each rung; its slots are theirs alone.

    :param market: that `can_insert` allows
    :param others: their orders, (... product other)
    :param price: EUR/MWh
    :param volume: MW, sell > 0, buy < 0
    """
    pricing = _pricing(market)
    assert pricing is not None
    own = inserted(others, price.transpose(-3, -2), volume.transpose(-3, -2))
    prices = PRICES[pricing](own)

    def by_slot(values: Tensor) -> Tensor:
        return torch.empty_like(values).scatter(-1, own.order, values).transpose(-3, -2)

    def by_rung(values: Tensor) -> Tensor:
        return values.transpose(-3, -2)

    return Clearing(
        accepted=by_slot(own.supply - own.demand),
        paid=by_slot(prices.paid.contiguous()),
        price=by_rung(prices.published),
        supply_volume=by_rung(own.traded),
        demand_volume=by_rung(own.traded),
        min_price=by_rung(prices.lowest),
        max_price=by_rung(prices.highest),
        zone=torch.zeros(price.shape[-1], dtype=torch.long, device=price.device),
    )
