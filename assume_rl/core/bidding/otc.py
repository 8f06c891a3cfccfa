"""Over-the-counter orders: all that is available at marginal cost, or a firm share of it.

Semantics: docs/scenario-format.md, "Over-the-counter orders".
"""

from dataclasses import dataclass

from pydantic import Field

from assume_rl.core.bidding.base import Context, Need, Params, View, WithoutForecasts
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.units.base import ENERGY
from assume_rl.core.units.demand import DemandView
from assume_rl.core.units.thermal import ThermalView

MARK = "OTC"
"""Part of the names of markets in which only a share is offered."""


class OtcParams(Params):
    """Parameters of over-the-counter orders."""

    scale_firm_power_capacity: float = Field(1.0, ge=0, le=1)
    """Share of what is left that over-the-counter orders offer in markets named with OTC."""


@dataclass(frozen=True)
class OverTheCounter(WithoutForecasts):
    """Offers a share of the power that is left, or of the demand, whatever ramps allow."""

    name: str
    share: float
    technologies: frozenset[str] = frozenset({"thermal", "demand"})
    product_types: frozenset[str] = frozenset({ENERGY})
    needs: frozenset[Need] = frozenset()
    foresight: int = 0
    slots: int = 1
    blocks: bool = False

    def orders(self, view: View[ThermalView | DemandView]) -> Orders:
        """Return one order per unit and product: a sale of a plant, a purchase of demand."""
        left = view.limits.sell.most + view.limits.buy.most  # one of them is 0
        return unit_major(view.marginal_cost, self.share * left, left.shape[-1])


def otc(name: str, context: Context, params: OtcParams) -> OverTheCounter:
    """Return the over-the-counter bidder under one of its names.

    :param name: key in the registry
    :param context: has the name of the market
    :param params: the share
    """
    return OverTheCounter(name, params.scale_firm_power_capacity if MARK in context.market else 1.0)
