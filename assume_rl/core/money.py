"""Money: cash flow of orders, the outcome of an auction for each unit, and rewards.

Semantics: docs/scenario-format.md, "Rewards".
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from assume_rl.core.forecasts import Outlook
from assume_rl.core.units.base import ZERO_VOLUME, P
from assume_rl.core.units.thermal import ThermalParams

Hours = float | Float[Tensor, "*product 1"]
"""Length of the products of an auction in hours: one number if all are equal."""

# Share of the missed profit that is subtracted: less for units that run above minimum power.
REGRET_RUNNING = 0.1
REGRET_IDLE = 0.5


@dataclass(frozen=True)
class Outcome(Generic[P]):
    """The outcome of an auction for each bidding unit, after dispatch: the input of a reward.

    All values are per product, at its first step.
    """

    price: Float[Tensor, "... product unit"]  # EUR/MWh, published by the auction
    revenue: Float[Tensor, "... product unit"]  # EUR of the unit's orders, at the prices paid
    sold: Float[Tensor, "... product unit"]  # MW accepted
    offered: Float[Tensor, "... product unit"]  # MW
    hours: Hours
    marginal_cost: Float[Tensor, "... product unit"]  # EUR/MWh
    power: Float[Tensor, "... product unit"]  # MW delivered, or planned if not executed yet
    previous_power: Float[Tensor, "... product unit"]  # MW in the step before
    params: P
    # EUR of the starts in a product, by their downtime; None: the state keeps no downtime
    start_cost: Float[Tensor, "... product unit"] | None = None
    outlook: Outlook | None = None  # forecasts of the products; None where products are apart
    # EUR/MW that power was forecast to earn as energy in a product; None: no reserve is held
    forgone: Float[Tensor, "... product unit"] | None = None

    def apart(self) -> "Outcome[P]":
        """Return the outcomes of auctions of one product each, one for each product."""

        def alone(table: Tensor) -> Tensor:
            return table.unsqueeze(-2)

        return replace(
            self,
            price=alone(self.price),
            revenue=alone(self.revenue),
            sold=alone(self.sold),
            offered=alone(self.offered),
            hours=alone(self.hours) if isinstance(self.hours, Tensor) else self.hours,
            marginal_cost=alone(self.marginal_cost),
            power=alone(self.power),
            previous_power=alone(self.previous_power),
            start_cost=None if self.start_cost is None else alone(self.start_cost),
            outlook=None,
            forgone=None if self.forgone is None else alone(self.forgone),
        )


@dataclass(frozen=True)
class Stakes:
    """The limits of an auction, and of the costs of the units that bid in it."""

    price: tuple[float, float]  # EUR/MWh, the least and the greatest that the market has
    cost: tuple[Float[Tensor, " unit"], Float[Tensor, " unit"]]  # EUR/MWh, likewise, marginal
    lengths: tuple[int, ...]  # steps of each product
    step_hours: float


@dataclass(frozen=True)
class Reward:
    """The reward of an outcome, which a learner maximises, with its profit and regret."""

    reward: Float[Tensor, "... unit"]  # scaled
    profit: Float[Tensor, "... unit"]  # EUR
    regret: Float[Tensor, "... unit"]  # EUR, opportunity cost as the reward counts it

    def __add__(self, other: "Reward") -> "Reward":
        """Return the sum of two rewards, e.g. of two auctions."""
        return Reward(
            self.reward + other.reward, self.profit + other.profit, self.regret + other.regret
        )

    def over_products(self, first: int | None = None) -> "Reward":
        """Return the sum over the products of an auction, where `unit` follows `product`.

        :param first: number of products that count, from the first one on; None: all
        """
        columns = [self.reward, self.profit, self.regret]
        if first is not None and first < self.reward.shape[-2]:
            columns = [column.narrow(-2, 0, first) for column in columns]
        return Reward(*(column.sum(-2) for column in columns))


Rewarding = Callable[[Tensor, Tensor], Tensor]
REWARDS: Mapping[str, Rewarding] = {
    "opportunity_cost": lambda profit, regret: profit - regret,
    "profit": lambda profit, regret: profit,
    "regret": lambda profit, regret: -regret,
}
"""What of profit and regret (EUR) is rewarded, by the name in `learning_config.reward.type`."""


def cashflow(
    paid: Float[Tensor, "*shape"], accepted: Float[Tensor, "*shape"], hours: float
) -> Float[Tensor, "*shape"]:
    """Return the cash flow of orders, EUR: positive for sold, negative for bought energy.

    :param paid: EUR/MWh
    :param accepted: MW, sold > 0, bought < 0
    :param hours: length of the delivery
    """
    return paid * accepted * hours


def generation_cost(
    marginal_cost: Float[Tensor, "*shape"], power: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Return |marginal cost times power| per step: EUR if steps are hours.

    The length of a step does not enter, as in the tables of the established format.
    """
    return (marginal_cost * power).abs()


def by_unit(slots: Float[Tensor, "... slot"], units: int) -> Float[Tensor, "... unit own"]:
    """Return unit-major slots with an axis of units and one of the slots of a unit."""
    return slots.reshape(*slots.shape[:-1], units, -1)


def revenue(
    paid: Float[Tensor, "*shape own"],
    accepted: Float[Tensor, "*shape own"],
    price: Float[Tensor, "*shape"],
    hours: Hours,
) -> Float[Tensor, "*shape"]:
    """Return the revenue of all orders of a unit together, EUR; of a buyer < 0.

    Computed as the published price of the total volume plus the difference to that price per order:
    under a uniform price the difference is exactly 0, so that equal sales have bitwise equal
    revenues, however they are split into orders.

    :param paid: of each order, EUR/MWh
    :param accepted: of each order, MW
    :param price: published, EUR/MWh
    :param hours: length of the product
    """
    difference = ((paid - price[..., None]) * accepted).sum(-1)
    return (price * accepted.sum(-1) + difference) * hours


def last_price(
    is_order: Bool[Tensor, "... product slot"],
    unit: Int[Tensor, " slot"],
    sold: Float[Tensor, "... product slot"],
    paid: Float[Tensor, "... product slot"],
    units: int,
) -> tuple[Float[Tensor, "... product unit"], Bool[Tensor, "... product unit"]]:
    """Return the price of each unit's last order, EUR/MWh, and whether it has one.

    Rejected orders count as later than accepted ones. A slot is not an order if both volume and
    price are 0: learned bidders place orders of volume 0 where nothing is available, and still
    receive prices then.

    :param is_order: which slots are orders
    :param unit: of each slot
    :param sold: accepted volume of each slot, MW
    :param paid: price of each slot, EUR/MWh
    :param units: number of units
    """
    slots = paid.shape[-1]
    rank = torch.arange(slots, device=paid.device) + slots * (sold.abs() <= ZERO_VOLUME)
    key = torch.where(is_order, rank, -1)
    none = key.new_full((*key.shape[:-1], units), -1)
    last = none.scatter_reduce(-1, unit.expand_as(key), key, "amax")
    price = paid.gather(-1, last % slots)  # -1, no order: any slot will do
    return price, last >= 0


def plant_reward(
    outcome: Outcome[ThermalParams],
    power: Float[Tensor, "... unit"],
    max_bid_price: float,
    *,
    start_costs: bool = False,
    kind: str = "opportunity_cost",
) -> Reward:
    """Return the `Reward`: profit less a share of the missed profit of the unsold part of `power`.

    reward = (profit - regret) / (max_bid_price * power): of order one; 0 without power. Per
    product and unit. Other kinds reward one of the two alone.

    :param outcome: of an auction, (... product unit)
    :param power: MW that could have been sold, per unit or per product and unit
    :param max_bid_price: EUR/MWh
    :param start_costs: whether each start is charged by its downtime, see `Outcome.start_cost`, in
        place of half a hot start per switch
    :param kind: key of `REWARDS`
    :raises ValueError: starts are charged, but the outcome has no start costs
    """
    if not start_costs:
        starts = half_hot_start(outcome)
    elif outcome.start_cost is not None:
        starts = outcome.start_cost
    else:
        raise ValueError("a bidder that is charged for starts needs a state with downtimes")
    profit = margin(outcome) - starts
    regret = regret_share(outcome) * missed_profit(outcome, power)
    scaled = REWARDS[kind](profit, regret) / (max_bid_price * power)
    return Reward(torch.where(power > ZERO_VOLUME, scaled, 0.0), profit=profit, regret=regret)


def plant_reward_range(
    params: ThermalParams,
    stakes: Stakes,
    max_bid_price: float,
    *,
    start_costs: bool = False,
) -> tuple[Float[Tensor, " unit"], Float[Tensor, " unit"]]:
    """Return the least and the greatest that `plant_reward` gives, over all products.

    It is greatest where all is sold at the highest price; least where all is sold at the lowest
    one, or nothing at the highest one; starts come on top.

    :param params: of the plants, whose `power` is their nameplate power
    :param stakes: of the auction
    :param max_bid_price: EUR/MWh
    :param start_costs: as in `plant_reward`
    """
    (lowest, highest), (cheap, dear) = stakes.price, stakes.cost
    earned = (highest - cheap).clamp(min=0)
    lost = torch.minimum(lowest - dear, -REGRET_IDLE * earned).clamp(max=0)
    starts = params.hot_start_cost / 2 * len(stakes.lengths)
    if start_costs:
        costs = (params.hot_start_cost, params.warm_start_cost, params.cold_start_cost)
        # A start needs a step off before it, which may be that before the product.
        most = sum(math.ceil(steps / 2) for steps in stakes.lengths)
        starts = torch.stack(costs).amax(dim=0) * most
    hours = sum(stakes.lengths) * stakes.step_hours
    share = torch.where(params.max_power > ZERO_VOLUME, params.max_power, torch.inf)
    least = (lost * hours - starts / share) / max_bid_price
    return least, earned * hours / max_bid_price


def margin(outcome: Outcome[ThermalParams]) -> Float[Tensor, "... unit"]:
    """Return the revenue less the marginal cost of the sales, EUR."""
    return outcome.revenue - outcome.marginal_cost * outcome.sold * outcome.hours


def half_hot_start(outcome: Outcome[ThermalParams]) -> Float[Tensor, "... unit"]:
    """Return half the cost of a hot start where a plant was switched on or off, else 0, EUR."""
    params = outcome.params
    return torch.where(switched(outcome), params.hot_start_cost / 2, 0.0)


def switched(outcome: Outcome[ThermalParams]) -> Bool[Tensor, "... unit"]:
    """Return whether a unit was switched on or off in the first step of the product."""
    return (outcome.power > ZERO_VOLUME) != (outcome.previous_power > ZERO_VOLUME)


def missed_profit(
    outcome: Outcome[ThermalParams], power: Float[Tensor, "... unit"]
) -> Float[Tensor, "... unit"]:
    """Return the missed profit of the unsold part of `power` (MW), EUR, >= 0.

    It is valued at the published price of the auction, not at the price paid to the unit.
    """
    unsold = power - outcome.sold
    return ((outcome.price - outcome.marginal_cost) * unsold * outcome.hours).clamp(min=0)


def regret_share(outcome: Outcome[ThermalParams]) -> Float[Tensor, "... unit"]:
    """Return the share of the missed profit that counts as regret."""
    params = outcome.params
    # The cast keeps float64: a bool tensor times a Python number is float32.
    running = (outcome.sold > params.min_power).to(outcome.sold.dtype)
    return REGRET_IDLE + (REGRET_RUNNING - REGRET_IDLE) * running
