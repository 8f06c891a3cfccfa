"""Cells of tables as they are read: numbers with equal decimals, hashes cut short."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from assume_rl.reports.types import Grid

DIGITS = 4
"""Significant digits of the largest number of a column; six decimals at most."""
NUMBER = "number"
"""Class of cells of numbers, and of the heads of their columns."""
SHORT_HASH = 12
LONG = 40
"""Characters of a cell that stay on one line."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table; the template escapes it."""

    text: str
    kind: str = ""  # class of its element
    full: str = ""  # what hovering shows


@dataclass(frozen=True)
class Row:
    """A row of a table; one of a run can be linked to."""

    cells: tuple[Cell, ...]
    anchor: str = ""


@dataclass(frozen=True)
class Head:
    """The heading of a column, which may have several lines."""

    lines: tuple[str, ...]
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table as the template writes it."""

    heads: tuple[Head, ...]
    rows: tuple[Row, ...]


def anchor(run_id: str) -> str:
    """Return the id of a run's row in the table of runs."""
    return "run-" + "".join(c if c.isalnum() or c in "-_" else "-" for c in run_id)


def filled(grid: Grid) -> Grid:
    """Return a table without the columns in which no row has anything."""
    kept = [k for k in range(len(grid.columns)) if any(_is_there(row[k]) for row in grid.rows)]
    if not grid.rows or len(kept) == len(grid.columns):
        return grid
    columns = tuple(grid.columns[k] for k in kept)
    return replace(grid, columns=columns, rows=[[row[k] for k in kept] for row in grid.rows])


def _is_there(value: object) -> bool:
    return value not in (None, "") and not (isinstance(value, float) and math.isnan(value))


def table_of(grid: Grid) -> Table:
    """Return a table as text; numbers of a column, or of a row, have equal decimals."""
    shown = filled(grid)
    ways = list(_decimals(shown))
    linked = shown.columns[:1] == ("run id",)
    rows = tuple(
        Row(
            tuple(
                _cell(column, value, ways[at if shown.by_row else place])
                for place, (column, value) in enumerate(zip(shown.columns, row, strict=True))
            ),
            anchor(str(row[0])) if linked else "",
        )
        for at, row in enumerate(shown.rows)
    )
    numbers = [any(row.cells[k].kind == NUMBER for row in rows) for k in _places(shown)]
    heads = zip(shown.columns, numbers, strict=True)
    return Table(tuple(Head(tuple(c.split("\n")), NUMBER if n else "") for c, n in heads), rows)


def _decimals(grid: Grid) -> Iterator[int]:
    lines = grid.rows if grid.by_row else [[row[k] for row in grid.rows] for k in _places(grid)]
    for line in lines:
        yield decimals(v for v in line if is_number(v) and not isinstance(v, int))  # type: ignore[misc]


def _places(grid: Grid) -> range:
    return range(len(grid.columns))


def is_number(value: object) -> bool:
    """Return whether a value is a finite number."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return known and math.isfinite(value)  # type: ignore[arg-type]


def decimals(values: Iterable[float]) -> int:
    """Return how many decimals numbers that stand together have.

    As many as leave the largest of them `DIGITS` digits, and none where all are whole.
    """
    known = [abs(value) for value in values]
    if all(value == int(value) for value in known):
        return 0
    return max(0, min(6, DIGITS - 1 - math.floor(math.log10(max(known)))))


def number(value: float, places: int) -> str:
    """Return a number with `places` decimals, thousands apart; tiny ones with an exponent."""
    if not math.isfinite(value):
        return str(value)
    shown = f"{value:,.{places}f}"
    if value != 0 and float(shown.replace(",", "")) == 0 and places == 6:
        return f"{value:.3g}"
    return shown.replace("-", "\N{MINUS SIGN}")


def short(value: float) -> str:
    """Return a number alone, as people read it."""
    return number(value, decimals([value]) if is_number(value) else 0)


def _cell(column: str, value: object, places: int) -> Cell:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Cell("")
    if isinstance(value, int | float) and not isinstance(value, bool):
        whole = isinstance(value, int)
        plain = whole and column == "seed"
        shown = str(value) if plain else number(value, 0 if whole else places)
        return Cell(shown, NUMBER, repr(value))
    text = str(value)
    if column.endswith(" hash") or column == "final hash":
        return Cell(text[:SHORT_HASH], "hash", text)
    return Cell(text, "long" if len(text) > LONG else "")
