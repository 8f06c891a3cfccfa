"""Exchange with other areas: imports are sold and exports bought, up to a series of each.

Semantics: docs/scenario-format.md, "Exchange".
"""

from dataclasses import dataclass
from typing import ClassVar

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
    rows_of,
)


@dataclass(frozen=True)
class ExchangeParams:
    """Exchanges; their capacity is the possible imports."""

    series: ClassVar[frozenset[str]] = frozenset({"most_export"})

    price_import: Float[Tensor, " unit"]  # EUR/MWh that imports ask for
    price_export: Float[Tensor, " unit"]  # EUR/MWh that exports pay at most
    most_export: Float[Tensor, "... step unit"]  # MW, <= 0


@dataclass(frozen=True)
class ExchangeView:
    """The view of exchanges that their bidders have."""

    price_import: Float[Tensor, " unit"]  # EUR/MWh
    price_export: Float[Tensor, " unit"]  # EUR/MWh


@dataclass(frozen=True)
class Exchange(WithoutStarts, WithoutState):
    """The technology `exchange`: its power is imports less exports.

    What energy is worth elsewhere is in the prices of its orders, so running costs nothing.
    """

    name: str = "exchange"
    sides: frozenset[Side] = frozenset({"sells", "buys"})

    def select(self, params: ExchangeParams, units: Int[Tensor, " chosen"]) -> ExchangeParams:
        """Return the parameters of some of the units."""
        return rows_of(params, units)

    def limits(
        self, params: ExchangeParams, state: NoState, capacity: PerProduct, sold: Sold, first: int
    ) -> Limits:
        """Return limits that keep the power between all exports and all imports; no minimum."""
        net = sold[ENERGY]
        imports = (capacity - net).clamp(min=0)
        exports = (params.most_export - net).clamp(max=0)
        return Limits(sell=Range(0 * imports, imports), buy=Range(0 * exports, exports))

    def execute(
        self,
        params: ExchangeParams,
        state: NoState,
        capacity: PerStep,
        energy: Window,
        first: int,
        since: Step,
    ) -> tuple[PerStep, NoState]:
        """Return sales less purchases, each no more than the series allow."""
        net = energy[..., first : first + capacity.shape[-2], :]
        return net.minimum(capacity).maximum(params.most_export), state

    def view(
        self, params: ExchangeParams, state: NoState, past: Window, since: Step
    ) -> ExchangeView:
        """Return the prices."""
        return ExchangeView(params.price_import, params.price_export)
