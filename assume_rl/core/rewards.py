"""Rewards: what a learner maximises, and the profit and regret that are reported with it.

Semantics: docs/scenario-format.md, "Rewards".
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from assume_rl.core.types import ZERO_VOLUME, Outcome, Reward, ThermalParams

# Share of the missed profit that is subtracted: less for units that run above minimum power.
REGRET_RUNNING = 0.1
REGRET_IDLE = 0.5


def plant_reward(outcome: Outcome, max_bid_price: float, *, start_costs: bool = False) -> Reward:
    """Profit less a share of what the rest of the nameplate power would have earned.

    reward = (profit - regret) / (max_bid_price * max_power), so that it is of order one.

    :param max_bid_price: EUR/MWh
    :param start_costs: whether each start is charged by its downtime, see `Outcome.start_cost`, in
        place of half a hot start per switch
    """
    params: ThermalParams = outcome.params
    if not start_costs:
        starts = half_hot_start(outcome)
    elif outcome.start_cost is not None:
        starts = outcome.start_cost
    else:
        raise ValueError("a strategy that is charged for starts needs a state with downtimes")
    profit = margin(outcome) - starts
    regret = regret_share(outcome) * missed_profit(outcome)
    scaled = (profit - regret) / (max_bid_price * params.max_power)
    return Reward(reward=scaled, profit=profit, regret=regret)


def margin(outcome: Outcome) -> Float[Tensor, "... unit"]:
    """Return the revenue less the marginal cost of what was sold, EUR."""
    return outcome.revenue - outcome.marginal_cost * outcome.sold * outcome.hours


def half_hot_start(outcome: Outcome) -> Float[Tensor, "... unit"]:
    """Return half the cost of a hot start whenever a plant was switched, on or off, EUR."""
    params: ThermalParams = outcome.params
    return torch.where(switched(outcome), params.hot_start_cost / 2, 0.0)


def switched(outcome: Outcome) -> Bool[Tensor, "... unit"]:
    """Whether a unit went on or off in the first step of the product."""
    return (outcome.power > ZERO_VOLUME) != (outcome.previous_power > ZERO_VOLUME)


def missed_profit(outcome: Outcome) -> Float[Tensor, "... unit"]:
    """Return what the unsold rest of the nameplate power misses, EUR, >= 0.

    It is valued at the published price of the auction, whatever the unit itself was paid.
    """
    params: ThermalParams = outcome.params
    unsold = params.max_power - outcome.sold
    return ((outcome.price - outcome.marginal_cost) * unsold * outcome.hours).clamp(min=0)


def regret_share(outcome: Outcome) -> Float[Tensor, "... unit"]:
    """Share of the missed profit that counts as regret."""
    params: ThermalParams = outcome.params
    # The cast keeps float64: a truth value times a Python number is float32.
    running = (outcome.sold > params.min_power).to(outcome.sold.dtype)
    return REGRET_IDLE + (REGRET_RUNNING - REGRET_IDLE) * running
