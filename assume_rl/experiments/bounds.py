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
from assume_rl.core.money import Outcome
from assume_rl.core.units.thermal import ThermalParams
from assume_rl.evaluation.best_response import Sale, best_response, clearing_of, sale
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
    offered = _of_one_product(volume.index_select(-1, own).sum(-1))
    hours = length * compiled.step_seconds / 3600

    def earn(got: Sale) -> tuple[Tensor, Tensor]:
        sold = _of_one_product(got.sold)
        outcome = Outcome(
            price=_of_one_product(got.price),
            revenue=_of_one_product(got.revenue * hours),
            sold=sold,
            offered=offered,
            hours=hours,
            marginal_cost=_of_one_product(cost),
            power=sold,
            previous_power=sold,
            params=plant,
            start_cost=torch.zeros_like(sold),  # see `_obstacles`
        )
        earned = bidder.reward(outcome)
        return earned.reward.squeeze(-1), earned.profit.squeeze(-1)

    tie = torch.zeros_like(price)
    best = best_response(
        price,
        volume,
        tie,
        own,
        lambda got: earn(got)[0],
        market=market,
        marginal_cost=cost,
        min_price=-limit,
        max_price=limit,
    )
    honest = price.index_copy(-1, own, cost.unsqueeze(-1).expand(-1, len(own)))
    honest_sale = sale(clearing_of(market, volume, tie)(honest), own)
    return Bounds(
        Earned(*earn(honest_sale), honest_sale.price, cost),
        Earned(*earn(best.sale), best.sale.price, best.bid[:, 0]),
    )


def _of_one_product(values: Float[Tensor, " auction"]) -> Float[Tensor, "auction 1 1"]:
    return values[:, None, None]


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
