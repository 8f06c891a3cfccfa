"""Bids of plants and storages for reserve: power held up or down, and energy called from it.

Semantics: docs/scenario-format.md, "Reserve".
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.bidding.base import (
    Context,
    Duration,
    Need,
    NoParams,
    Params,
    View,
    WithoutForecasts,
)
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.units import storage, thermal
from assume_rl.core.units.base import DOWN, HELD, UP, ZERO_VOLUME
from assume_rl.core.units.storage import StorageView
from assume_rl.core.units.thermal import ThermalView


class ReserveParams(Params):
    """Parameters of rules that hold reserve."""

    crm_foresight: Duration = "4h"
    """How far a seller of reserve looks ahead for what its power would earn as energy."""

    def steps(self, context: Context) -> int:
        """Return the foresight in whole steps."""
        return context.whole_steps(self.crm_foresight)


@dataclass(frozen=True)
class Offer:
    """The reserve that units offer in each product, and what they ask for it."""

    volume: Float[Tensor, "... product unit"]  # MW, >= 0
    power_price: Float[Tensor, "... product unit"]  # for holding it, EUR/MW and hour if steps are
    energy_price: Float[Tensor, "... product unit"]  # EUR/MWh, for delivering it


Offering = Callable[[View[Any], int], Offer]
"""Returns what units offer, of a view and how many steps they look ahead."""


@dataclass(frozen=True)
class Reserve:
    """Offers all reserve of one direction, at what the same power would earn as energy.

    Selling reserve changes no power: all products are judged by the power before the first one.

    :param offering: what is offered
    :param ahead: steps after a product's start over which it adds up what energy would earn
    :param product_type: that the market trades
    :param step_hours: length of a step
    """

    name: str
    offering: Offering
    ahead: int
    product_type: str
    step_hours: float
    technologies: frozenset[str]
    product_types: frozenset[str]
    needs: frozenset[Need] = frozenset()
    foresight: int = 0
    slots: int = 1
    blocks: bool = False

    def orders(self, view: View[Any]) -> Orders:
        """Return one order per unit and product."""
        offer = self.offering(view, self.ahead)
        held = self.product_type in HELD
        price = offer.power_price * self.step_hours if held else offer.energy_price
        return unit_major(price.expand_as(offer.volume), offer.volume, offer.volume.shape[-1])


class FreeReserve(WithoutForecasts, Reserve):
    """Offers reserve whatever energy would earn."""


def plant_up(view: View[ThermalView], ahead: int) -> Offer:
    """Return the power that plants can add, at what it would earn as energy.

    A plant that energy does not pay for asks what its minimum power loses.

    :param view: of the plants
    :param ahead: steps over which earnings are added up
    """
    volume = _ramped(view, view.limits.sell.most)
    earned = view.outlook.margin_ahead(ahead, view.marginal_cost)
    lost = _share(view.own.params.min_power, volume) * earned.abs()
    return Offer(volume, torch.where(earned >= 0, earned, lost), view.marginal_cost)


def plant_down(view: View[ThermalView], ahead: int) -> Offer:
    """Return the power that plants can take off that of the step before, free unless energy loses.

    :param view: of the plants
    :param ahead: steps over which earnings are added up
    """
    before = view.previous_power.unsqueeze(-2)
    volume = (before - _ramped(view, view.limits.sell.least)).clamp(min=0)
    earned = view.outlook.margin_ahead(ahead, view.marginal_cost)
    lost = _share(volume - view.own.params.min_power, volume) * earned.abs()
    return Offer(volume, torch.where(earned < 0, lost, 0.0), -view.marginal_cost)


def storage_up(view: View[StorageView], ahead: int) -> Offer:
    """Return the power that storages can discharge, at what its energy would earn.

    :param view: of the storages
    :param ahead: steps over which earnings are added up, as long as the content lasts
    """
    params, cost = view.own.params, view.own.params.additional_cost_discharge
    soc, previous = view.own.soc.unsqueeze(-2), view.previous_power.unsqueeze(-2)
    volume = storage.ramp_discharge(
        params, soc, previous, view.limits.sell.most, view.sold.clamp(min=0)
    )
    lasts = _share(storage.max_discharge(params, soc), volume)  # steps
    step = torch.arange(ahead + 1, dtype=lasts.dtype, device=lasts.device)[:, None]
    share = (lasts.unsqueeze(-2) - step).clamp(0, 1)
    earned, steps = view.outlook.margin_in(share, cost)
    return Offer(volume, earned.clamp(min=0), cost + _share(earned.clamp(min=0), steps))


def storage_down(view: View[StorageView], ahead: int) -> Offer:
    """Return the power that storages can charge, free to hold, at its cost to deliver.

    :param view: of the storages
    :param ahead: not read
    """
    params = view.own.params
    soc, previous = view.own.soc.unsqueeze(-2), view.previous_power.unsqueeze(-2)
    charge = storage.ramp_charge(
        params, soc, previous, view.limits.buy.most, view.sold.clamp(max=0)
    )
    cost = params.additional_cost_charge.expand_as(charge)
    return Offer(-charge, torch.zeros_like(charge), cost)


def _ramped(
    view: View[ThermalView], power: Float[Tensor, "... product unit"]
) -> Float[Tensor, "... product unit"]:
    """Return additional power within ramps and minimum times, from that before the first product.

    :param view: of the plants
    :param power: MW
    """
    params = view.own.params
    if not params.ramped:
        return power
    run, before = view.own.operating_time().unsqueeze(-2), view.previous_power.unsqueeze(-2)
    return thermal.ramp(params, run, before, power, view.sold)


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """Return a part of something, 0 where there is nothing."""
    some = whole > ZERO_VOLUME
    return torch.where(some, part / torch.where(some, whole, 1.0), 0.0)


def rule(
    name: str,
    technology: str,
    product_types: frozenset[str],
    offering: Offering,
    context: Context,
    params: ReserveParams | NoParams,
) -> Reserve:
    """Return the rule of a technology and a direction.

    :param name: key in the registry
    :param technology: of its units
    :param product_types: of its direction
    :param offering: what is offered
    :param context: says what the market trades
    :param params: those of a rule that looks ahead say how far
    """
    own = (context.product_type, context.step_hours, frozenset({technology}), product_types)
    if isinstance(params, ReserveParams):
        return Reserve(name, offering, params.steps(context), *own)
    return FreeReserve(name, offering, 0, *own)


BALANCING = "capacity_heuristic_balancing"
plant_pos = partial(rule, f"powerplant_{BALANCING}_pos", "thermal", UP, plant_up)
plant_neg = partial(rule, f"powerplant_{BALANCING}_neg", "thermal", DOWN, plant_down)
storage_pos = partial(rule, f"storage_{BALANCING}_pos", "storage", UP, storage_up)
storage_neg = partial(rule, f"storage_{BALANCING}_neg", "storage", DOWN, storage_down)
