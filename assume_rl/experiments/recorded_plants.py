"""Learning plants in the auctions of a recorded episode, which can be cleared again."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.core.bidding.base import AnyBidder
from assume_rl.core.bidding.ladder import OnLadder
from assume_rl.core.bidding.learned import PlantLearning
from assume_rl.core.money import REWARDS, Outcome, Reward
from assume_rl.core.reward_curve import OwnBook, book_of_one_product
from assume_rl.core.units.base import rows_of
from assume_rl.core.units.thermal import ThermalParams
from assume_rl.evaluation.best_response import Sale
from assume_rl.evaluation.starts import Delivery, Plant, deliver
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.capabilities import beyond_price_and_volume, has_ramps
from assume_rl.scenario.compile.compiled import Compiled


def unknown_response(compiled: Compiled, agent: str) -> str | None:
    """Return why the exact best response of a learner is not known; None: it is."""
    return unknown_auctions(compiled) or unlike_plant(compiled, agent)


def not_alone(compiled: Compiled, agent: str) -> str | None:
    """Return why a learner's auctions cannot be judged one by one; None: they can."""
    unknown = unknown_response(compiled, agent)
    if unknown is not None:
        return unknown
    unit, params = unit_of(compiled, agent)
    bidder = bidder_of(compiled, unit)
    assert isinstance(params, ThermalParams)  # unlike_plant
    assert isinstance(bidder, PlantLearning)
    rewarded = bidder.rewarded != "regret" and bidder.pays_for_starts(params)
    return has_ramps(agent, params) or (f"{agent} has start costs" if rewarded else None)


def unknown_next(compiled: Compiled) -> str | None:
    """Return why it is not known what other bids would have led to; None: it is."""
    unknown = unknown_auctions(compiled)
    if unknown is not None:
        return unknown
    auctions = [auction for tick in compiled.plan for auction in tick.opening]
    products = max(len(auction.first) for auction in auctions)
    if products > 1:
        return f"an auction has {products} products"
    early = any(after.opens < before.closes for before, after in pairwise(auctions))
    return "an auction opens before the one before it has closed" if early else None


def unlike_plant(compiled: Compiled, agent: str) -> str | None:
    """Return why the best response of a plant is not known; None: it is.

    :param compiled: scenario of one market, whose auctions can be cleared again
    :param agent: a learner
    """
    unit, params = unit_of(compiled, agent)
    bidder = bidder_of(compiled, unit)
    if not isinstance(params, ThermalParams):
        return f"{agent} is no power plant: what it can sell depends on what it bought before"
    if not isinstance(bidder, PlantLearning):
        return f"{agent} bids by {bidder.name}, whose best response is not known"
    products = max(len(auction.first) for tick in compiled.plan for auction in tick.opening)
    if bidder.products < products:
        return f"{agent} decides for {bidder.products} of {products} products of an auction"
    if bidder.pays_for_starts(params) and _times_bind(params) and _clears_ahead(compiled):
        return f"{agent} has start costs and minimum times, and auctions clear before they deliver"
    return None


def _times_bind(params: ThermalParams) -> bool:
    """Return whether minimum times may keep a plant on, or off, against what it sold."""
    times = (params.min_operating_time, params.min_down_time)
    return params.ramped and any(float(time) > 1 for time in times)


def _clears_ahead(compiled: Compiled) -> bool:
    """Return whether a product is delivered later than its auction clears: rewards take plans."""
    return any(
        max(auction.first) * compiled.step_seconds > auction.closes
        for tick in compiled.plan
        for auction in tick.opening
    )


def pays_for_starts(compiled: Compiled, agent: str) -> bool:
    """Return whether a learner of the only market is a plant whose starts cost something."""
    unit, params = unit_of(compiled, agent)
    bidder = bidder_of(compiled, unit)
    if not isinstance(params, ThermalParams) or not isinstance(bidder, PlantLearning):
        return False
    return bidder.pays_for_starts(params)


def unknown_auctions(compiled: Compiled) -> str | None:
    """Return why auctions cannot be cleared again from the price and volume of orders alone."""
    if len(compiled.markets) != 1:
        return f"there are {len(compiled.markets)} markets"
    more = beyond_price_and_volume(compiled.markets[0].rule)
    if more is not None:
        return more
    auctions = [auction for tick in compiled.plan for auction in tick.opening]
    rule = compiled.markets[0].rule
    if rule.couples_products and any(len(auction.first) > 1 for auction in auctions):
        return f"'{rule.name}' clears the products of an auction together"
    if len({length for auction in auctions for length in auction.length}) > 1:
        return "an auction has products of different lengths"
    delivered = Counter(
        step
        for auction in auctions
        for first, length in zip(auction.first, auction.length, strict=True)
        for step in range(first, first + length)
    )
    return "some hours are sold in several auctions" if max(delivered.values()) > 1 else None


def unit_of(compiled: Compiled, agent: str) -> tuple[int, object]:
    """Return the index of a learner of the only market, and its parameters."""
    unit = compiled.fleet.ids.index(agent)
    block = next(b for b in compiled.fleet.blocks if b.start <= unit < b.stop)
    return unit, block.technology.select(block.params, torch.tensor([unit - block.start]))


@dataclass(frozen=True)
class RecordedPlant:
    """A learning plant in the auctions of a recorded episode.

    Each product stands for itself, as if it were an auction of its own.
    """

    book: OwnBook  # (auction product slot), the plant's first
    bidder: PlantLearning
    cost: Tensor  # (auction,) EUR/MWh, marginal
    hours: float  # length of a product
    limit: float  # EUR/MWh, highest price that it may ask
    plant: Plant  # from auction to auction
    has_starts: bool  # that its profit is charged for, so that it depends on earlier auctions
    sold_in: Int[Tensor, " product"]  # number of the auction that each product was sold in

    @property
    def starts_rewarded(self) -> bool:
        """Whether starts count in what is rewarded, too: regrets have none."""
        return self.has_starts and self.bidder.rewarded != "regret"

    def earn(self, got: Sale) -> Reward:
        """Return what sales (auction rung) earn, each rung a way of bidding over the calendar."""
        return self.earn_delivering(got, deliver(self.plant, got.sold))

    def earn_alone(self, got: Sale) -> Reward:
        """Return what sales (auction rung) earn, but for starts."""
        sold = got.sold
        return self.earn_delivering(got, Delivery(sold, sold, torch.zeros_like(sold)))

    def earn_delivering(self, got: Sale, delivered: Delivery) -> Reward:
        """Return what sales (auction rung) earn.

        :param got: in each auction
        :param delivered: (auction rung), likewise
        """
        sold = got.sold.unsqueeze(-2)
        offered = self.book.orders.volume.index_select(-1, self.book.own).sum(-1, keepdim=True)
        outcome = Outcome(
            price=got.price.unsqueeze(-2),
            revenue=got.revenue.unsqueeze(-2) * self.hours,
            sold=sold,
            offered=offered.expand_as(sold),
            hours=self.hours,
            marginal_cost=self.cost[:, None, None].expand_as(sold),
            power=delivered.power.unsqueeze(-2),
            previous_power=delivered.previous.unsqueeze(-2),
            params=rows_of(self.plant.params, torch.zeros(sold.shape[-1], dtype=torch.long)),
            start_cost=delivered.start_cost.unsqueeze(-2),
        )
        return self.bidder.reward(outcome)

    def by_auction(self, values: Float[Tensor, " product"]) -> Float[Tensor, " auction"]:
        """Return the sums over the products of each auction."""
        auctions = int(self.sold_in.max()) + 1
        return values.new_zeros(auctions).index_add(0, self.sold_in, values)

    def rewarded(self, earned: Reward) -> Tensor:
        """Return what of profit and regret is rewarded, EUR."""
        return REWARDS[self.bidder.rewarded](earned.profit, earned.regret)


def recorded_plant(compiled: Compiled, memory: MemorySink, agent: str) -> RecordedPlant:
    """Return a learner whose best response is known in a recorded episode.

    :param compiled: scenario
    :param memory: tables of the episode
    :param agent: the learner, for which `unknown_response` is None
    """
    unit, params = unit_of(compiled, agent)
    bidder = bidder_of(compiled, unit)
    assert isinstance(params, ThermalParams)  # unlike_plant
    assert isinstance(bidder, PlantLearning)
    own = torch.arange(bidder.slots)
    price, volume, steps = books(memory, compiled, agent, len(own))
    (length,) = {n for tick in compiled.plan for a in tick.opening for n in a.length}
    return RecordedPlant(
        book=book_of_one_product(compiled.markets[0], price, volume, own),
        bidder=bidder,
        cost=compiled.profiles.marginal_cost[steps, unit],
        hours=length * compiled.step_seconds / 3600,
        limit=compiled.scenario.learning.max_bid_price,
        plant=Plant(
            params=params,
            capacity=compiled.profiles.capacity[:, unit],
            first=tuple(steps.tolist()),
            length=length,
            by_downtime=bidder.start_costs,
        ),
        has_starts=bidder.pays_for_starts(params),
        sold_in=_sold_in(compiled, steps),
    )


def _sold_in(compiled: Compiled, steps: Int[Tensor, " product"]) -> Int[Tensor, " product"]:
    """Return the numbers of the auctions that sold products, counted from 0.

    :param compiled: scenario
    :param steps: that the products deliver first
    """
    opening = [auction for tick in compiled.plan for auction in tick.opening]
    number = {first: auction.number for auction in opening for first in auction.first}
    return torch.tensor([number[step] for step in steps.tolist()], dtype=torch.long)


def received(memory: MemorySink, agent: str) -> Reward:
    """Return what a learner earned by start of delivery (product,), of an auction by its first one.

    0 where it has no row.
    """
    earned, times = memory.table("rl_params"), _times(memory)
    own = earned["unit"] == agent
    columns = np.zeros((3, len(times)))
    place = np.searchsorted(times, earned["datetime"][own])
    for column, name in zip(columns, ("reward", "profit", "regret"), strict=True):
        np.add.at(column, place, earned[name][own])
    return Reward(*torch.from_numpy(columns))


def _times(memory: MemorySink) -> NDArray[np.datetime64]:
    """Return the delivery starts of all auctions, also of those without any order, ascending."""
    return np.unique(memory.table("market_meta")["product_start"])


def bidder_of(compiled: Compiled, unit: int) -> AnyBidder:
    """Return the bidder of a unit in the only market; on a ladder, the one with any prices."""
    found = next(
        participant.bidder
        for operator in compiled.operators
        for participants in operator.participants.values()
        for participant in participants
        if unit in participant.units
    )
    return found.bidder if isinstance(found, OnLadder) else found


def books(
    memory: MemorySink, compiled: Compiled, unit: str, own: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Prices and volumes of all orders as (auction, slot), and the auctions' delivery steps.

    The first `own` slots are the unit's. Orders without volume have no row in the tables, so its
    slots, all of them where it has nothing to sell, may be empty: volume 0.
    """
    orders = memory.table("market_orders")
    times = _times(memory)
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
