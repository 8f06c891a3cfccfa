"""Unit tables: power plants and demands, one validated row per unit."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import pandas as pd
from pydantic import Field, ValidationError, field_validator, model_validator

from assume_rl.errors import nearest
from assume_rl.scenario.csv_file import EMPTY, read_text_table
from assume_rl.scenario.problems import Problems, cell, explain, some
from assume_rl.scenario.schema import Section

BIDDING = "bidding_"
FORECAST = "forecast_"


class Unit(Section):
    """Columns that every unit has; a field's default is that of an absent column."""

    unread: ClassVar[frozenset[str]] = frozenset()
    """Columns of the format that nothing here reads."""

    id: str
    """Name, from the first column."""
    technology: str
    """A label; the residual load looks for wind, solar and bio in it."""
    unit_operator: str
    """Who owns the unit and bids for it."""
    node: str = "node0"
    """Where it is connected."""
    bidding: dict[str, str] = Field({})
    """Strategy by market, from the columns `bidding_<MARKET>`."""
    forecast: dict[str, str] = Field({})
    """Algorithm by key, from the columns `forecast_<key>`."""


class Plant(Unit):
    """A power plant, thermal or renewable."""

    unread: ClassVar[frozenset[str]] = frozenset({"partial_load_eff", "max_heat_extraction"})

    max_power: float = Field(ge=0)
    """MW."""
    min_power: float = Field(0.0, ge=0)
    """MW."""
    efficiency: float = Field(1.0, gt=0, le=1)
    """Electric energy per thermal energy."""
    fuel_type: str = "others"
    """Column of the fuel prices."""
    emission_factor: float = Field(0.0, ge=0)
    """t CO2 per MWh thermal."""
    additional_cost: float = 0.0
    """EUR/MWh electric."""
    ramp_up: float | None = Field(None, ge=0)
    """MW per step; None and 0: no limit."""
    ramp_down: float | None = Field(None, ge=0)
    """MW per step; None and 0: no limit."""
    hot_start_cost: float = Field(0.0, ge=0)
    """EUR per MW of max_power and start."""
    warm_start_cost: float = Field(0.0, ge=0)
    """EUR per MW of max_power and start."""
    cold_start_cost: float = Field(0.0, ge=0)
    """EUR per MW of max_power and start."""
    min_operating_time: float = Field(1.0, ge=0)
    """Steps."""
    min_down_time: float = Field(1.0, ge=0)
    """Steps."""
    downtime_hot_start: float = Field(0.0, ge=0)
    """Hours off up to which a start is hot."""
    downtime_warm_start: float = Field(0.0, ge=0)
    """Hours off up to which a start is warm."""

    @field_validator("ramp_up", "ramp_down")
    @classmethod
    def _zero_is_no_limit(cls, ramp: float | None) -> float | None:
        return ramp or None

    @model_validator(mode="after")
    def _ordered_power(self) -> Self:
        if self.min_power > self.max_power:
            raise ValueError(f"min_power {self.min_power:g} is above max_power {self.max_power:g}")
        return self


class Demand(Unit):
    """Inelastic demand; its series comes from demand_df."""

    unread: ClassVar[frozenset[str]] = frozenset({"elasticity", "elasticity_model", "num_bids"})

    max_power: float
    """MW, <= 0 once read."""
    min_power: float
    """MW, <= 0 once read."""
    price: float = 3000.0
    """Willingness to pay, EUR/MWh."""

    @model_validator(mode="before")
    @classmethod
    def _negative_power(cls, row: Any) -> Any:
        """Demand is negative whichever sign the table gives it."""
        try:
            low, high = float(row["min_power"]), float(row["max_power"])
        except (KeyError, ValueError):
            return row  # reported by field
        if low * high < 0:
            raise ValueError(f"min_power {low:g} and max_power {high:g} have opposite signs")
        return {**row, "min_power": -abs(low), "max_power": -abs(high)}


Row = TypeVar("Row", bound=Unit)


def read_units(
    path: Path, model: type[Row], markets: Iterable[str], problems: Problems
) -> tuple[Row, ...]:
    """Units of the table at `path`, in its order; rows with problems are noted and left out.

    As in ASSUME an empty cell is 0 (also where text is expected) and an absent column the default;
    an empty `bidding_<MARKET>` cell keeps the unit out of that market.
    """
    table = read_text_table(path, problems)
    if table is None:
        return ()
    file = path.name
    columns = _known_columns(file, table, model, set(markets), problems)
    if any(c not in table for c, f in _fields(model).items() if f.is_required()):
        return ()
    rows = (
        _row(file, str(name), dict(zip(columns, values, strict=True)), model, problems)
        for name, *values in table[columns].itertuples(name=None)
    )
    return tuple(row for row in rows if row is not None)


def _fields(model: type[Unit]) -> dict[str, Any]:
    """Fields of the model that are columns of the table."""
    derived = ("id", "bidding", "forecast")
    return {k: f for k, f in model.model_fields.items() if k not in derived}


def _known_columns(
    file: str, table: pd.DataFrame, model: type[Unit], markets: set[str], problems: Problems
) -> list[str]:
    """Columns to read; missing, unread and unknown ones are noted."""
    fields = _fields(model)
    for name in (name for name, f in fields.items() if f.is_required() and name not in table):
        problems.error(cell(file, column=name), "the column is missing")
    valid = [*fields, *model.unread, *(f"{BIDDING}{market}" for market in markets)]
    for name in table.columns:
        where = cell(file, column=name)
        if name in model.unread:
            if table[name].map(_not_zero).any():
                problems.warn(where, "not supported yet: nothing reads this column")
        elif name.startswith(BIDDING) and name.removeprefix(BIDDING) not in markets:
            markets_hint = nearest(name.removeprefix(BIDDING), markets)
            problems.stray(where, f"there is no such market; {markets_hint}")
        elif name not in valid and not name.startswith(FORECAST):
            problems.stray(where, f"unknown column, nothing reads it; {nearest(name, valid)}")
        elif name in fields and fields[name].default not in (0.0, None):
            _warn_of_empty(where, table[name], fields[name], problems)
    prefixes = (BIDDING, FORECAST)
    return [name for name in table.columns if name in fields or name.startswith(prefixes)]


def _warn_of_empty(where: str, column: "pd.Series[str]", field: Any, problems: Problems) -> None:
    """An empty cell is 0, which surprises where an absent column is something else."""
    empty = [str(name) for name in column.index[column == EMPTY]]
    if empty and not field.is_required():
        problems.warn(
            where, f"empty cells of {some(empty)} count as 0, not as the default {field.default}"
        )


def _not_zero(text: str) -> bool:
    return text.strip().lower() not in (EMPTY, "0", "0.0", "false")


def _row(
    file: str, name: str, cells: dict[str, str], model: type[Row], problems: Problems
) -> Row | None:
    """One unit, or None and its problems."""
    values: dict[str, Any] = {k: v or "0" for k, v in cells.items()}
    if not cells["unit_operator"]:
        del values["unit_operator"]
    values |= {"id": name, "bidding": _prefixed(cells, BIDDING)}
    values["forecast"] = _prefixed(cells, FORECAST)
    values = {k: v for k, v in values.items() if k in model.model_fields}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        for _, location, sentence in explain(error, model):
            column = str(location[0]) if location else None
            problems.error(cell(file, name, column), sentence)
        return None


def _prefixed(cells: dict[str, str], prefix: str) -> dict[str, str]:
    """Filled cells of the columns that start with `prefix`, by the rest of the column's name."""
    return {k.removeprefix(prefix): v for k, v in cells.items() if v and k.startswith(prefix)}
