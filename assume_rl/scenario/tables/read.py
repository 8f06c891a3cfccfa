"""Read the table of a unit kind: one validated row per unit."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from assume_rl.errors import nearest
from assume_rl.scenario.problems import Problems, cell, explain, some
from assume_rl.scenario.tables.base import Row, Unit
from assume_rl.scenario.tables.csv_file import (
    EMPTY,
    NAME,
    number_fault,
    number_hint,
    read_text_table,
)
from assume_rl.scenario.tables.formats import PLAIN, TableFormat
from assume_rl.truth_values import takes_number

NOT_A_NUMBER = "not a number"
"""Stands for a cell that is none, so that a row is refused for it like for its other faults."""

BIDDING = "bidding_"
FORECAST = "forecast_"


def read_units(
    path: Path,
    model: type[Row],
    markets: Iterable[str],
    problems: Problems,
    form: TableFormat = PLAIN,
) -> tuple[Row, ...]:
    """Return the units of the table at `path`, in its order.

    As in ASSUME an empty cell is 0 (also where text is expected) and an absent column the default;
    an empty `bidding_<MARKET>` cell keeps the unit out of that market.

    :param path: of the table's file
    :param model: row of the unit kind
    :param markets: names of the markets
    :param problems: rows that are refused are left out and noted here
    :param form: how the file is written
    """
    table = read_text_table(
        path, problems, "unit", lambda header: _names_units(header, model), form
    )
    if table is None:
        return ()
    file = path.name
    columns = _known_columns(file, table, model, set(markets), problems)
    if any(c not in table for c, f in columns_of(model).items() if f.is_required()):
        return ()
    rows = (
        _row(file, str(name), dict(zip(columns, values, strict=True)), model, form, problems)
        for name, *values in table[columns].itertuples(name=None)
    )
    return tuple(row for row in rows if row is not None)


def columns_of(model: type[Unit]) -> dict[str, Any]:
    """Return the fields of the model that are columns of the table."""
    derived = ("id", "bidding", "forecast")
    return {k: f for k, f in model.model_fields.items() if k not in derived}


def _names_units(header: str, model: type[Unit]) -> bool:
    """Return whether a header can be that of the first column, as it is of no other."""
    prefixes = (BIDDING, FORECAST)
    taken = header in columns_of(model) or header in model.unread or header.startswith(prefixes)
    return header == NAME or not taken


def _known_columns(
    file: str, table: pd.DataFrame, model: type[Unit], markets: set[str], problems: Problems
) -> list[str]:
    """Return the columns to read; missing, unread and unknown ones are noted."""
    fields = columns_of(model)
    others = [str(name) for name in table.columns if name not in fields]
    for name in (name for name, f in fields.items() if f.is_required() and name not in table):
        problems.error(cell(file, column=name), f"the column is missing{_meant(name, others)}")
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


def _meant(missing: str, others: Iterable[str]) -> str:
    """Return the end of a sentence that names a column which may be the missing one."""
    plain = {name.lower(): name for name in others}
    close = difflib.get_close_matches(missing, plain, n=1)
    return f"; is '{plain[close[0]]}' meant to be it?" if close else ""


def _warn_of_empty(where: str, column: "pd.Series[str]", field: Any, problems: Problems) -> None:
    """Warn of empty cells, which are 0, where an absent column has another default."""
    empty = [str(name) for name in column.index[column == EMPTY]]
    if empty and not field.is_required():
        problems.warn(
            where, f"empty cells of {some(empty)} count as 0, not as the default {field.default}"
        )


def _not_zero(text: str) -> bool:
    return text.strip().lower() not in (EMPTY, "0", "0.0", "false")


def _row(
    file: str,
    name: str,
    cells: dict[str, str],
    model: type[Row],
    form: TableFormat,
    problems: Problems,
) -> Row | None:
    """Return one unit; None, and its problems noted, if it is refused."""
    numbers = {
        k
        for k in cells
        if k in model.model_fields and takes_number(model.model_fields[k].annotation)
    }
    wrong = {k: _number_fault(cells[k], form) for k in numbers if cells[k]}
    values: dict[str, Any] = {k: v or 0 for k, v in cells.items()}
    if (form.decimal, form.thousands) != (PLAIN.decimal, PLAIN.thousands):
        values |= {k: form.number(cells[k]) for k, fault in wrong.items() if fault is None}
    if not cells["unit_operator"]:
        del values["unit_operator"]
    values |= {"id": name, "bidding": _prefixed(cells, BIDDING)}
    values["forecast"] = _prefixed(cells, FORECAST)
    values = {k: v for k, v in values.items() if k in model.model_fields}
    values |= {k: NOT_A_NUMBER for k, fault in wrong.items() if fault is not None}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        for _, location, sentence in explain(error, model):
            column = str(location[0]) if location else None
            what = wrong.get(column or "") or _of_empty(column, sentence, cells)
            problems.error(cell(file, name, column), what)
        return None


def _number_fault(text: str, form: TableFormat) -> str | None:
    """Return why a cell is no number; None if it is one, or an infinite one."""
    infinite = text.lstrip("+-").lower() in ("inf", "infinity")
    fault = None if infinite else number_fault(text, form)
    return fault and f"{fault}{number_hint(text, form)}"


def _of_empty(column: str | None, sentence: str, cells: Mapping[str, str]) -> str:
    """Return a sentence on a refused cell, or on all of a row, that says which cells are empty."""
    if column is not None:
        if cells.get(column) != EMPTY:
            return sentence
        refused = sentence.removesuffix(", not 0")
        return (
            "is empty" if refused == "is missing" else f"is empty, which counts as 0, and {refused}"
        )
    empty = [name for name, text in cells.items() if text == EMPTY and name in sentence.split()]
    return f"{sentence} ({some(empty)} is empty, which counts as 0)" if empty else sentence


def _prefixed(cells: dict[str, str], prefix: str) -> dict[str, str]:
    """Return non-empty cells of columns that start with `prefix`, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in cells.items() if v and k.startswith(prefix)}
