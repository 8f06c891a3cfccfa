"""Bids that adjust what was traded before: trade the difference, undo what is worth undoing.

Semantics: docs/scenario-format.md, "Adjusting bidders".
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from assume_rl.core.bidding.base import Context, Need, NoParams, View, WithoutForecasts
from assume_rl.core.bidding.cost_based import reachable
from assume_rl.core.bidding.ladder import UNDERCUT
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.units.base import ENERGY
from assume_rl.core.units.demand import DemandView
from assume_rl.core.units.thermal import ThermalView


@dataclass(frozen=True)
class AdjustingPlant(WithoutForecasts):
    """Offers the power that is left at marginal cost, and buys back for less what it has sold.

    What it has sold but cannot deliver it buys at any price. It keeps running: at `min_power`, and
    above the reserve that it has sold downwards. A plant with a ramp limit buys nothing else back,
    since less power now may leave it too little later.
    """

    margin: float  # EUR/MWh, see `_margin`
    lowest_price: float  # EUR/MWh that orders may have, likewise
    highest_price: float
    name: str = "powerplant_energy_naive_intraday"
    technologies: frozenset[str] = frozenset({"thermal"})
    product_types: frozenset[str] = frozenset({ENERGY})
    needs: frozenset[Need] = frozenset()
    foresight: int = 0
    slots: int = 2
    blocks: bool = False

    def orders(self, view: View[ThermalView]) -> Orders:
        """Return two orders per unit and product: of the difference, and of what it can undo."""
        params, sold = view.own.params, view.throughout
        cost = view.marginal_cost.clamp(self.lowest_price, self.highest_price)
        less = cost - self.margin
        above, below = (view.reserve.get(kind, 0.0) for kind in ("capacity_pos", "capacity_neg"))
        short = (sold + above - view.capacity).clamp(min=0).minimum(sold.clamp(min=0))
        free = (params.ramp_up == math.inf) & (params.ramp_down == math.inf)
        spare = (sold - short - params.min_power - below).clamp(min=0)
        spare = spare * (free & (less >= self.lowest_price))
        return _beside(
            volume=(reachable(view, view.own) - short, -spare),
            price=(torch.where(short > 0, self.highest_price, cost), less),
        )


@dataclass(frozen=True)
class AdjustingDemand(WithoutForecasts):
    """Buys the demand that is left for less than it is worth, and resells at its worth the rest.

    What it has bought beyond its demand it sells at any price above 0.
    """

    margin: float  # EUR/MWh, see `_margin`
    lowest_price: float  # EUR/MWh that orders may have, likewise
    highest_price: float
    name: str = "demand_energy_naive_intraday"
    technologies: frozenset[str] = frozenset({"demand"})
    product_types: frozenset[str] = frozenset({ENERGY})
    needs: frozenset[Need] = frozenset()
    foresight: int = 0
    slots: int = 2
    blocks: bool = False

    def orders(self, view: View[DemandView]) -> Orders:
        """Return two orders per unit and product: of the difference, and of what it can undo."""
        worth = view.marginal_cost.clamp(self.lowest_price, self.highest_price)
        less, missing = worth - self.margin, view.limits.buy.most  # > 0: bought too much
        needed = (-view.throughout - missing.clamp(min=0)).clamp(min=0)
        needed = needed * (less >= self.lowest_price)
        return _beside(
            volume=(missing, needed),
            price=(torch.where(missing > 0, 0.0, less), worth),
        )


def plant(context: Context, params: NoParams) -> AdjustingPlant:
    """Return the adjusting bidder of plants."""
    return AdjustingPlant(_margin(context), context.lowest_price, context.highest_price)


def demand(context: Context, params: NoParams) -> AdjustingDemand:
    """Return the adjusting bidder of demand."""
    return AdjustingDemand(_margin(context), context.lowest_price, context.highest_price)


def _margin(context: Context) -> float:
    """Return how much less than the price of a sale is paid to undo it, EUR/MWh.

    Even on ticks it is less, or units would trade with themselves. So prices are cut to the limits
    of the market before, and where there is none below the lowest one, nothing is undone.
    """
    return UNDERCUT + context.price_tick


def _beside(volume: tuple[Tensor, Tensor], price: tuple[Tensor, Tensor]) -> Orders:
    """Return two orders per unit, (... product unit) each, side by side."""
    prices, volumes = (torch.stack(pair, -1).flatten(-2) for pair in (price, volume))
    return unit_major(prices, volumes, volume[0].shape[-1])
