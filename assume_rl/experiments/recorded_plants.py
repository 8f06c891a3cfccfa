"""Learning plants in the auctions of a recorded episode, which can be cleared again."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.bidding.learned import PlantLearning
from assume_rl.core.bidding.operator_learning import OperatorLearning
from assume_rl.core.money import REWARDS, Outcome, Reward
from assume_rl.core.reward_curve import OwnBook
from assume_rl.core.units.base import rows_of
from assume_rl.core.units.thermal import ThermalParams
from assume_rl.evaluation.best_response import Sale
from assume_rl.evaluation.starts import Delivery, Plant, deliver
from assume_rl.experiments.recorded_episode import RecordedEpisode
from assume_rl.experiments.recorded_market import bidder_of, unit_of, unknown_auctions
from assume_rl.scenario.compile.capabilities import has_ramps
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


def unlike_plant(compiled: Compiled, agent: str) -> str | None:
    """Return why the best response of a plant is not known; None: it is.

    :param compiled: scenario of one market, whose auctions can be cleared again
    :param agent: a learner
    """
    unit, params = unit_of(compiled, agent)
    bidder = bidder_of(compiled, unit)
    if isinstance(bidder, OperatorLearning):
        return f"{agent} is an operator, which decides for all of its plants at once"
    if not isinstance(params, ThermalParams):
        return f"{agent} is no power plant: its sales depend on its earlier purchases"
    if not isinstance(bidder, PlantLearning):
        return f"{agent} bids by {bidder.name}, whose best response is not known"
    products = max(len(auction.first) for auction in compiled.auctions)
    if bidder.products < products:
        return f"{agent} decides for {bidder.products} of {products} products of an auction"
    if bidder.pays_for_starts(params) and _times_bind(params) and _clears_ahead(compiled):
        return f"{agent} has start costs and minimum times, and auctions clear before they deliver"
    return None


def _times_bind(params: ThermalParams) -> bool:
    """Return whether minimum times may keep a plant on, or off, against its sales."""
    times = (params.min_operating_time, params.min_down_time)
    return params.ramped and any(float(time) > 1 for time in times)


def _clears_ahead(compiled: Compiled) -> bool:
    """Return whether a product is delivered later than its auction clears: rewards take plans."""
    return any(
        max(auction.first) * compiled.step_seconds > auction.closes for auction in compiled.auctions
    )


def pays_for_starts(compiled: Compiled, agent: str) -> bool:
    """Return whether a learner of the only market is a plant whose starts cost something."""
    unit, params = unit_of(compiled, agent)
    bidder = bidder_of(compiled, unit)
    if not isinstance(params, ThermalParams) or not isinstance(bidder, PlantLearning):
        return False
    return bidder.pays_for_starts(params)


@dataclass(frozen=True)
class RecordedPlant:
    """A learning plant in the auctions of a recorded episode.

    Each product stands for itself, as if it were an auction of its own.
    """

    book: OwnBook  # (auction product slot)
    bidder: PlantLearning
    cost: Tensor  # (auction,) EUR/MWh, marginal
    hours: float  # length of a product
    limit: float  # EUR/MWh, highest price that it may ask
    plant: Plant  # from auction to auction
    has_starts: bool  # that its profit is charged for, so that it depends on earlier auctions
    sold_in: Int[Tensor, " product"]  # number of the auction that each product was sold in

    @property
    def starts_rewarded(self) -> bool:
        """Return whether rewards include starts; regrets do not."""
        return self.has_starts and self.bidder.rewarded != "regret"

    def earn(self, got: Sale) -> Reward:
        """Return the earnings of sales (auction rung), each rung a way to bid all the time."""
        return self.earn_delivering(got, deliver(self.plant, got.sold))

    def earn_alone(self, got: Sale) -> Reward:
        """Return the earnings of sales (auction rung), without starts."""
        sold = got.sold
        return self.earn_delivering(got, Delivery(sold, sold, torch.zeros_like(sold)))

    def earn_delivering(self, got: Sale, delivered: Delivery) -> Reward:
        """Return the earnings of sales (auction rung).

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
        """Return the rewarded part of profit and regret, EUR."""
        return REWARDS[self.bidder.rewarded](earned.profit, earned.regret)


def recorded_plant(episode: RecordedEpisode, agent: str) -> RecordedPlant:
    """Return a learner whose best response is known in a recorded episode.

    :param episode: that was recorded
    :param agent: the learner, for which `unknown_response` is None
    """
    compiled = episode.compiled
    unit, params = unit_of(compiled, agent)
    bidder = bidder_of(compiled, unit)
    assert isinstance(params, ThermalParams)  # unlike_plant
    assert isinstance(bidder, PlantLearning)
    steps = episode.steps
    (length,) = {n for auction in compiled.auctions for n in auction.length}
    return RecordedPlant(
        book=episode.book_of(agent, bidder.slots),
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
        sold_in=episode.sold_in,
    )
