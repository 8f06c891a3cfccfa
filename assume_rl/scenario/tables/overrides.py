"""Apply overrides of units, fuel prices, demand and availability to the tables read."""

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pandas as pd
from pydantic import ValidationError

from assume_rl.errors import nearest
from assume_rl.scenario.problems import Problems, explain
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.tables.base import CO2, Row, Unit, UnitTable
from assume_rl.scenario.tables.demands import inelastic
from assume_rl.scenario.tables.read import BIDDING, FORECAST, columns_of
from assume_rl.scenario.types import Scenario

SCALE = "scale"
UNSCALED = {"fuel_prices": "the fuel has no price", "demand": "the unit has no series"}
LABELLED = {BIDDING: "bidding", FORECAST: "forecast"}  # prefix of columns: field of a unit


def with_overrides(scenario: Scenario, given: Mapping[str, Any], problems: Problems) -> Scenario:
    """Return `scenario` with its tables changed.

    :param scenario: as it was read
    :param given: scalars by key, the first part of which is one of `overrides.TABLES`
    :param problems: overrides that cannot be applied are noted here
    """
    changes: dict[str, dict[str, Any]] = {}
    read = scenario
    for key, value in given.items():
        table, _, rest = key.partition(".")
        changes.setdefault(table, {})[rest] = value
    scenario = _with_units(scenario, changes.pop("units", {}), problems)
    elastic = {unit.id for unit in read.of("demand") if not inelastic(unit)}
    for table, own in changes.items():
        scenario = _with_series(scenario, table, own, problems)
    _check_demand(scenario, elastic, problems)
    return dataclasses.replace(scenario, overrides=dict(given))


# --- units -------------------------------------------------------------------------------------


def _with_units(scenario: Scenario, given: Mapping[str, Any], problems: Problems) -> Scenario:
    units = {unit.id: unit for unit in scenario.units}
    cells: dict[str, dict[str, Any]] = {}
    for key, value in given.items():
        name = _longest(key, units)
        if name is None:
            hint = nearest(key.rpartition(".")[0] or key, units)
            problems.error(f"override units.{key}", f"there is no such unit; {hint}")
        else:
            cells.setdefault(name, {})[key[len(name) + 1 :]] = value
    markets = scenario.config.markets_config

    def changed(table: UnitTable[Any], unit: Unit) -> Unit:
        own = cells.get(unit.id)
        return unit if own is None else _changed(unit, own, _such_as(table), markets, problems)

    for name, table in UNIT_TABLES.items():
        scenario = scenario.with_units(name, (changed(table, u) for u in scenario.of(name)))
    return scenario


def _such_as(table: UnitTable[Any]) -> str:
    """Return a column that units of a kind have, and other kinds rather not."""
    return (
        table.power if table.power in table.row.model_fields else list(table.row.model_fields)[-1]
    )


def _longest(key: str, names: Iterable[str]) -> str | None:
    """Return the longest of `names` that is `key`, or its beginning up to a dot."""
    return max((n for n in names if f"{key}.".startswith(f"{n}.")), key=len, default=None)


def _changed(
    unit: Row, cells: Mapping[str, Any], such_as: str, markets: Iterable[str], problems: Problems
) -> Row:
    """Return `unit` as if its table had these cells; None is an absent column.

    :param unit: as it was read
    :param cells: values by column
    :param such_as: a column that such a unit has
    :param markets: names of the markets
    :param problems: cells that are refused are noted here
    """
    row = unit.model_dump()
    row |= {name: abs(row[name]) for name in unit.unsigned}
    for column, value in cells.items():
        where = f"override units.{unit.id}.{column}"
        if isinstance(value, list | Mapping):
            problems.error(where, f"must be a single value, not {value!r}")
        elif not column:
            problems.error(where.removesuffix("."), f"name a column, such as {such_as}")
        elif not _is_column(type(unit), column, markets):
            hint = nearest(column, _columns(type(unit), markets))
            problems.error(where, f"unknown column; {hint}")
        else:
            _set_cell(row, column, value, absolute=column in unit.unsigned)
    try:
        return type(unit).model_validate(row)
    except ValidationError as error:
        for _, location, sentence in explain(error, type(unit)):
            column = f".{location[0]}" if location else ""
            problems.error(f"override units.{unit.id}{column}", sentence)
        return unit


def _columns(model: type[Unit], markets: Iterable[str]) -> list[str]:
    return [*columns_of(model), *(f"{BIDDING}{market}" for market in markets)]


def _is_column(model: type[Unit], column: str, markets: Iterable[str]) -> bool:
    return column in _columns(model, markets) or column.startswith(FORECAST)


def _set_cell(row: dict[str, Any], column: str, value: Any, *, absolute: bool) -> None:
    """Write `value` into `row` as the text that the table would have."""
    place, name = row, column
    for prefix, field in LABELLED.items():
        if column.startswith(prefix):
            place, name = row[field], column.removeprefix(prefix)
    if value is None:
        place.pop(name, None)
    elif absolute:
        place[name] = str(value).removeprefix("-")
    else:
        place[name] = str(value)


# --- series ------------------------------------------------------------------------------------


def _with_series(
    scenario: Scenario, table: str, given: Mapping[str, Any], problems: Problems
) -> Scenario:
    frame: pd.DataFrame = getattr(scenario.series, table).copy()
    known = _known(scenario, table, frame)
    for key, value in sorted(given.items()):  # a constant before its scale
        where = f"override {table}.{key}" if key else f"override {table}"
        name = _longest(key, known)
        rest = "" if name is None else key[len(name) + 1 :]
        if name is None:
            problems.error(where, f"there is no such {_kind(table)}; {nearest(key, known)}")
        elif rest not in ("", SCALE):
            problems.error(where, f"unknown key '{rest}'; {nearest(rest, [SCALE])}")
        elif (wrong := _fault(table, value, scale=rest == SCALE)) is not None:
            problems.error(where, wrong)
        elif rest == SCALE and table in UNSCALED and name not in frame:
            problems.error(where, f"{UNSCALED[table]} to scale; write a number")
        else:
            old = frame[name] if rest == SCALE and name in frame else 1.0
            new = pd.Series(old, index=frame.index) * float(value)
            frame[name] = _in_bounds(table, new)
    changed: dict[str, Any] = {table: frame}
    series = dataclasses.replace(scenario.series, **changed)
    return dataclasses.replace(scenario, series=series)


def _check_demand(scenario: Scenario, elastic: Collection[str], problems: Problems) -> None:
    """Note demand units that have a series to follow since they were changed, but no series.

    :param scenario: with all its changes
    :param elastic: demand units that had a curve as they were read
    :param problems: units without a series are noted here
    """
    file = scenario.config.demand_df or "demand_df"
    for unit in scenario.of("demand"):
        if unit.id in elastic and inelastic(unit) and unit.id not in scenario.series.demand:
            problems.error(
                f"override units.{unit.id}",
                f"the demand is no longer elastic, but {file} has no column '{unit.id}'; add one, "
                f"or set demand.{unit.id} to a number",
            )


def _known(scenario: Scenario, table: str, frame: pd.DataFrame) -> list[str]:
    """Return the names that a table has, or could have, a column for."""
    if table == "demand":
        return [unit.id for unit in scenario.of("demand") if inelastic(unit)]
    if table == "availability":
        return [unit.id for kind, unit in scenario.each() if kind.availability]
    used = {fuel for kind, unit in scenario.each() for fuel in kind.fuels(unit)} | {CO2}
    return sorted(used | set(map(str, frame.columns)))


def _kind(table: str) -> str:
    """Return a label for the owner of a column, such as "fuel"."""
    if table == "fuel_prices":
        return "fuel"
    if table == "demand":
        return UNIT_TABLES["demand"].label
    return " or ".join(kind.label for kind in UNIT_TABLES.values() if kind.availability)


def _fault(table: str, value: Any, *, scale: bool) -> str | None:
    """Return why a value is refused; None if it is valid."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return f"must be a number{'' if scale else f' or {{{SCALE}: number}}'}, not {value!r}"
    if scale and value < 0:
        return f"must not be negative, not {value!r}"
    if table == "availability" and not scale and not 0 <= value <= 1:
        return f"must lie between 0 and 1, not {value!r}"
    return None


def _in_bounds(table: str, values: "pd.Series[float]") -> "pd.Series[float]":
    """Return values with the sign and bounds of their table: demand <= 0, shares in [0, 1]."""
    if table == "demand":
        return -values.abs()
    return values.clip(0, 1) if table == "availability" else values
