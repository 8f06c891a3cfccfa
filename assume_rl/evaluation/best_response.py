"""The best a bidder could have done, given everybody else's orders.

In a merit-order market a bidder's result changes only where its price passes somebody else's. In
between, it is linear in the price, so the optimum lies next to such a break point, at the bidder's
own cost or at a limit. Under pay-as-bid the published price, to which a reward may compare the
bidder's cost, is a mean that its own price moves: there, the price at which that mean is the
bidder's cost is tried too. Trying them all is exact, up to one rounding step of the price.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.clearing import MarketSpec, Slots
from assume_rl.core.clearing.rule import Clearing
from assume_rl.core.money import revenue
from assume_rl.core.orders import unit_major


@dataclass(frozen=True)
class Sale:
    """A bidder's sale in each auction."""

    price: Float[Tensor, "..."]  # EUR/MWh, published by the auction
    revenue: Float[Tensor, "..."]  # EUR per hour, price paid * accepted over its orders
    sold: Float[Tensor, "..."]  # MW


Objective = Callable[[Sale], Tensor]
"""What the bidder maximises: `sale (...) -> value (...)`.

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
    price: Float[Tensor, "... slot"],
    volume: Float[Tensor, "... slot"],
    tie: Float[Tensor, "... slot"],
    own: Int[Tensor, " own"],
    objective: Objective,
    *,
    market: MarketSpec[Any],
    marginal_cost: Float[Tensor, "..."],
    min_price: float,
    max_price: float,
    one_price: bool = True,
) -> BestResponse:
    """Maximise `objective` over the prices of the `own` orders, auction by auction.

    Every auction has one product.

    All own orders share one price, or, with `one_price=False`, have rising prices in the order of
    `own`; that takes about the square of the time for two orders, and is exact under a uniform
    price only.

    :param price: EUR/MWh; what stands at `own` is replaced
    :param volume: MW, sell > 0, buy < 0, own volumes included
    :param tie: in [0, 1), see `assume_rl.core.clearing`
    :param own: slots of the bidder's supply orders
    :param objective: see `Objective`
    :param market: whose rule clears the auctions
    :param marginal_cost: EUR/MWh, where the objective may have a kink
    :param min_price: lowest price that the bidder may ask, EUR/MWh
    :param max_price: highest price that the bidder may ask, EUR/MWh
    """
    points = break_points(price, own, marginal_cost, min_price, max_price)
    clear = clearing_of(market, volume, tie)
    best: BestResponse | None = None

    def attempt(bid: Tensor) -> Clearing:
        nonlocal best
        cleared = clear(price.index_copy(-1, own, bid))
        got = sale(cleared, own)
        found = BestResponse(bid, objective(got), got)
        best = found if best is None else better(best, found)
        return cleared

    for bid in _own_prices(points, len(own), one_price):
        cleared = attempt(bid)
        if one_price and not _is_uniform(cleared, own):
            kink = _price_at_cost(cleared, sale(cleared, own), marginal_cost)
            attempt(kink.clamp(min_price, max_price).unsqueeze(-1).expand_as(bid))
    assert best is not None  # the limits are always among the break points
    return best


def clearing_of(
    market: MarketSpec[Any], volume: Float[Tensor, "... slot"], tie: Float[Tensor, "... slot"]
) -> Callable[[Tensor], Clearing]:
    """Return what clears auctions of one product, as a function of their prices (... slot).

    Its result has an axis of products, of length 1.

    :param market: whose rule clears the auctions
    :param volume: MW, sell > 0, buy < 0
    :param tie: in [0, 1), see `assume_rl.core.clearing`
    """
    node = torch.zeros(volume.shape[-1], dtype=torch.int64, device=volume.device)
    setup = market.rule.setup(market, Slots(node=node))

    def clear(price: Tensor) -> Clearing:
        orders = unit_major(price.unsqueeze(-2), volume.unsqueeze(-2), price.shape[-1])
        return market.clear(orders, tie.unsqueeze(-2), setup)

    return clear


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


def sale(cleared: Clearing, own: Int[Tensor, " own"]) -> Sale:
    """Return the sale of a bidder whose orders stand in the slots `own`; of the first product."""
    accepted = cleared.accepted[..., 0, :].index_select(-1, own)
    paid = cleared.paid[..., 0, :].index_select(-1, own)
    price = cleared.price[..., 0, 0]
    return Sale(price, revenue(paid, accepted, price, 1.0), accepted.sum(-1))


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


def _is_uniform(cleared: Clearing, own: Int[Tensor, " own"]) -> bool:
    """Return whether every own order is paid the published price."""
    return bool((cleared.paid.index_select(-1, own) == cleared.price).all())


def _price_at_cost(
    cleared: Clearing, got: Sale, marginal_cost: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Return the own price at which the mean price of the same supply is the marginal cost.

    EUR/MWh; the marginal cost itself where nothing is sold.
    """
    total = cleared.supply_volume[..., 0, 0]
    rivals = got.price * total - got.revenue
    return torch.where(got.sold > 0, (marginal_cost * total - rivals) / got.sold, marginal_cost)


def _own_prices(
    points: Float[Tensor, "... point"], orders: int, one_price: bool
) -> Iterator[Float[Tensor, "... own"]]:
    ladder = points.unbind(-1)
    if one_price:
        yield from (point.unsqueeze(-1).expand(*point.shape, orders) for point in ladder)
    else:
        yield from (torch.stack(p, -1) for p in combinations_with_replacement(ladder, orders))
