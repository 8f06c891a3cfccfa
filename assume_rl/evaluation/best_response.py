"""The best that a bidder could have done, given all other orders.

In a merit-order market a bidder's result changes only where its price passes another one's. In
between, it is linear in the price, so the optimum lies next to such a break point (where the market
has ticks, one away), at the bidder's own cost or at a limit. Under pay-as-bid the published price,
to which a reward may compare the bidder's cost, is a mean that its own price moves: there, the
price at which that mean is the bidder's cost is tried too. Trying them all is exact, up to one
rounding step of the price.

In a large market most rivals' prices decide nothing: below those that are met even if the bidder
sells all, it does, and above those that are met if it sells nothing, it does not. So only prices
between them are tried (`decisive_points`).

With several rising prices for several orders, what an order sells depends on its own price alone:
dearer ones stand behind it, and where it sells anything cheaper ones have sold all they offer. So
everything follows from the order that is the last to sell: dearer ones might as well ask the most,
and cheaper ones, with the same sales, anything up to its price. Under a uniform price that is all
the same. Paid as bid, they bring what they ask: the revenue is any between that of the least and
that of the highest price for them, and both are tried, and what makes the mean price the cost. So
several prices take no more than a few tries for each order and break point.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from assume_rl.core.clearing.insertion import can_insert, part_sold
from assume_rl.core.clearing.rule import Clearing, MarketSpec
from assume_rl.core.money import revenue
from assume_rl.core.reward_curve import OwnBook, clear_rungs, rungs_at_once

MOST_CONSTANT = 256
"""Most prices that `best_constant` tries."""


@dataclass(frozen=True)
class Sale:
    """A bidder's sale in each auction, or, with a last axis of them, on each rung."""

    price: Float[Tensor, "..."]  # EUR/MWh, published by the auction
    revenue: Float[Tensor, "..."]  # EUR per hour, price paid * accepted over its orders
    sold: Float[Tensor, "..."]  # MW


Objective = Callable[[Sale], Tensor]
"""The aim of a bidder, in any unit: `sale (... rung) -> value (... rung)`, see `core.reward_curve`.

At constant volumes it must be linear in revenue and published price, with a kink at most where the
published price is the bidder's marginal cost.
"""


@dataclass(frozen=True)
class BestResponse:
    """The best orders in each auction (the lowest of equally good prices), and their results."""

    bid: Float[Tensor, "... own"]  # EUR/MWh of each own order
    value: Float[Tensor, "..."]  # of the objective
    sale: Sale
    exact: bool = True  # else there may be better ones, see `best_response`


def best_response(
    book: OwnBook,
    objective: Objective,
    *,
    marginal_cost: Float[Tensor, "..."],
    min_price: float,
    max_price: float,
    one_price: bool = True,
) -> BestResponse:
    """Maximise `objective` over the prices of the own supply orders, auction by auction.

    All own orders share one price, or, with `one_price=False`, have rising prices in the order of
    `book.own`. Own orders lose ties, see `core.reward_curve`. Where pay is not uniform, the result
    is not proven to be the best for prices on ticks, nor for several prices unless pay is as bid.

    :param book: of auctions of one product, the prices in the own slots are replaced
    :param objective: see `Objective`
    :param marginal_cost: EUR/MWh, where the objective may have a kink
    :param min_price: lowest price that the bidder may ask, EUR/MWh
    :param max_price: highest price that the bidder may ask, EUR/MWh
    :param one_price: for all own orders
    """
    points = decisive_points(book, marginal_cost, min_price, max_price)
    best, uniform, as_bid = None, True, True
    for own in alternatives(book, points, one_price):
        best = _best(best, own.bids, own.cleared, objective)
        if own.uniform:
            continue
        uniform, as_bid = False, as_bid and _is_as_bid(book, own.bids, own.cleared)
        bids = _at_cost(own.bids, own.moved, own.cleared, marginal_cost, min_price, max_price)
        best = _best(best, bids, clear_at(book, bids), objective)
    assert best is not None  # the limits are always among the break points
    simple = as_bid or one_price or len(book.own) == 1
    # On ticks the mean price may not be the cost: either tick beside it may be better.
    return replace(best, exact=uniform or (simple and book.market.price_tick is None))


def best_constant(
    book: OwnBook,
    objective: Objective,
    *,
    marginal_cost: Float[Tensor, "..."],
    min_price: float,
    max_price: float,
) -> BestResponse:
    """Maximise the sum of `objective` over all auctions with one price, the same in all of them.

    It is the best of the break points of all auctions, or of `MOST_CONSTANT` of them, evenly spread
    in their order, where there are more, and of equally good ones the highest. The value of each
    auction is part of the result.

    :param book: of auctions of one product, the prices in the own slots are replaced
    :param objective: see `Objective`
    :param marginal_cost: EUR/MWh, where the objective may have a kink
    :param min_price: lowest price that the bidder may ask, EUR/MWh
    :param max_price: highest price that the bidder may ask, EUR/MWh
    """
    points = torch.unique(decisive_points(book, marginal_cost, min_price, max_price))
    if len(points) > MOST_CONSTANT:
        spread = torch.linspace(0, len(points) - 1, MOST_CONSTANT, dtype=torch.float64)
        points = points[spread.round().long()]
    batch, own = book.orders.price.shape[:-2], len(book.own)

    def bids_of(prices: Float[Tensor, " rung"]) -> Float[Tensor, "... rung own"]:
        return prices.unsqueeze(-1).expand(*batch, -1, own)

    parts = [sale(clear_at(book, bids_of(part))) for part in points.split(rungs_at_once(book))]
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    # All at once, since an objective may go through the auctions one after the other.
    totals = objective(Sale(*(torch.cat(column, -1) for column in columns)))
    total = totals.reshape(-1, len(points)).sum(0)
    bids = bids_of(points[total == total.max()][-1:])
    return _best(None, bids, clear_at(book, bids), objective)


def clear_at(book: OwnBook, bids: Float[Tensor, "... rung own"]) -> Clearing:
    """Return the clearing of the own orders on each rung of prices.

    :param book: of auctions of one product, with the own volumes
    :param bids: EUR/MWh
    """
    price = bids.unsqueeze(-2)
    volume = book.orders.volume.index_select(-1, book.own).unsqueeze(-3)
    return clear_rungs(book, price, volume.expand_as(price))


def break_points(
    book: OwnBook, marginal_cost: Float[Tensor, "..."], min_price: float, max_price: float
) -> Float[Tensor, "... point"]:
    """Return prices worth trying, ascending: beside every rival's price, own cost, both limits.

    A price itself is on the dear side of supply, since own orders lose ties, and on the cheap side
    of demand, which buys at its price.

    :param book: of auctions of one product
    :param marginal_cost: EUR/MWh
    :param min_price: lowest price that the bidder may ask, EUR/MWh
    :param max_price: highest price that the bidder may ask, EUR/MWh
    """
    price, volume = (t[..., 0, :] for t in (book.orders.price, book.orders.volume))
    rivals = torch.ones(price.shape[-1], dtype=torch.bool, device=price.device)
    rivals = rivals.index_fill(0, book.own, False)
    others, supply = price[..., rivals], volume[..., rivals] > 0
    return _beside(book.market, others, supply, marginal_cost, min_price, max_price)


def decisive_points(
    book: OwnBook, marginal_cost: Float[Tensor, "..."], min_price: float, max_price: float
) -> Float[Tensor, "... point"]:
    """Return those `break_points` between which a bidder that only sells may sell part.

    Below the least, and above the greatest but the limit, its sale depends on its price no more:
    others' supply falls short of their demand by more than all of its own volume there, or exceeds
    it. Of rules into whose book no orders can be inserted nothing is known: all are returned.

    :param book: of auctions of one product
    :param marginal_cost: EUR/MWh
    :param min_price: lowest price that the bidder may ask, EUR/MWh
    :param max_price: highest price that the bidder may ask, EUR/MWh
    """
    if not can_insert(book.market):
        return break_points(book, marginal_cost, min_price, max_price)
    price, offered = (table[..., 0, :] for table in (book.others.price, book.others.offered))
    own = book.orders.volume.index_select(-1, book.own).sum(-1)
    first, last = (place[..., 0] for place in part_sold(book.others, own))
    first = (first - 1).clamp(min=0)
    width = torch.arange(int((last - first).max()) + 2, device=price.device)
    place = (first.unsqueeze(-1) + width).clamp(max=price.shape[-1] - 1)
    others, supply = price.gather(-1, place), offered.gather(-1, place) > 0
    return _beside(book.market, others, supply, marginal_cost, min_price, max_price)


def _beside(
    market: MarketSpec[Any],
    others: Float[Tensor, "... other"],
    supply: Bool[Tensor, "... other"],
    marginal_cost: Float[Tensor, "..."],
    min_price: float,
    max_price: float,
) -> Float[Tensor, "... point"]:
    """Return the prices of others, those next to them, own cost and both limits, ascending."""
    limits = others.new_tensor([min_price, max_price]).expand(*others.shape[:-1], 2)
    cost, tick = marginal_cost.unsqueeze(-1), market.price_tick
    if tick is None:
        below = others.nextafter(others.new_tensor(-torch.inf))
        above = others.nextafter(others.new_tensor(torch.inf))
    else:
        below, above = others - tick, others + tick
        cost = torch.cat((cost - tick, cost, cost + tick), -1)  # it may lie between two ticks
    next_to = torch.where(supply, below, above)
    points = torch.cat((limits, cost, others, next_to), -1)
    return points.clamp(min_price, max_price).sort(-1).values


def sale(cleared: Clearing) -> Sale:
    """Return the sale (... rung) of a bidder, of the first product.

    :param cleared: of its own orders, see `clear_rungs`
    """
    accepted, paid = cleared.accepted[..., 0, :], cleared.paid[..., 0, :]
    price = cleared.price[..., 0, 0]
    return Sale(price, revenue(paid, accepted, price, 1.0), accepted.sum(-1))


def _best(
    known: BestResponse | None,
    bids: Float[Tensor, "... rung own"],
    cleared: Clearing,
    objective: Objective,
) -> BestResponse:
    """Return the best of some rungs and of `known`, the first among equal ones."""
    got = sale(cleared)
    value, rung = objective(got).max(-1, keepdim=True)

    def at(table: Float[Tensor, "... rung"]) -> Float[Tensor, "..."]:
        return table.gather(-1, rung).squeeze(-1)

    own = rung.unsqueeze(-1).expand(*rung.shape, bids.shape[-1])
    found = BestResponse(
        bids.gather(-2, own).squeeze(-2),
        value.squeeze(-1),
        Sale(at(got.price), at(got.revenue), at(got.sold)),
    )
    return found if known is None else chosen(found.value > known.value, found, known)


def chosen(first: Bool[Tensor, "..."], one: BestResponse, other: BestResponse) -> BestResponse:
    """Return one response in the auctions where `first` is true, and the other elsewhere.

    :param first: per auction, `(...)`
    :param one: where `first` is true
    :param other: elsewhere
    """
    return BestResponse(
        torch.where(first.unsqueeze(-1), one.bid, other.bid),
        torch.where(first, one.value, other.value),
        Sale(
            torch.where(first, one.sale.price, other.sale.price),
            torch.where(first, one.sale.revenue, other.sale.revenue),
            torch.where(first, one.sale.sold, other.sale.sold),
        ),
        one.exact and other.exact,
    )


def _is_as_bid(book: OwnBook, bids: Float[Tensor, "... rung own"], cleared: Clearing) -> bool:
    """Return whether every own order that sells is paid its own price."""
    asked = book.market.price_of(bids)
    paid, accepted = cleared.paid[..., 0, :], cleared.accepted[..., 0, :]
    return bool(((paid == asked) | (accepted <= 0)).all())


def _at_cost(
    bids: Float[Tensor, "... rung own"],
    moved: int,
    cleared: Clearing,
    marginal_cost: Float[Tensor, "..."],
    min_price: float,
    max_price: float,
) -> Float[Tensor, "... rung own"]:
    """Return bids with which the mean price of the same supply is the marginal cost.

    :param bids: EUR/MWh
    :param moved: how many of the orders, the cheapest ones, ask another price for it, one for all
        of them; the marginal cost where they sell nothing
    :param cleared: with these bids
    :param marginal_cost: EUR/MWh
    :param min_price: lowest price that the bidder may ask, EUR/MWh
    :param max_price: highest price that the bidder may ask, EUR/MWh
    """
    accepted, paid = cleared.accepted[..., 0, :moved], cleared.paid[..., 0, :moved]
    total, cost = cleared.supply_volume[..., 0, 0], marginal_cost.unsqueeze(-1)
    sold = accepted.sum(-1)
    rest = cleared.price[..., 0, 0] * total - (paid * accepted).sum(-1)
    price = torch.where(sold > 0, (cost * total - rest) / sold, cost).clamp(min_price, max_price)
    dearer = bids[..., moved:]
    price = torch.cat((price.unsqueeze(-1), dearer), -1).amin(-1, keepdim=True)  # no dearer
    return torch.cat((price.expand(*price.shape[:-1], moved), dearer), -1)


@dataclass(frozen=True)
class Alternatives:
    """Some prices of the own orders, and their results."""

    bids: Float[Tensor, "... rung own"]  # EUR/MWh
    moved: int  # how many of the orders, the cheapest ones, have one price
    cleared: Clearing
    uniform: bool  # whether every own order is paid the published price


def alternatives(
    book: OwnBook, points: Float[Tensor, "... point"], one_price: bool
) -> Iterator[Alternatives]:
    """Yield all prices of the own orders that are worth trying, cleared, some at a time.

    :param book: of auctions of one product, with the own volumes
    :param points: prices, ascending, see `break_points`
    :param one_price: for all own orders
    """
    all_uniform = True
    for below in (False, True):
        if below and (one_price or all_uniform):  # nobody is paid what cheaper orders ask
            return
        for choice, moved in tries(points.shape[-1], len(book.own), one_price, below):
            for part in torch.split(choice, rungs_at_once(book)):
                bids = points[..., part]
                cleared = clear_at(book, bids)
                uniform = bool((cleared.paid == cleared.price).all())
                all_uniform = all_uniform and uniform
                yield Alternatives(bids, moved, cleared, uniform)


def tries(
    points: int, orders: int, one_price: bool, below: bool
) -> Iterator[tuple[Int[Tensor, "rung own"], int]]:
    """Yield which of the points, ascending, each own order has on some rungs, see `_at_cost`.

    For each order that may be the last to sell there is a rung for each of its points; dearer ones
    have the last point. With it comes how many orders, the cheapest ones, have one price.

    :param points: how many, of which the first is the lowest price and the last the highest
    :param orders: own ones
    :param one_price: for all of them: only the dearest order may be the last to sell
    :param below: whether orders cheaper than that have the first point; else they have its point
    """
    index = torch.arange(points)
    least, most = torch.zeros_like(index), torch.full_like(index, points - 1)
    for last in reversed(range(orders - 1 if one_price else int(below), orders)):
        cheaper = [least if below else index] * last
        choice = torch.stack([*cheaper, index, *[most] * (orders - 1 - last)], -1)
        yield choice, last if below else last + 1
