"""Inelastic demand: buys what it has not bought yet; nothing constrains its execution."""

from dataclasses import dataclass

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
    """Inelastic demand."""

    price: Float[Tensor, " unit"]  # willingness to pay, EUR/MWh


@dataclass(frozen=True)
class DemandView:
    """What the bidders of demand see of it."""

    params: DemandParams


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
        """Return what was bought: all of it is consumed."""
        return energy[..., first : first + capacity.shape[-2], :], state

    def view(self, params: DemandParams, state: NoState, past: Window, since: Step) -> DemandView:
        """Return the parameters."""
        return DemandView(params)
