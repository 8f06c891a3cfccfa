"""The possible profit of a learning storage that knows no more than it observes: by plans.

The best policy of all that see forecasts, not the orders of auctions to come, is not known. This is
a good one. Before each auction it plans the deliveries whose forecasts it observes, and makes the
first bid of the plan. An auction ahead may be any of the few others of the calendar whose forecasts
of residual load and price are most similar, each as likely as the others; dynamic programming over
states of charge finds the bids that bring most on average. What they then bring in the auctions
that come is real. So the best policy earns at least as much, luck apart, and a best response, which
knows all orders, earns more.

It is stochastic dynamic programming with a rolling horizon (D. Bertsekas 2005, "Dynamic Programming
and Optimal Control", vol. 1, chapters 1 and 6).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.evaluation.dynamic_programming import worth_at
from assume_rl.evaluation.storage_response import (
    AUCTIONS_AT_ONCE,
    Alternatives,
    Store,
    alternatives,
    grid_of,
    of_states,
    on_grid,
)

STATES = 51
"""States of charge of the grid that plans are made on."""

PRICES = 24
"""Most prices to buy at, and to sell at, that plans choose from."""

SIMILAR = 4
"""Auctions that one ahead may be like."""


def planned_profit(
    store: Store, seen: Float[Tensor, "auction forecast"], similar: int = SIMILAR
) -> Float[Tensor, " auction"]:
    """Return the profit of the plans' bids in each auction, EUR.

    :param store: that bids, by a bidder whose `foresight` is how many deliveries a plan has
    :param seen: forecasts of each delivery, on scales that can be compared
    :param similar: auctions that one ahead may be like
    """
    tried, grid = _shared(alternatives(store)), grid_of(store.params, STATES)
    like, (value, after) = _most_similar(seen, similar), on_grid(store, tried, grid)
    now, earned = store.params.initial_soc, []
    for auction in range(len(seen)):
        worth = grid.soc.new_zeros(grid.points)  # after the last delivery of the plan
        for ahead in reversed(range(auction, min(auction + store.bidder.foresight, len(seen)))):
            may_be = like[ahead]
            expected = (value[may_be] + worth_at(worth, after[may_be])).mean(0)
            worth = expected.amax(-1)
        best = _between(expected, grid.place(now)).argmax()
        profit, to = of_states(store, tried, torch.tensor([auction]), now)
        earned.append(profit[0, 0, best])
        now = to[0, 0, best, None]
    return torch.stack(earned)


def _between(
    table: Float[Tensor, "state choice"], place: Float[Tensor, " 1"]
) -> Float[Tensor, " choice"]:
    """Return the row of a place among the states, the mix of both between two of them."""
    low = place.floor().long().clamp(max=len(table) - 2)
    return torch.lerp(table[low], table[low + 1], place - low).squeeze(0)


def _shared(own: Alternatives) -> Alternatives:
    """Return prices that are the same in all auctions: `PRICES` of those worth trying in any.

    They are evenly spread in the order of all, so that frequent ones are among them.
    """
    sides = []
    for side in (~own.sells, own.sells):
        ordered = own.price[:, side].flatten().sort().values
        place = torch.linspace(0, len(ordered) - 1, PRICES, dtype=torch.float64)
        sides.append(torch.unique(ordered[place.round().long()]))
    price = torch.cat(sides)
    sells = torch.arange(len(price)) >= len(sides[0])
    return Alternatives(price.expand(len(own.price), -1), sells)


def _most_similar(
    seen: Float[Tensor, "auction forecast"], count: int
) -> Int[Tensor, "auction similar"]:
    """Return the other auctions with the nearest forecasts, as few as `count`."""
    few, found = min(count, max(len(seen) - 1, 1)), []
    for part in torch.split(torch.arange(len(seen)), AUCTIONS_AT_ONCE):
        distance = torch.cdist(seen[part], seen)
        distance[torch.arange(len(part)), part] = torch.inf
        found.append(distance.topk(few, largest=False).indices)
    return torch.cat(found)
