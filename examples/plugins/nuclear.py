"""A unit kind: nuclear plants that follow a profile, whatever the price."""

from dataclasses import dataclass

from pydantic import Field
from torch import Tensor

from assume_rl.core.orders import unit_major
from assume_rl.core.units.base import (
    ENERGY,
    Limits,
    Range,
    WithoutStarts,
    WithoutState,
    no_range,
    rows_of,
)
from assume_rl.scenario.tables.base import MetaColumn, SeriesFile, Unit, UnitTable, column

# --- what its units can do ------------------------------------------------------------------------


@dataclass(frozen=True)
class NuclearParams:
    """Nuclear plants."""

    max_power: Tensor  # MW


@dataclass(frozen=True)
class Nuclear(WithoutStarts, WithoutState):
    """The technology `nuclear`: sells its profile, all of it or nothing of it."""

    name: str = "nuclear"
    sides: frozenset[str] = frozenset({"sells"})

    def select(self, params, units):
        return rows_of(params, units)

    def limits(self, params, state, capacity, sold, first):
        left = (capacity - sold[ENERGY]).clamp(min=0)
        return Limits(sell=Range(least=left, most=left), buy=no_range(left))

    def execute(self, params, state, capacity, energy, first, since):
        sold = energy[..., first : first + capacity.shape[-2], :]
        return sold.minimum(capacity), state

    def running_cost(self, params, series, power):
        return series * power

    def view(self, params, state, past, since):
        return params


# --- the files that they are read from ------------------------------------------------------------


class NuclearRow(Unit):
    """A row of nuclear_units.csv."""

    max_power: float = Field(ge=0)
    """MW; the profile is a share of it."""
    fuel_cost: float = Field(9.0, ge=0)
    """EUR/MWh of electricity."""


def profile(row, series):
    """Return what a plant delivers, (step), MW: its column of nuclear_df.csv, in [0, 1]."""
    return series.own["nuclear_df"][row.id].to_numpy() * row.max_power


NUCLEAR = UnitTable(
    name="nuclear",
    label="nuclear plant",
    file="nuclear_units",
    row=NuclearRow,
    technology="nuclear",
    to_params=lambda rows, basis: NuclearParams(column(row.max_power for row in rows)),
    capacity=profile,
    marginal_cost=lambda row, series: series.constant(row.fuel_cost),
    meta=(MetaColumn("max_power", "MW"), MetaColumn("fuel_cost", "EUR/MWh")),
    series=SeriesFile("nuclear_df", lambda row: [row.id]),
    forecast="supply",
)

# --- how they bid ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class FixedProfile:
    """Offers the profile at a price that any market pays."""

    name: str = "nuclear_energy_profile"
    technologies: frozenset[str] = frozenset({"nuclear"})
    product_types: frozenset[str] = frozenset({"energy"})
    needs: frozenset[str] = frozenset()
    foresight: int = 0
    slots: int = 1
    blocks: bool = False

    def orders(self, view):
        volume = view.limits.sell.most
        price = volume.new_full((), -1e6).expand_as(volume)  # cut to the market's least price
        return unit_major(price, volume, units=volume.shape[-1])


def register(registry):
    registry.technology(Nuclear())
    registry.unit_kind(NUCLEAR)
    registry.bidder("nuclear_energy_profile", lambda context, params: FixedProfile())
