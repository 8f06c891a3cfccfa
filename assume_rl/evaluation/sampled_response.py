"""The best response to rivals that draw their bids, given several draws of the same auctions.

Who does not know the draws maximises what it gets on average over them. On the draws by which bids
were chosen they promise too much, since they were chosen for it. So one half of the draws chooses
bids, and the other half says what these bring; and the other way round.

Prices worth trying are those of `best_response`, of all draws. Between them an average is no
straight line where an own price moves a mean price, and of several prices not all pairs are tried:
there may be better bids.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.reward_curve import OwnBook
from assume_rl.evaluation.best_response import (
    Objective,
    Sale,
    alternatives,
    clear_at,
    decisive_points,
    sale,
)

MOST_POINTS = 128
"""Most prices that are tried in each auction."""

HALVES = 2


@dataclass(frozen=True)
class SampledResponse:
    """The results of bids on each draw that was not used to choose them."""

    sale: Sale  # (draw auction 1), with an axis of rungs
    value: Float[Tensor, "draw auction"]  # of the objective
    promised: Float[Tensor, " auction"]  # mean value on the draws that they were chosen by


def sampled_response(
    book: OwnBook,
    objective: Objective,
    *,
    marginal_cost: Float[Tensor, " auction"],
    min_price: float,
    max_price: float,
    one_price: bool = True,
) -> SampledResponse:
    """Maximise the mean of `objective` over draws, by own prices for each auction.

    :param book: (draw auction product slot), at least two draws of auctions of one product
    :param objective: see `best_response.Objective`, of sales (draw auction rung)
    :param marginal_cost: EUR/MWh
    :param min_price: lowest price that the bidder may ask, EUR/MWh
    :param max_price: highest price that the bidder may ask, EUR/MWh
    :param one_price: for all own orders; else rising ones
    """
    draws = len(book.orders.price)
    cost = marginal_cost.expand(draws, -1)
    points = _of_all_draws(decisive_points(book, cost, min_price, max_price))
    best = points.new_full((HALVES, len(points)), -torch.inf)
    bid = points.new_zeros((HALVES, len(points), len(book.own)))
    for own in alternatives(book, points.expand(draws, *points.shape), one_price):
        value, rung = _by_half(objective(sale(own.cleared))).max(-1)
        better = value > best
        found = own.bids[0].gather(-2, rung.movedim(0, -1)[..., None].expand(-1, -1, len(book.own)))
        best = torch.where(better, value, best)
        bid = torch.where(better.unsqueeze(-1), found.movedim(-2, 0), bid)
    # Each draw is brought the bids of the half that it is not in.
    others = torch.arange(draws).add(1) % HALVES
    got = sale(clear_at(book, bid[others].unsqueeze(-2)))
    return SampledResponse(got, objective(got).squeeze(-1), best.mean(0))


def _by_half(value: Float[Tensor, "draw auction rung"]) -> Float[Tensor, "half auction rung"]:
    """Return means over every other draw."""
    return torch.stack([value[half::HALVES].mean(0) for half in range(HALVES)])


def _of_all_draws(points: Float[Tensor, "draw auction point"]) -> Float[Tensor, "auction some"]:
    """Return the different points of each auction, ascending, the last one repeated.

    They are `MOST_POINTS` at most, evenly spread in their order where there are more.
    """
    ranked = points.movedim(0, -2).flatten(-2).sort(-1).values
    place = torch.zeros_like(ranked, dtype=torch.int64)
    place[..., 1:] = (ranked[..., 1:] > ranked[..., :-1]).cumsum(-1)
    last = place[..., -1:]
    some = min(MOST_POINTS, int(last.max()) + 1)
    wanted = torch.arange(some).expand(*last.shape[:-1], -1)
    spread = (wanted * (last.double() / max(1, some - 1))).round().long()
    chosen = torch.where(last >= some, spread, torch.minimum(wanted, last))
    return ranked.gather(-1, torch.searchsorted(place, chosen))
