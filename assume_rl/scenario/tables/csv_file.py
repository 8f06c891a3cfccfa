"""Read CSV files as tables of text or of numbers; every cell that cannot be read is noted."""

import csv
import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from assume_rl.errors import nearest
from assume_rl.scenario.problems import Problems, cell, similar, some
from assume_rl.scenario.tables.formats import PLAIN, TABLES_FILE, TableFormat, in_tables_file
from assume_rl.scenario.text_file import UTF_8, UnreadableFile, is_there, read_text

EMPTY = ""
"""Content of an empty cell in a table of text."""

NA_VALUES = ("n.a.", "None", "-", "none", "nan")
"""Cells that count as empty, besides those of spreadsheets and of pandas."""

_NA = frozenset(
    {*NA_VALUES, "NaN", "NA", "N/A", "n/a", "NULL", "null", "<NA>", "#N/A", "#NA", "#N/A N/A"}
    | {"-nan", "-NaN", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
)

DATE = re.compile(r"\d{4}-\d\d-\d\d\b")
"""Beginning of a cell that is a date."""

ANY_DATE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b")
FOREIGN_NUMBER = re.compile(r"[+-]?\d[\d.,' \u00a0\u202f]*\d")

LARGEST = 1e15
"""Size of the largest number: sums and products of such ones are finite and have kW left."""

NAME = "name"
"""Usual header of the column that names the rows, which comes first."""

Rows = list[list[str]]
"""Cells by line, all lines as long as the first, which is the header."""


def _anything(header: str) -> bool:
    return True


def read_text_table(
    path: Path,
    problems: Problems,
    owner: str = "row",
    names_rows: Callable[[str], bool] = _anything,
    form: TableFormat = PLAIN,
) -> pd.DataFrame | None:
    """Return cells as text, rows named by the first column; None (and noted) if unreadable.

    :param path: of the table's file
    :param problems: takes what is wrong
    :param owner: what the first column names, for messages
    :param names_rows: whether a header can be that of the first column
    :param form: how the file is written
    """
    rows = _read_rows(path, form, problems)
    if rows is None:
        return None
    first, *others = rows[0]
    if not names_rows(first) or (first == EMPTY and NAME in others):
        found = f"is '{first}'" if first else "has no header"
        hint = f"; put '{NAME}' first" if NAME in others else ""
        problems.error(path.name, f"the first column must name the {owner}, but it {found}{hint}")
        return None
    table = _table(rows)
    names = table.index
    if names.has_duplicates:
        twice = some(names[names.duplicated()].unique())
        problems.error(path.name, f"the row {twice} exists more than once")
        return None
    return table if _well_named(path.name, table, problems) else None


def _table(rows: Rows) -> pd.DataFrame:
    """Return cells as text, without the empty columns that trailing commas make."""
    header, *body = rows
    index = pd.Index([row[0] for row in body], name=header[0] or None, dtype=object)
    cells = np.array(body, dtype=object).reshape(len(body), len(header))[:, 1:]
    table = pd.DataFrame(cells, index=index, columns=pd.Index(header[1:], dtype=object))
    hollow = (table.columns == EMPTY) & (table == EMPTY).all().to_numpy()
    return table.loc[:, ~hollow]


def _read_rows(path: Path, form: TableFormat, problems: Problems) -> Rows | None:
    """Return the lines of a file that have content; None (and noted) if there is no table."""
    if not is_there(path):
        problems.error(path.name, f"the file is missing in {path.parent}{similar(path)}")
        return None
    try:
        rows = _cells(read_text(path, form.encoding), form)
    except UnreadableFile as error:
        hint = "" if "text" not in str(error) else f"; {in_tables_file('encoding: cp1252')}, or so"
        problems.error(path.name, f"{error}{hint}")
        return None
    if not rows:
        problems.error(path.name, "the file is empty")
        return None
    width = len(rows[0])
    if (fault := _shape_fault(rows, width)) is not None:
        problems.error(path.name, fault + _other_separator(rows[0], form))
        return None
    for number, row in enumerate(rows):
        if len(row) < width:
            what = f"row {number} has {len(row)} cells, the header {width}: the rest is empty"
            problems.warn(path.name, what)
        row[:] = (row + [EMPTY] * (width - len(row)))[:width]
    return _renamed(path.name, rows, form, problems)


def _cells(text: str, form: TableFormat) -> Rows:
    """Return the cells of a text line by line, without lines that are empty.

    :raises UnreadableFile: quotation marks do not come in pairs, or a cell is too long
    """
    lines = csv.reader(io.StringIO(text), delimiter=form.separator, strict=True)
    rows: Rows = []
    try:
        for row in lines:
            found = [value.strip() for value in row]
            if any(found):
                cells = [EMPTY if value in _NA else value for value in found]
                rows.append(cells if rows else found)
    except csv.Error as error:
        what = "a cell is too long" if "limit" in str(error) else "a quotation mark is not closed"
        raise UnreadableFile(f"is not a table: line {lines.line_num}: {what}") from None
    return rows


def _shape_fault(rows: Rows, width: int) -> str | None:
    """Return why rows are no table; None if no row has content behind the header's `width`."""
    for number, row in enumerate(rows):
        if any(row[width:]):
            return f"is not a table: row {number} has {len(row)} cells, but the header {width}"
    return "has a single column" if width == 1 else None


def _other_separator(header: Sequence[str], form: TableFormat) -> str:
    """Return the end of a sentence that names the separator which a file seems to have."""
    written = form.separator.join(header)
    for sign in (sign for sign in (";", "\t", ",") if sign in written and sign != form.separator):
        shown = "\\t" if sign == "\t" else sign
        return f"; cells seem to be separated by '{shown}': " + in_tables_file(
            f'separator: "{shown}"'
        )
    return ""


def _renamed(file: str, rows: Rows, form: TableFormat, problems: Problems) -> Rows | None:
    """Return rows with columns renamed or left out as the format says; None (and noted) if not."""
    header = rows[0]
    unknown = [name for name in form.columns if name not in header]
    for name in unknown:
        hint = nearest(name, header)
        problems.error(f"{TABLES_FILE}, {file}.columns", f"there is no column '{name}'; {hint}")
    if unknown:
        return None
    names = [form.columns.get(name, name) for name in header]
    kept = [i for i, name in enumerate(names) if name is not None]
    renamed = [[name for name in names if name is not None]]
    return renamed + [[row[i] for i in kept] for row in rows[1:]] if form.columns else rows


def _well_named(file: str, table: pd.DataFrame, problems: Problems, nameless: bool = False) -> bool:
    """Return whether there are rows, columns have a unique name and rows a name; note if not.

    :param nameless: whether a single row needs no name
    """
    columns, rows = table.columns, table.index
    wrong: list[str] = []
    if columns.has_duplicates:
        twice = some(columns[columns.duplicated()].unique())
        wrong.append(f"the column {twice} exists more than once")
    if EMPTY in columns:
        wrong.append("a column has no name")
    if EMPTY in rows and not (nameless and len(rows) == 1):
        wrong.append(f"row {list(rows).index(EMPTY) + 1} has no name")
    if rows.empty:
        wrong.append("has no rows")
    for what in wrong:
        problems.error(file, what)
    return not wrong


def read_number_table(
    path: Path, problems: Problems, form: TableFormat = PLAIN
) -> pd.DataFrame | None:
    """Return cells as float64, NaN if empty, rows named by the first column.

    None, and the problems noted, if the file is unreadable or a cell is not a number.
    """
    if form == PLAIN:
        table = _all_numbers(path)
        if table is not None:
            return table
    # Reading cell by cell accepts or locates what the fast reader refused.
    rows = _read_rows(path, form, problems)
    if rows is None:
        return None
    late = None if form.dates else _dates_after_first(rows)
    if late is not None:
        problems.error(path.name, f"dates must be in the first column, but '{late}' has them")
        return None
    text = _table(rows)
    if not _well_named(path.name, text, problems, nameless=True):
        return None
    return _to_numbers(path.name, text, form, problems)


def _all_numbers(path: Path) -> pd.DataFrame | None:
    """Return the table, or None if it has any flaw; much faster than cell by cell."""
    try:
        if not path.is_file():
            return None
        with warnings.catch_warnings(action="error"):
            # The default is as precise from pandas 3.1 on, which warns of the name.
            warnings.filterwarnings("ignore", "The 'float_precision'")
            names = pd.read_csv(path, header=None, nrows=1, dtype=str, encoding=UTF_8).loc[0]
            table = pd.read_csv(
                path,
                header=None,
                skiprows=1,
                names=list(names.index),
                index_col=False,
                float_precision="round_trip",  # others crash on extreme exponents
                dtype={i: "float64" if i else str for i in names.index},
                na_values=list(NA_VALUES),
                encoding=UTF_8,
            ).set_index(0)
    except (ValueError, KeyError, OSError, Warning):
        return None
    header, rows = names[1:].str.strip(), table.index
    flawed = header.isna().any() or header.duplicated().any() or rows.hasnans
    if flawed or table.empty or (np.abs(table.to_numpy()) > LARGEST).any():
        return None
    return table.set_axis(pd.Index(header), axis=1)


def _dates_after_first(rows: Rows) -> str | None:
    """Return the header of the column with dates, if that is not the first one; else None."""
    dated = [bool(DATE.match(text)) for text in rows[-1]]
    return rows[0][dated.index(True)] if any(dated) and not dated[0] else None


def _to_numbers(
    file: str, table: pd.DataFrame, form: TableFormat, problems: Problems
) -> pd.DataFrame | None:
    """Return a table of text as float64, empty cells as NaN; None (and noted) if one is not."""
    found = table.map(form.number).astype("float64")
    wrong = (found.isna() & (table != EMPTY)) | found.abs().gt(LARGEST)
    for column in table.columns[wrong.any()]:
        rows = table.index[wrong[column]]
        more = f" (and {len(rows) - 1} more rows)" if len(rows) > 1 else ""
        value = str(table.loc[wrong[column], column].iloc[0])
        fault = number_fault(value, form)
        what = f"{fault}{more}{_hint(value, str(column), form)}"
        problems.error(cell(file, str(rows[0]), str(column)), what)
    return None if wrong.to_numpy().any() else found


def number_fault(text: str, form: TableFormat) -> str | None:
    """Return why a cell is refused as a number, None if it is not."""
    number = form.number(text)
    if abs(number) > LARGEST:
        return f"'{text}' is not within {LARGEST:g}"
    return f"'{text}' is not a number" if math.isnan(number) else None


def number_hint(text: str, form: TableFormat) -> str:
    """Return the end of a sentence on a cell that is no number, if it may be one elsewhere."""
    if not FOREIGN_NUMBER.fullmatch(text):
        return ""
    signs = f"decimal '{form.decimal}'"
    signs += f" and thousands '{form.thousands}'" if form.thousands else ""
    return f" with {signs}; if this file writes numbers otherwise, " + in_tables_file(
        'decimal: ",", thousands: "."' if form.decimal == "." else 'decimal: "."'
    )


def _hint(text: str, column: str, form: TableFormat) -> str:
    if ANY_DATE.match(text):
        return f"; leave a column of dates out: {in_tables_file(f'columns: {{{column}: null}}')}"
    return number_hint(text, form)
