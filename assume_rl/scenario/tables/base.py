"""The parts of a unit kind on the scenario side: the row of its table, and `UnitTable`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from assume_rl.core.bidding.base import Need
from assume_rl.core.units import TECHNOLOGIES
from assume_rl.scenario.config.section import Section

CO2 = "co2"
"""Column of the fuel prices that is for no fuel."""

Values = np.ndarray[tuple[int], np.dtype[np.float64]]
"""One number per step of the calendar, (step)."""


class Unit(Section):
    """A unit: the columns that all kinds have; a field's default is that of an absent column."""

    unread: ClassVar[frozenset[str]] = frozenset()
    """Columns of the format that nothing here reads."""
    unsigned: ClassVar[tuple[str, ...]] = ()
    """Columns whose sign in the table does not matter."""

    id: str
    """Name, a label, from the first column."""
    technology: str
    """A label; units with wind, solar or bio in it count as renewable in the residual load."""
    unit_operator: str
    """Owner of the unit, who bids for it; a label unless unit_operators gives it a strategy."""
    node: str = "node0"
    """Where it is connected; a label, but for markets with a `network_path`."""
    bidding: dict[str, str] = Field({})
    """Bidder by market, from the columns `bidding_<MARKET>`."""
    forecast: dict[str, str] = Field({})
    """Algorithm by key, from the columns `forecast_<key>`."""

    @property
    def orders(self) -> int:
        """Return how many orders per product its table asks for; bidders may have other numbers."""
        return 1

    def concerns(self) -> dict[str, str]:
        """Return warnings by column: values that are valid but probably a mistake."""
        return {}

    def unused(self, needs: frozenset[Need]) -> dict[str, str]:
        """Return warnings by column: the reason why a value of this unit has no effect.

        :param needs: of all bidders of the unit
        """
        return {}


Row = TypeVar("Row", bound=Unit)


@dataclass(frozen=True)
class Series:
    """Time series on the calendar, one row per step, columns named as in their files."""

    demand: pd.DataFrame  # column per demand unit, MW, <= 0
    availability: pd.DataFrame  # column per unit that has one, [0, 1]; absent: 1
    fuel_prices: pd.DataFrame  # column per fuel and `co2`, EUR/MWh thermal and EUR/t
    forecasts: pd.DataFrame  # `price_<MARKET>` EUR/MWh, `residual_load_<MARKET>` MW
    # Of files that a single unit kind has, by their key, see `UnitTable.series`.
    own: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def constant(self, value: float) -> Values:
        """Return `value` at every step, (step)."""
        return np.full(len(self.demand), value)

    def available(self, unit: Unit, power: float) -> Values:
        """Return the available part of `power` (MW) of a unit at every step, (step), MW."""
        full = self.constant(power)
        shares = self.availability
        return shares[unit.id].to_numpy() * full if unit.id in shares else full

    def fuel_price(self, fuel: str) -> Values:
        """Return the price of a fuel, (step), EUR/MWh thermal or EUR/t; 0 if it has none."""
        prices = self.fuel_prices
        return prices[fuel].to_numpy() if fuel in prices else self.constant(0.0)


@dataclass(frozen=True)
class MetaColumn(Generic[Row]):
    """A column of the result table that describes the units of a kind."""

    name: str
    comment: str = ""  # unit of measure
    text: bool = False  # else it is a number
    value: Callable[[Row], object] | None = None  # of a unit; None: its field of this name

    def of(self, unit: Row) -> object:
        """Return the value for a unit."""
        return getattr(unit, self.name) if self.value is None else self.value(unit)


def _none(_: Any) -> Iterable[str]:
    return ()


@dataclass(frozen=True)
class Basis:
    """Settings of a scenario that the parameters of units depend on."""

    step_hours: float  # length of a step
    max_bid_price: float  # EUR/MWh, of learned bidders
    series: Series  # for parameters that are series, see `core.units.base.at_steps`


@dataclass(frozen=True)
class SeriesFile(Generic[Row]):
    """A file of time series that a single unit kind has; needed where there are such units."""

    key: str  # of a study case that names the file; `<key>.csv` by default
    columns: Callable[[Row], Sequence[str]]  # that it must have for a unit


@dataclass(frozen=True)
class UnitTable(Generic[Row]):
    """A unit kind: how scenarios read it and how descriptions and results show it.

    Its technology is in `core.units`. A further kind is one such object and its line in
    `tables.UNIT_TABLES`, or a call of `tables.register`.
    """

    name: str  # key of UNIT_TABLES; `<name>_meta` is its result table
    label: str  # in messages and summaries, e.g. "power plant"
    file: str  # key of a study case that names its file; `<file>.csv` by default
    row: type[Row]
    technology: str  # key of core.units.TECHNOLOGIES
    to_params: Callable[[Sequence[Row], Basis], object]  # parameters of the technology
    capacity: Callable[[Row, Series], Values]  # MW, for `Profiles.capacity`
    marginal_cost: Callable[[Row, Series], Values]  # EUR/MWh, for `Profiles.marginal_cost`
    meta: tuple[MetaColumn[Row], ...]  # beside technology, operator and node
    # Columns of `unit_dispatch` beside power and money, from `columns` of the technology.
    states: tuple[MetaColumn[Row], ...] = ()
    required: bool = False  # whether every scenario has a file of them
    series: SeriesFile[Row] | None = None  # read into `Series.own`
    forecast: Literal["supply", "demand"] | None = None  # role in the naive forecasts
    load: Callable[[Row, Series], Values] | None = None  # MW that the demand of forecasts counts
    power: str = "max_power"  # field with the nameplate power, MW, if the kind has one
    availability: Literal["share", "share or MW"] | None = None  # unit of availability_df
    fuels: Callable[[Row], Iterable[str]] = _none  # columns of fuel_prices_df that a unit needs

    def nameplate(self, unit: Row) -> float | None:
        """Return the nameplate power of a unit, MW; None if the kind has none."""
        return getattr(unit, self.power, None)

    @property
    def sells(self) -> bool:
        """Return whether the technology lets units sell."""
        return "sells" in TECHNOLOGIES[self.technology].sides

    @property
    def buys(self) -> bool:
        """Return whether the technology lets units buy."""
        return "buys" in TECHNOLOGIES[self.technology].sides

    @property
    def files(self) -> tuple[str, ...]:
        """Return the keys of a study case that name its files."""
        return (self.file,) if self.series is None else (self.file, self.series.key)

    @property
    def meta_table(self) -> str:
        """Return the name of the result table that describes the units."""
        return f"{self.name}_meta"

    @property
    def meta_columns(self) -> tuple[MetaColumn[Row], ...]:
        """Return the columns of the result table, without the unit's name."""
        common = ("technology", "unit_operator", "node")
        return (*(MetaColumn[Row](name, text=True) for name in common), *self.meta)


def column(values: Iterable[float]) -> Tensor:
    """Return one number per unit as a tensor of parameters, (unit), float64."""
    return torch.tensor(list(values), dtype=torch.float64)
