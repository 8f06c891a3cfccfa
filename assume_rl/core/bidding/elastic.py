"""The bidder of elastic demand: a falling curve of prices in steps."""

from dataclasses import dataclass

import torch

from assume_rl.core.bidding.base import (
    BidsCurve,
    Context,
    Need,
    NoParams,
    View,
    WithoutForecasts,
)
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.units.base import ENERGY
from assume_rl.core.units.demand import DemandView, demand_curve


@dataclass(frozen=True)
class Elastic(WithoutForecasts, BidsCurve):
    """Buys the steps of its units' demand curves, the dearest first.

    What a unit has bought already for a step of the calendar is taken off the dear end.
    """

    slots: int  # as many as the longest curve has steps
    name: str = "demand_energy_heuristic_elastic"
    technologies: frozenset[str] = frozenset({"demand"})
    product_types: frozenset[str] = frozenset({ENERGY})
    needs: frozenset[Need] = frozenset()
    foresight: int = 0
    blocks: bool = False

    def orders(self, view: View[DemandView]) -> Orders:
        """Return the orders of each unit, by falling price; slots that it does not need are 0."""
        params = view.own.params
        price, step = demand_curve(params, self.slots)
        bought = (params.most + view.limits.buy.most).unsqueeze(-1)
        dearer = step.cumsum(-1) - step  # MW wanted at higher prices
        left = (step - (bought - dearer).clamp(min=0)).clamp(min=0)
        price = torch.where(left > 0, price, 0.0)
        return unit_major(price.flatten(-2), -left.flatten(-2), units=len(params.most))


def elastic(context: Context, params: NoParams) -> Elastic:
    """Return the bidder with a slot for each step of the longest curve of the scenario."""
    return Elastic(slots=context.orders)
