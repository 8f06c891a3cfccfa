"""Read an order book from a table. Format: docs/complex-clearing.md."""

import warnings
from collections.abc import Collection
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from assume_rl.core.clearing.grid import NO_GRID, Grid, Line
from assume_rl.errors import ConfigurationError, nearest
from assume_rl.scenario.text_file import read_named

COLUMNS = (
    *("id", "hour", "side", "price", "volume", "zone"),
    *("type", "min_acceptance", "parent", "group", "complex", "fixed_cost"),
)
"""Columns of an order table."""

NEEDED = ("hour", "side", "price", "volume")
LINE_COLUMNS = ("name", "bus0", "bus1", "s_nom")


@dataclass(frozen=True)
class OrderTable:
    """Checked rows of an order table, with all columns."""

    name: str  # of the file
    rows: pd.DataFrame
    hours: tuple[str, ...]
    grid: Grid  # whose nodes are its zones


def read_orders(path: Path, lines: Path | None = None) -> OrderTable:
    """Return an order table.

    :param path: CSV file
    :param lines: CSV file of lines between zones; None: there are none
    :raises ConfigurationError: with the first thing that is wrong, by file, line and column
    """
    return order_table(_csv(path), path.name, None if lines is None else _csv(lines), lines)


def order_table(
    rows: pd.DataFrame,
    name: str,
    lines: pd.DataFrame | None = None,
    lines_path: Path | None = None,
) -> OrderTable:
    """Return the orders of a table, checked.

    :param rows: with the columns of `COLUMNS`, as text or numbers
    :param name: of the table in messages
    :param lines: between zones
    :param lines_path: where those are from
    """
    _check_columns(rows, name, COLUMNS, NEEDED)
    rows = _typed(rows, name)
    grid = _grid(rows, lines, "" if lines_path is None else lines_path.name)
    hours = tuple(sorted(rows["hour"].unique(), key=_hour_key))
    _check_names(rows, name)
    _check_blocks(rows, name)
    _check_complex(rows, name)
    return OrderTable(name, rows, hours, grid)


def _csv(path: Path) -> pd.DataFrame:
    text = read_named(path)
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            return pd.read_csv(StringIO(text), dtype=str, keep_default_na=False, index_col=False)
    except pd.errors.ParserWarning:  # of the first row; pandas names any later one
        raise ConfigurationError(f"{path}, line 2: has more fields than the header") from None
    except ValueError as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None


def _hour_key(hour: str) -> tuple[float, str]:
    try:
        return float(hour), hour
    except ValueError:
        return np.inf, hour


def _fail(name: str, row: int | None, column: str, what: str) -> ConfigurationError:
    line = "" if row is None else f", line {row + 2}"  # the header is line 1
    return ConfigurationError(f"{name}{line}, column '{column}': {what}")


def _check_columns(
    rows: pd.DataFrame, name: str, known: Collection[str], needed: Collection[str]
) -> None:
    for column in rows.columns:
        if column not in known:
            raise _fail(name, None, column, f"unknown column; {nearest(column, known)}")
    for column in needed:
        if column not in rows:
            raise _fail(name, None, column, "is missing")
    if rows.empty:
        raise ConfigurationError(f"{name}: there are no orders")


def _typed(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the rows with all columns: numbers, and text that is empty where nothing is said."""
    found = pd.DataFrame(index=range(len(rows)))
    lines = [str(i + 2) for i in range(len(rows))]
    for column in COLUMNS:
        given = rows[column].reset_index(drop=True) if column in rows else None
        if column in ("price", "volume", "min_acceptance", "fixed_cost"):
            found[column] = _numbers(given, len(rows), name, column)
        else:
            text = pd.Series([""] * len(rows)) if given is None else given.fillna("").astype(str)
            found[column] = text.str.strip()
    found["id"] = found["id"].where(found["id"] != "", pd.Series(lines))
    found["zone"] = found["zone"].replace("", NO_GRID)
    found["type"] = found["type"].replace("", "simple")
    for column, choices in (("side", ("sell", "buy")), ("type", ("simple", "block"))):
        wrong = ~found[column].isin(choices)
        if wrong.any():
            at = int(wrong.to_numpy().argmax())
            given = found[column][at]
            raise _fail(name, at, column, f"'{given}' is neither {choices[0]} nor {choices[1]}")
    _check(found["hour"] != "", name, "hour", "is empty")
    _check(found["volume"] >= 0, name, "volume", "is negative; `side` says which way it goes")
    share = found["min_acceptance"]
    _check((share >= 0) & (share <= 1), name, "min_acceptance", "is not in [0, 1]")
    return found


def _numbers(given: pd.Series | None, count: int, name: str, column: str) -> pd.Series:
    if given is None:
        return pd.Series(np.zeros(count))
    empty = given.isna() | (given.astype(str).str.strip() == "")
    numbers = pd.to_numeric(given.where(~empty, 0), errors="coerce").astype(float)
    wrong = ~np.isfinite(numbers.to_numpy()) | (empty.to_numpy() & (column in NEEDED))
    if wrong.any():
        at = int(wrong.argmax())
        raise _fail(name, at, column, f"'{given.iloc[at]}' is no number")
    return numbers


def _check(holds: pd.Series, name: str, column: str, what: str) -> None:
    if not holds.all():
        raise _fail(name, int((~holds).to_numpy().argmax()), column, what)


def _check_names(rows: pd.DataFrame, name: str) -> None:
    again = rows.duplicated(["id", "hour"])
    if again.any():
        at = int(again.to_numpy().argmax())
        order, hour = rows["id"][at], rows["hour"][at]
        raise _fail(name, at, "id", f"'{order}' has a second order for hour {hour}")
    taken = rows["id"].isin(rows["complex"]) & (rows["id"] != rows["complex"])
    _check(~taken, name, "id", "is the name of a complex order that it is no part of")


def _check_blocks(rows: pd.DataFrame, name: str) -> None:
    """Raise if an id means several things, or a link or group leads nowhere."""
    shared = ("type", "zone", "min_acceptance", "parent", "group", "complex")
    blocks = rows[rows["type"] == "block"]
    own = rows[rows["id"].isin(blocks["id"])]
    first = own.groupby("id")[list(shared)].transform("first")
    for column in shared:
        differs = own[column] != first[column]
        if differs.any():
            at = int(own.index[differs][0])
            what = f"differs among the rows of block '{own['id'][at]}'"
            raise _fail(name, at, column, what)
    grouped = (rows["group"] != "") & (rows["type"] != "block")
    _check(~grouped, name, "group", "only blocks can be in an exclusive group")
    linked = rows["parent"] != ""
    missing = linked & ~rows["parent"].isin(blocks["id"])
    if missing.any():
        at = int(missing.to_numpy().argmax())
        parent = str(rows["parent"][at])
        known = f"; {nearest(parent, blocks['id'])}" if len(blocks) else ", nor any other"
        raise _fail(name, at, "parent", f"there is no block '{parent}'{known}")
    children = blocks[blocks["parent"] != ""]
    parents = dict(zip(children["id"].astype(str), children["parent"].astype(str), strict=True))
    for block in parents:
        chain = [block]
        while chain[-1] in parents and chain[-1] not in chain[:-1]:
            chain.append(parents[chain[-1]])
        if chain[-1] in chain[:-1]:
            at = int(rows.index[rows["id"] == chain[-1]][0])
            circle = " -> ".join(chain[chain.index(chain[-1]) :])
            raise _fail(name, at, "parent", f"links lead in a circle: {circle}")


def _check_complex(rows: pd.DataFrame, name: str) -> None:
    cost = rows["fixed_cost"]
    _check(cost >= 0, name, "fixed_cost", "is negative")
    _check((cost == 0) | (rows["complex"] != ""), name, "fixed_cost", "is of no complex order")
    given = rows[cost != 0].groupby("complex")["fixed_cost"]
    for order, costs in given:
        if costs.nunique() > 1:
            at = int(costs.index[costs != costs.iloc[0]][0])
            raise _fail(name, at, "fixed_cost", f"differs among the rows of '{order}'")


def _grid(rows: pd.DataFrame, lines: pd.DataFrame | None, file: str) -> Grid:
    zones = list(dict.fromkeys(rows["zone"]))
    made: list[Line] = []
    if lines is not None:
        _check_columns(lines, file, (*LINE_COLUMNS, "s_max_pu"), LINE_COLUMNS)
        lines = lines.reset_index(drop=True)
        ends = lines[["bus0", "bus1"]].astype(str)
        zones = list(dict.fromkeys([*zones, *ends.to_numpy().ravel()]))
        size = _numbers(lines["s_nom"], len(lines), file, "s_nom")
        if "s_max_pu" in lines:
            part = lines["s_max_pu"].replace("", "1")
            size = size * _numbers(part, len(lines), file, "s_max_pu")
        _check(size >= 0, file, "s_nom", "is negative")
        _check(ends["bus0"] != ends["bus1"], file, "bus1", "is where the line comes from")
        number = {zone: i for i, zone in enumerate(zones)}
        made = [
            Line(str(label), number[start], number[stop], float(capacity))
            for label, (start, stop), capacity in zip(
                lines["name"], ends.to_numpy(), size, strict=True
            )
        ]
    return Grid(tuple(zones), tuple(range(len(zones))), tuple(made))


def check_zones(table: OrderTable) -> None:
    """Refuse a table with a zone among several that no line leads to.

    :raises ConfigurationError: names the zone
    """
    zones, lines = table.grid.zones, table.grid.lines
    joined = {end for line in lines for end in (line.start, line.stop)}
    for place, zone in enumerate(zones):
        if len(zones) > 1 and place not in joined:
            at = int((table.rows["zone"] == zone).to_numpy().argmax())
            hint = "" if lines else ": name the lines with --lines"
            raise _fail(table.name, at, "zone", f"no line leads to zone '{zone}'{hint}")
