"""Read CSV files as tables of text or of numbers; every cell that cannot be read is noted."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from assume_rl.scenario.problems import Problems, cell, similar, some

EMPTY = ""
"""Content of an empty cell in a table of text."""

NA_VALUES = ("n.a.", "None", "-", "none", "nan")
"""Cells that count as empty, besides pandas' own."""

DATE = re.compile(r"\d{4}-\d\d-\d\d\b")
"""Beginning of a cell that is a date."""

NAME = "name"
"""Usual header of the column that names the rows, which comes first."""


def _anything(header: str) -> bool:
    return True


def read_text_table(
    path: Path,
    problems: Problems,
    owner: str = "row",
    names_rows: Callable[[str], bool] = _anything,
) -> pd.DataFrame | None:
    """Return cells as text, rows named by the first column; None (and noted) if unreadable.

    :param path: of the table's file
    :param problems: takes what is wrong
    :param owner: what the first column names, for messages
    :param names_rows: whether a header can be that of the first column
    """
    raw = _read_raw(path, problems)
    if raw is None:
        return None
    text = raw.astype(object).where(raw.notna(), EMPTY).map(lambda value: str(value).strip())
    first, *others = text.iloc[0]
    if not names_rows(first) or (first == EMPTY and NAME in others):
        found = f"is '{first}'" if first else "has no header"
        hint = f"; put '{NAME}' first" if NAME in others else ""
        problems.error(path.name, f"the first column must name the {owner}, but it {found}{hint}")
        return None
    table = text.iloc[1:, 1:]
    table.columns = pd.Index([str(name) for name in text.iloc[0, 1:]])
    table.index = pd.Index([str(name) for name in text.iloc[1:, 0]])
    hollow = (table.columns == EMPTY) & (table == EMPTY).all().to_numpy()  # trailing commas
    table = table.loc[:, ~hollow]
    return table if _well_named(path.name, table, problems) else None


def _read_raw(path: Path, problems: Problems) -> pd.DataFrame | None:
    """Return the file with its header as first row; None (and noted) if unreadable."""
    if not path.is_file():
        problems.error(path.name, f"the file is missing in {path.parent}{similar(path)}")
        return None
    try:
        raw = pd.read_csv(
            path, header=None, dtype=str, na_values=list(NA_VALUES), encoding="utf-8-sig"
        )
    except pd.errors.EmptyDataError:
        problems.error(path.name, "the file is empty")
    except UnicodeDecodeError:
        problems.error(path.name, "is not UTF-8 text")
    except pd.errors.ParserError as error:
        problems.error(path.name, f"is not a table: {str(error).strip().split('error: ')[-1]}")
    else:
        if len(raw.columns) > 1:
            return raw
        hint = "; cells must be separated by commas" if ";" in str(raw.iloc[0, 0]) else ""
        problems.error(path.name, f"has a single column{hint}")
    return None


def _well_named(file: str, table: pd.DataFrame, problems: Problems) -> bool:
    """Return whether there are rows, and all columns and rows have a unique name; note if not."""
    columns, rows = table.columns, table.index
    wrong: list[str] = []
    if columns.has_duplicates:
        twice = some(columns[columns.duplicated()].unique())
        wrong.append(f"the column {twice} exists more than once")
    if rows.has_duplicates:
        twice = some(rows[rows.duplicated()].unique())
        wrong.append(f"the row {twice} exists more than once")
    if EMPTY in columns:
        wrong.append("a column has no name")
    if EMPTY in rows and len(rows) > 1:
        wrong.append(f"row {list(rows).index(EMPTY) + 1} has no name")
    if rows.empty:
        wrong.append("has no rows")
    for what in wrong:
        problems.error(file, what)
    return not wrong


def read_number_table(path: Path, problems: Problems) -> pd.DataFrame | None:
    """Return cells as float64, NaN if empty, rows named by the first column.

    None, and the problems noted, if the file is unreadable or a cell is not a number.
    """
    table = _all_numbers(path)
    if table is not None:
        return table
    late = _dates_after_first(path)
    if late is not None:
        problems.error(path.name, f"dates must be in the first column, but '{late}' has them")
        return None
    # Reading cell by cell accepts or locates what the fast reader refused.
    text = read_text_table(path, problems)
    return None if text is None else _to_numbers(path.name, text, problems)


def _all_numbers(path: Path) -> pd.DataFrame | None:
    """Return the table, or None if it has any flaw; much faster than cell by cell."""
    try:
        with warnings.catch_warnings(action="error"):
            names = pd.read_csv(path, header=None, nrows=1, dtype=str, encoding="utf-8-sig").loc[0]
            table = pd.read_csv(
                path,
                header=None,
                skiprows=1,
                names=list(names.index),
                index_col=False,
                float_precision="round_trip",  # others crash on extreme exponents
                dtype={i: "float64" if i else str for i in names.index},
                na_values=list(NA_VALUES),
                encoding="utf-8-sig",
            ).set_index(0)
    except (ValueError, KeyError, OSError, Warning):
        return None
    header, rows = names[1:].str.strip(), table.index
    flawed = header.isna().any() or header.duplicated().any() or rows.hasnans or rows.has_duplicates
    if flawed or table.empty or np.isinf(table.to_numpy()).any():
        return None
    return table.set_axis(pd.Index(header), axis=1)


def _dates_after_first(path: Path) -> str | None:
    """Return the header of the column with dates, if that is not the first one; else None."""
    try:
        rows = pd.read_csv(path, header=None, nrows=2, dtype=str, encoding="utf-8-sig").fillna("")
    except (ValueError, OSError):  # what is wrong with the file is said elsewhere
        return None
    dated = [bool(DATE.match(text.strip())) for text in rows.iloc[-1]]
    return str(rows.iloc[0, dated.index(True)]) if any(dated) and not dated[0] else None


def _to_numbers(file: str, table: pd.DataFrame, problems: Problems) -> pd.DataFrame | None:
    """Return a table of text as float64, empty cells as NaN; None (and noted) if one is not."""
    found = table.map(_number).astype("float64")
    wrong = (found.isna() & (table != EMPTY)) | found.abs().eq(np.inf)
    for column in table.columns[wrong.any()]:
        rows = table.index[wrong[column]]
        more = f" (and {len(rows) - 1} more rows)" if len(rows) > 1 else ""
        value = table.loc[rows[0], column]
        problems.error(cell(file, str(rows[0]), str(column)), f"'{value}' is not a number{more}")
    return None if wrong.to_numpy().any() else found


def _number(text: str) -> float:
    """Return `text` as a number, NaN if it is not one."""
    try:
        return float(text)
    except ValueError:
        return float("nan")
