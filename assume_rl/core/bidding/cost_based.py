"""Bids at marginal cost: the naive strategy of plants and inelastic demand."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.bidding.protocol import Layout
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.rewards import margin
from assume_rl.core.types import ZERO_VOLUME, Outcome, Reward, ThermalParams, View
from assume_rl.core.units import thermal

NOTHING = Layout(())


@dataclass(frozen=True)
class Naive:
    """Offers all available power at marginal cost; demand, all it needs at what it would pay.

    Plants with ramp limits offer for each product what they can reach if all before is accepted.
    """

    name: str
    technologies: frozenset[str] = frozenset({"thermal", "demand"})
    layout: Layout = NOTHING
    act_size: int = 0
    foresight: int = 0
    slots: int = 1
    needs_operating_time: bool = False
    needs_downtime: bool = False

    def observe(self, view: View) -> Float[Tensor, "... unit obs"]:
        """Nothing."""
        return view.previous_power.new_zeros((*view.previous_power.shape, 0))

    def explore_around(
        self, observation: Float[Tensor, "... unit obs"]
    ) -> Float[Tensor, "... unit act"]:
        """Nothing: there is no action."""
        return observation

    def bids(self, view: View, action: Float[Tensor, "... unit act"]) -> Orders:
        """One order per unit and product."""
        return unit_major(view.marginal_cost, reachable(view), view.max_power.shape[-1])

    def reward(self, outcome: Outcome) -> Reward:
        """The margin, EUR; nothing is regretted."""
        profit = margin(outcome)
        return Reward(reward=profit, profit=profit, regret=torch.zeros_like(profit))


def reachable(view: View) -> Float[Tensor, "... product unit"]:
    """Most power that can be offered in each product if all earlier offers are accepted, MW."""
    params = view.params
    if not isinstance(params, ThermalParams) or not params.ramped:
        return view.max_power
    previous, run = view.previous_power, view.operating_time
    volumes = []
    for most, sold in zip(view.max_power.unbind(-2), view.sold.unbind(-2), strict=True):
        volumes.append(thermal.ramp(params, run, previous, most, sold))
        previous = volumes[-1] + sold
        run = torch.where(previous > ZERO_VOLUME, run.clamp(min=0) + 1, run.clamp(max=0) - 1)
    return torch.stack(volumes, dim=-2)
