"""Bids of plants whose prices include start costs, and the common part of flexible rules.

Semantics: docs/scenario-format.md, "Plant bidders".
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from assume_rl.core.bidding.base import Context, Duration, Need, Params, View
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.units import thermal
from assume_rl.core.units.base import ENERGY, ZERO_VOLUME, start_cost
from assume_rl.core.units.thermal import ThermalParams, ThermalView

PRICE_ROUNDING = 1e-9
"""EUR/MWh; prices this close are equal, so that rounding decides nothing."""

LEAST_PRICE = -499.0
"""EUR/MWh that a running plant asks at least."""

GREATEST_PRICE = 3000.0
"""EUR/MWh that a plant asks at most for starting."""


class FlexibleParams(Params):
    """Parameters of rules that read price forecasts."""

    eom_foresight: Duration = "12h"
    """How far a plant looks ahead, and a storage around, for whether prices are high."""

    def steps(self, context: Context) -> int:
        """Return the foresight in whole steps."""
        return context.whole_steps(self.eom_foresight)


@dataclass(frozen=True)
class FlexiblePlant:
    """Offers minimum power at a price that counts starts, the rest at marginal cost.

    A running plant asks less for its minimum power, so as not to pay for a start later; one that is
    off asks more, so as to earn its start. Each product assumes that all offers before are
    accepted.

    :param ahead: steps after a product's start over which it adds up what running would earn.
    """

    ahead: int
    name: str = "powerplant_energy_heuristic_flexable"
    technologies: frozenset[str] = frozenset({"thermal"})
    product_types: frozenset[str] = frozenset({ENERGY})
    needs: frozenset[Need] = frozenset({"operating_time", "running_share"})
    foresight: int = 0
    slots: int = 2
    blocks: bool = False

    def orders(self, view: View[ThermalView]) -> Orders:
        """Return two orders per plant and product: minimum power, and the rest."""
        offer, asked = self.offers(view)
        price = torch.stack([asked, view.marginal_cost], dim=-1)
        volume = torch.stack([offer.least, offer.rest], dim=-1)
        return unit_major(price.flatten(-2), volume.flatten(-2), price.shape[-2])

    def offers(self, view: View[ThermalView]) -> tuple["Offer", Float[Tensor, "... product unit"]]:
        """Return what plants offer, and the price of their minimum power, EUR/MWh."""
        offer = _offered(view)
        return offer, self._price_of_least(view, offer)

    def _price_of_least(
        self, view: View[ThermalView], offer: "Offer"
    ) -> Float[Tensor, "... product unit"]:
        """Return the price of minimum power, EUR/MWh."""
        params, cost = view.own.params, view.marginal_cost
        if view.running_share is None:
            raise ValueError(f"{self.name} needs a state that counts the steps in which units ran")
        spared = _spared(params) / offer.least
        running = (torch.where(self._worth_waiting(view), 0.0, cost) - spared).clamp(LEAST_PRICE)
        recovered = _recovered(params, offer.operating_time, view.running_share) / offer.least
        starting = (cost + recovered).clamp(max=GREATEST_PRICE)
        price = torch.where(offer.operating_time > 0, running, starting)
        return torch.where(offer.least > ZERO_VOLUME, price, 0.0)

    def _worth_waiting(self, view: View[ThermalView]) -> Bool[Tensor, "... product unit"]:
        """Return where a price below marginal cost is made good by the steps that follow."""
        cost = view.marginal_cost
        earned = view.outlook.margin_ahead(self.ahead, cost) >= -PRICE_ROUNDING
        return earned & (view.outlook.price_at_products() < cost - PRICE_ROUNDING)


@dataclass(frozen=True)
class Offer:
    """What plants offer of each product, MW, and how long they are on or off by then."""

    least: Float[Tensor, "... product unit"]
    rest: Float[Tensor, "... product unit"]
    operating_time: Float[Tensor, "... product unit"]  # steps, > 0 on, < 0 off


def _offered(view: View[ThermalView]) -> Offer:
    """Return what can be offered in each product if all offers before are accepted."""
    params, sell = view.own.params, view.limits.sell
    previous, run = view.previous_power, view.own.operating_time()
    leasts, rests, runs = [], [], []
    ends = torch.stack([sell.least, sell.most])  # both at once: half as many operations
    for wanted, sold in zip(ends.unbind(-2), view.sold.unbind(-2), strict=True):
        least, most = thermal.ramp(params, run, previous, wanted, sold)
        free = (run > 0) | (run <= -params.min_down_time)
        rest = torch.where(free, most - least, 0.0)
        leasts.append(least)
        rests.append(rest)
        runs.append(run)
        previous = least + rest + sold
        run = thermal.next_operating_time(run, previous)
    return Offer(torch.stack(leasts, -2), torch.stack(rests, -2), torch.stack(runs, -2))


def _spared(params: ThermalParams) -> Float[Tensor, " unit"]:
    """Return the saving of running in each step of the shortest stop: its start, EUR."""
    steps = params.min_down_time
    return start_cost(params, steps) / torch.where(steps > 0, steps, 1.0)


def _recovered(
    params: ThermalParams,
    operating_time: Float[Tensor, "... product unit"],
    running_share: Float[Tensor, "... unit"],
) -> Float[Tensor, "... product unit"]:
    """Return the earnings needed for the start per step on, over the usual time on, EUR."""
    usual = torch.maximum(running_share, params.min_operating_time)
    steps = torch.where(usual > 0, usual, 1.0).unsqueeze(-2)
    return start_cost(params, -operating_time) / steps


def plant(context: Context, params: FlexibleParams) -> FlexiblePlant:
    """Return the rule with its foresight in steps."""
    return FlexiblePlant(ahead=params.steps(context))
