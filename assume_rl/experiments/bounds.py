"""What a single learning plant could have earned: exactly, given everybody else's orders."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.bidding.base import AnyBidder
from assume_rl.core.bidding.ladder import OnLadder
from assume_rl.core.bidding.learned import PlantLearning
from assume_rl.core.money import Outcome, Reward
from assume_rl.core.reward_curve import book_of_one_product
from assume_rl.core.units.base import rows_of
from assume_rl.core.units.thermal import ThermalParams
from assume_rl.evaluation.best_response import Sale, best_response, clear_at, sale
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled


@dataclass(frozen=True)
class Earned:
    """A way of bidding over the whole calendar, auction by auction."""

    reward: Tensor  # (auction,)
    profit: Tensor  # (auction,) EUR
    price: Tensor  # (auction,) EUR/MWh
    bid: Tensor  # (auction,) EUR/MWh


@dataclass(frozen=True)
class Bounds:
    """Bidding marginal cost, and the best response of each auction on its own."""

    truthful: Earned
    best: Earned


def single_plant_bounds(compiled: Compiled, memory: MemorySink) -> Bounds | None:
    """Return the bounds of the only learning plant, from the orders of a recorded episode.

    Exact where auctions do not depend on each other; None where they may, see `unknown_bounds`.
    """
    if unknown_bounds(compiled) is not None:
        return None
    unit, params = _learner(compiled)
    bidder = _bidder(compiled, unit)
    assert isinstance(params, ThermalParams)  # unknown_bounds
    assert isinstance(bidder, PlantLearning)
    return _bounds(compiled, memory, unit, params, bidder)


def unknown_bounds(compiled: Compiled) -> str | None:
    """Return why the exact best response of a scenario's learners is not known; None: it is."""
    return next(_obstacles(compiled), None)


def _obstacles(compiled: Compiled) -> Iterator[str]:
    """Yield what keeps auctions from being judged one by one; the first holds."""
    if len(compiled.learners) != 1:
        yield f"there are {len(compiled.learners)} learning bidders"
        return
    unlike = _unknown_auctions(compiled)
    if unlike is not None:
        yield unlike
    unit, params = _learner(compiled)
    name, bidder = compiled.fleet.ids[unit], _bidder(compiled, unit)
    if not isinstance(params, ThermalParams):
        yield f"{name} is no power plant: what it can sell depends on what it bought before"
        return
    if not isinstance(bidder, PlantLearning):
        yield f"{name} bids by {bidder.name}, whose best response is not known"
        return
    if params.ramped:
        yield f"{name} has ramps"
    starts = [params.hot_start_cost]
    if bidder.start_costs:
        starts += [params.warm_start_cost, params.cold_start_cost]
    if any(float(cost) > 0 for cost in starts):
        yield f"{name} has start costs"


def _unknown_auctions(compiled: Compiled) -> str | None:
    """Return why auctions cannot be cleared again from the price and volume of orders alone."""
    if len(compiled.markets) != 1:
        return f"there are {len(compiled.markets)} markets"
    rule = compiled.markets[0].rule
    if rule.needs:
        return f"'{rule.name}' reads more of orders than price and volume"
    products = max(len(auction.first) for tick in compiled.plan for auction in tick.opening)
    return f"an auction has {products} products" if products > 1 else None


def _learner(compiled: Compiled) -> tuple[int, object]:
    """Return the index of the only learner and its parameters."""
    unit = compiled.fleet.ids.index(compiled.learners[0])
    block = next(b for b in compiled.fleet.blocks if b.start <= unit < b.stop)
    return unit, block.technology.select(block.params, torch.tensor([unit - block.start]))


def _bounds(
    compiled: Compiled,
    memory: MemorySink,
    unit: int,
    plant: ThermalParams,
    bidder: PlantLearning,
) -> Bounds:
    market = compiled.markets[0]
    limit = compiled.scenario.learning.max_bid_price
    own = torch.arange(bidder.slots)
    price, volume, steps = _books(memory, compiled, compiled.fleet.ids[unit], len(own))
    cost = compiled.profiles.marginal_cost[steps, unit]
    (length,) = {n for tick in compiled.plan for a in tick.opening for n in a.length}
    offered = volume.index_select(-1, own).sum(-1)
    hours = length * compiled.step_seconds / 3600

    def earn(got: Sale) -> Reward:
        """Return what sales (auction rung) earn."""
        sold = got.sold.unsqueeze(-2)
        rungs = torch.zeros(sold.shape[-1], dtype=torch.long)
        outcome = Outcome(
            price=got.price.unsqueeze(-2),
            revenue=got.revenue.unsqueeze(-2) * hours,
            sold=sold,
            offered=offered[:, None, None].expand_as(sold),
            hours=hours,
            marginal_cost=cost[:, None, None].expand_as(sold),
            power=sold,
            previous_power=sold,
            params=rows_of(plant, rungs),
            start_cost=torch.zeros_like(sold),  # see `_obstacles`
        )
        return bidder.reward(outcome)

    def earned(got: Sale, bid: Float[Tensor, " auction"]) -> Earned:
        brought = earn(Sale(*(column.unsqueeze(-1) for column in vars(got).values())))
        return Earned(brought.reward[:, 0], brought.profit[:, 0], got.price, bid)

    book = book_of_one_product(market, price, volume, own)
    best = best_response(
        book,
        lambda got: earn(got).reward,
        marginal_cost=cost,
        min_price=-limit,
        max_price=limit,
    )
    honest = sale(clear_at(book, cost[:, None, None].expand(-1, 1, len(own))))
    honest = Sale(*(column.squeeze(-1) for column in vars(honest).values()))
    return Bounds(earned(honest, cost), earned(best.sale, best.bid[:, 0]))


def _bidder(compiled: Compiled, unit: int) -> AnyBidder:
    """Return the bidder of a unit in the only market; on a ladder, the one with any prices."""
    found = next(
        participant.bidder
        for operator in compiled.operators
        for participants in operator.participants.values()
        for participant in participants
        if unit in participant.units
    )
    return found.bidder if isinstance(found, OnLadder) else found


def _books(
    memory: MemorySink, compiled: Compiled, unit: str, own: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Prices and volumes of all orders as (auction, slot), and the auctions' delivery steps.

    The first `own` slots are the unit's. Orders without volume have no row in the tables, so its
    slots, all of them where it has nothing to sell, may be empty: volume 0.
    """
    orders = memory.table("market_orders")
    times = np.unique(memory.table("market_meta")["product_start"])  # also without any order
    auction = np.searchsorted(times, orders["start_time"])
    rival = orders["unit_id"] != unit
    ranked = np.lexsort((orders["bid_id"], rival, auction))
    side = (2 * auction + rival)[ranked]  # of each auction: the unit, then its rivals
    _, first, sizes = np.unique(side, return_index=True, return_counts=True)
    slot = np.arange(len(ranked)) - np.repeat(first, sizes) + own * rival[ranked]
    price, volume = np.zeros((2, len(times), max(own, int(slot.max(initial=0)) + 1)))
    price[auction[ranked], slot] = orders["price"][ranked]
    volume[auction[ranked], slot] = orders["volume"][ranked]
    start = np.datetime64(compiled.scenario.start)
    steps = (times - start) / np.timedelta64(compiled.step_seconds, "s")
    return (
        torch.from_numpy(price),
        torch.from_numpy(volume),
        torch.from_numpy(steps.astype(np.int64)),
    )
