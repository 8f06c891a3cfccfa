"""Demand, inelastic or elastic: nothing constrains its execution.

Semantics: docs/scenario-format.md, "Elastic demand".
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.time import Step
from assume_rl.core.units.base import (
    ENERGY,
    Limits,
    NoState,
    PerProduct,
    PerStep,
    Range,
    Side,
    Sold,
    Window,
    WithoutStarts,
    WithoutState,
    no_range,
    rows_of,
)


@dataclass(frozen=True)
class DemandParams:
    """Demand; the curve matters only where a bidder reads it."""

    price: Float[Tensor, " unit"]  # willingness to pay, EUR/MWh; of a curve its highest price
    most: Float[Tensor, " unit"]  # MW >= 0 that a curve reaches
    elasticity: Float[Tensor, " unit"]  # < 0: isoelastic; 0: linear
    num_bids: Float[Tensor, " unit"]  # steps of the curve, a whole number; 0: there is none


@dataclass(frozen=True)
class DemandView:
    """The view of demand that its bidders have."""

    params: DemandParams


def demand_curve(
    params: DemandParams, steps: int
) -> tuple[Float[Tensor, "unit bid"], Float[Tensor, "unit bid"]]:
    """Return price (EUR/MWh) and size (MW >= 0) of the steps of demand curves, the dearest first.

    Linear: equal steps, each at the price where it begins on the line from `price` down to 0.
    Isoelastic, quantity = `most` * price ^ elasticity: all that is wanted at `price`, then equal
    steps, each at the price where it ends.

    :param params: of the units
    :param steps: length of the longest curve; those of shorter ones end with sizes of 0
    """
    top, most, bids = (x.unsqueeze(-1) for x in (params.price, params.most, params.num_bids))
    step = torch.arange(steps, dtype=torch.float64, device=top.device)
    linear = (params.elasticity == 0).unsqueeze(-1)
    # -1 and 2 stand where nothing is read of the result, so that it is finite.
    power = torch.where(linear, -1.0, params.elasticity.unsqueeze(-1))
    bids = bids.clamp(min=2)
    wanted = top.clamp(min=1) ** power  # share of `most` at the highest price
    width = (1 - wanted) / (bids - 1)
    isoelastic = torch.where(step == 0, top, (wanted + step * width) ** (1 / power))
    price = torch.where(linear, top * (1 - step / bids), isoelastic)
    size = torch.where(linear, 1 / bids, torch.where(step == 0, wanted, width)) * most
    real = step < params.num_bids.unsqueeze(-1)
    return torch.where(real, price, 0.0), torch.where(real, size, 0.0)


@dataclass(frozen=True)
class Demand(WithoutStarts, WithoutState):
    """The technology `demand`."""

    name: str = "demand"
    sides: frozenset[Side] = frozenset({"buys"})

    def select(self, params: DemandParams, units: Int[Tensor, " chosen"]) -> DemandParams:
        """Return the parameters of some of the units."""
        return rows_of(params, units)

    def limits(
        self, params: DemandParams, state: NoState, capacity: PerProduct, sold: Sold, first: int
    ) -> Limits:
        """Return all that is not bought yet, as both least and most."""
        left = capacity - sold[ENERGY]
        return Limits(sell=no_range(left), buy=Range(left, left))

    def execute(
        self,
        params: DemandParams,
        state: NoState,
        capacity: PerStep,
        energy: Window,
        first: int,
        since: Step,
    ) -> tuple[PerStep, NoState]:
        """Return the purchases: all of them are consumed."""
        return energy[..., first : first + capacity.shape[-2], :], state

    def view(self, params: DemandParams, state: NoState, past: Window, since: Step) -> DemandView:
        """Return the parameters."""
        return DemandView(params)
