"""The best a bidder could have done, given everybody else's orders.

In a merit-order market a bidder's result changes only where its price passes somebody else's. In
between, it is linear in the price, so the optimum lies next to such a break point, at the bidder's
own cost or at a limit. Trying them all is exact, up to one rounding step of the price.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.clearing import Rule, pay_as_clear
from assume_rl.core.types import Clearing

Objective = Callable[[Tensor, Tensor], Tensor]
"""What the bidder maximises: `(price (...), sold (...)) -> value (...)`, EUR/MWh and MW.

Between its own kinks (see `marginal_cost` of `best_response`) it must be linear in the price.
"""


@dataclass(frozen=True)
class BestResponse:
    """The best orders in each auction (the lowest of equally good prices), and what they bring."""

    bid: Float[Tensor, "... own"]  # EUR/MWh of each own order
    value: Float[Tensor, "..."]  # of the objective
    price: Float[Tensor, "..."]  # EUR/MWh that the bidder is paid
    sold: Float[Tensor, "..."]  # MW


def best_response(
    price: Float[Tensor, "... slot"],
    volume: Float[Tensor, "... slot"],
    tie: Float[Tensor, "... slot"],
    own: Int[Tensor, " own"],
    objective: Objective,
    *,
    marginal_cost: Float[Tensor, "..."],
    min_price: float,
    max_price: float,
    rule: Rule = pay_as_clear,
    one_price: bool = True,
) -> BestResponse:
    """Maximise `objective` over the prices of the `own` orders, auction by auction.

    All own orders share one price, or, with `one_price=False`, have rising prices in the order of
    `own`; that takes about the square of the time for two orders.

    :param price: EUR/MWh; what stands at `own` is replaced
    :param volume: MW, sell > 0, buy < 0, own volumes included
    :param tie: in [0, 1), see `assume_rl.core.clearing`
    :param own: slots of the bidder's supply orders
    :param objective: see `Objective`
    :param marginal_cost: EUR/MWh, where the objective may have a kink
    :param min_price: lowest price that the bidder may ask, EUR/MWh
    :param max_price: highest price that the bidder may ask, EUR/MWh
    """
    points = break_points(price, own, marginal_cost, min_price, max_price)
    best: BestResponse | None = None
    for bid in _own_prices(points, len(own), one_price):
        cleared = rule(price.index_copy(-1, own, bid), volume, tie)
        paid, sold = sale(cleared, own)
        found = BestResponse(bid, objective(paid, sold), paid, sold)
        best = found if best is None else better(best, found)
    assert best is not None  # the limits are always among the break points
    return best


def break_points(
    price: Float[Tensor, "... slot"],
    own: Int[Tensor, " own"],
    marginal_cost: Float[Tensor, "..."],
    min_price: float,
    max_price: float,
) -> Float[Tensor, "... point"]:
    """Prices worth trying, ascending: both sides of every rival's price, own cost, both limits."""
    rivals = torch.ones(price.shape[-1], dtype=torch.bool, device=price.device)
    others = price[..., rivals.index_fill(0, own, False)]
    limits = price.new_tensor([min_price, max_price]).expand(*price.shape[:-1], 2)
    below = others.nextafter(others.new_tensor(-torch.inf))
    above = others.nextafter(others.new_tensor(torch.inf))
    points = torch.cat((limits, marginal_cost.unsqueeze(-1), below, others, above), -1)
    return points.clamp(min_price, max_price).sort(-1).values


def sale(
    cleared: Clearing, own: Int[Tensor, " own"]
) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    """What a bidder is paid for its first order (accepted ones first), EUR/MWh, and MW sold."""
    accepted = cleared.accepted.index_select(-1, own)
    first = (accepted > 0).int().argmax(-1, keepdim=True)
    paid = cleared.paid.index_select(-1, own).gather(-1, first).squeeze(-1)
    return paid, accepted.sum(-1)


def better(one: BestResponse, other: BestResponse) -> BestResponse:
    """The more valuable of two responses in each auction; `one` where they are equal."""
    wins = other.value > one.value
    return BestResponse(
        torch.where(wins.unsqueeze(-1), other.bid, one.bid),
        torch.where(wins, other.value, one.value),
        torch.where(wins, other.price, one.price),
        torch.where(wins, other.sold, one.sold),
    )


def _own_prices(
    points: Float[Tensor, "... point"], orders: int, one_price: bool
) -> Iterator[Float[Tensor, "... own"]]:
    ladder = points.unbind(-1)
    if one_price:
        yield from (point.unsqueeze(-1).expand(*point.shape, orders) for point in ladder)
    else:
        yield from (torch.stack(p, -1) for p in combinations_with_replacement(ladder, orders))
