"""The best a bidder could have done, given everybody else's orders.

In a merit-order market a bidder's result changes only where its price passes somebody else's. In
between, it is linear in the price, so the optimum lies next to such a break point, at the bidder's
own cost or at a limit. Under pay-as-bid the published price, to which a reward may compare the
bidder's cost, is a mean that its own price moves: there, the price at which that mean is the
bidder's cost is tried too. Trying them all is exact, up to one rounding step of the price.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.clearing.rule import Clearing
from assume_rl.core.money import revenue
from assume_rl.core.reward_curve import OwnBook, clear_rungs, rungs_at_once


@dataclass(frozen=True)
class Sale:
    """A bidder's sale in each auction, or, with a last axis of them, on each rung."""

    price: Float[Tensor, "..."]  # EUR/MWh, published by the auction
    revenue: Float[Tensor, "..."]  # EUR per hour, price paid * accepted over its orders
    sold: Float[Tensor, "..."]  # MW


Objective = Callable[[Sale], Tensor]
"""What the bidder maximises: `sale (... rung) -> value (... rung)`, see `core.reward_curve`.

At constant volumes it must be linear in revenue and published price, with a kink at most where the
published price is the bidder's marginal cost.
"""


@dataclass(frozen=True)
class BestResponse:
    """The best orders in each auction (the lowest of equally good prices), and what they bring."""

    bid: Float[Tensor, "... own"]  # EUR/MWh of each own order
    value: Float[Tensor, "..."]  # of the objective
    sale: Sale


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
    `book.own`; that takes about the square of the time for two orders, and is exact under a uniform
    price only. Own orders lose ties, see `core.reward_curve`.

    :param book: of auctions of one product, the prices in the own slots are replaced
    :param objective: see `Objective`
    :param marginal_cost: EUR/MWh, where the objective may have a kink
    :param min_price: lowest price that the bidder may ask, EUR/MWh
    :param max_price: highest price that the bidder may ask, EUR/MWh
    """
    points = break_points(book, marginal_cost, min_price, max_price)
    best: BestResponse | None = None
    choices = _choices(points, len(book.own), one_price)
    for choice in torch.split(choices, rungs_at_once(book)):
        bids = points[..., choice]
        cleared = clear_at(book, bids)
        best = _best(best, bids, cleared, objective)
        if one_price and not _is_uniform(cleared):
            kink = _price_at_cost(cleared, marginal_cost).clamp(min_price, max_price)
            bids = kink.unsqueeze(-1).expand_as(bids)
            best = _best(best, bids, clear_at(book, bids), objective)
    assert best is not None  # the limits are always among the break points
    return best


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
    """Prices worth trying, ascending: both sides of every rival's price, own cost, both limits."""
    price = book.orders.price[..., 0, :]
    rivals = torch.ones(price.shape[-1], dtype=torch.bool, device=price.device)
    others = price[..., rivals.index_fill(0, book.own, False)]
    limits = price.new_tensor([min_price, max_price]).expand(*price.shape[:-1], 2)
    below = others.nextafter(others.new_tensor(-torch.inf))
    above = others.nextafter(others.new_tensor(torch.inf))
    points = torch.cat((limits, marginal_cost.unsqueeze(-1), below, others, above), -1)
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
    """Return the most valuable of some rungs and what is known, and of equal ones the first."""
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
    return found if known is None else better(known, found)


def better(one: BestResponse, other: BestResponse) -> BestResponse:
    """Return the more valuable of two responses in each auction; `one` where they are equal."""
    wins = other.value > one.value
    return BestResponse(
        torch.where(wins.unsqueeze(-1), other.bid, one.bid),
        torch.where(wins, other.value, one.value),
        Sale(
            torch.where(wins, other.sale.price, one.sale.price),
            torch.where(wins, other.sale.revenue, one.sale.revenue),
            torch.where(wins, other.sale.sold, one.sale.sold),
        ),
    )


def _is_uniform(cleared: Clearing) -> bool:
    """Return whether every own order is paid the published price."""
    return bool((cleared.paid == cleared.price).all())


def _price_at_cost(
    cleared: Clearing, marginal_cost: Float[Tensor, "..."]
) -> Float[Tensor, "... rung"]:
    """Return the own price at which the mean price of the same supply is the marginal cost.

    EUR/MWh; the marginal cost itself where nothing is sold.
    """
    got, cost = sale(cleared), marginal_cost.unsqueeze(-1)
    total = cleared.supply_volume[..., 0, 0]
    rivals = got.price * total - got.revenue
    return torch.where(got.sold > 0, (cost * total - rivals) / got.sold, cost)


def _choices(
    points: Float[Tensor, "... point"], orders: int, one_price: bool
) -> Int[Tensor, "rung own"]:
    """Return which of the points each own order has on each rung."""
    index = torch.arange(points.shape[-1], device=points.device)
    if one_price:
        return index.unsqueeze(-1).expand(-1, orders)
    return torch.combinations(index, orders, with_replacement=True).view(-1, orders)
