"""Bids at marginal cost: the naive bidder of plants and inelastic demand."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.bidding.base import Context, Need, NoParams, View, WithoutForecasts
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.units import thermal
from assume_rl.core.units.base import ENERGY
from assume_rl.core.units.demand import DemandView
from assume_rl.core.units.thermal import ThermalView


@dataclass(frozen=True)
class Naive(WithoutForecasts):
    """Offers all available power at marginal cost, or buys all demand at its willingness to pay.

    Plants with ramp limits offer for each product what they can reach if all before is accepted.
    """

    name: str
    technologies: frozenset[str] = frozenset({"thermal", "demand"})
    product_types: frozenset[str] = frozenset({ENERGY})
    needs: frozenset[Need] = frozenset()
    foresight: int = 0
    slots: int = 1
    blocks: bool = False

    def orders(self, view: View[ThermalView | DemandView]) -> Orders:
        """Return one order per unit and product."""
        own = view.own
        volume = reachable(view, own) if isinstance(own, ThermalView) else view.limits.buy.most
        return unit_major(view.marginal_cost, volume, volume.shape[-1])


def reachable(view: View[Any], own: ThermalView) -> Float[Tensor, "... product unit"]:
    """Return the most power that can be offered in each product if all earlier offers are accepted.

    MW. Without ramp limits earlier products do not matter.
    """
    params, most = own.params, view.limits.sell.most
    if not params.ramped:
        return most
    previous, run = view.previous_power, own.operating_time()
    volumes = []
    for wanted, sold in zip(most.unbind(-2), view.sold.unbind(-2), strict=True):
        volumes.append(thermal.ramp(params, run, previous, wanted, sold))
        previous = volumes[-1] + sold
        run = thermal.next_operating_time(run, previous)
    return torch.stack(volumes, dim=-2)


def naive(
    name: str,
    context: Context,
    params: NoParams,
    product_types: frozenset[str] = frozenset({ENERGY}),
) -> Naive:
    """Return the naive bidder under one of its names.

    :param name: key in the registry
    :param context: not read
    :param params: none
    :param product_types: that it trades
    """
    return Naive(name, product_types=product_types)
