"""How tables of the command line look: text on the left, numbers on the right, each with its unit.

A unit of measure stands in the heading, or beside the name of a figure: `profit (EUR)`.
"""

import math
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

from assume_rl.evaluation.gap import share_text

NONE = "-"
"""A figure that has no value here."""

WIDE = 10_000
"""Columns, more than any table has."""

PLAIN = range(-5, 15)
"""Orders of magnitude that are written without exponent."""


def numbers(names: Iterable[str]) -> list[Column]:
    """Return columns of numbers."""
    return [Column(name, justify="right") for name in names]


def print_whole(console: Console, table: Table) -> None:
    """Print a table in which no figure is cut or wrapped, however narrow the console is."""
    usual, options = console.width, console.options.update(width=WIDE)
    # Lines that are too long are wrapped by the terminal, which loses nothing.
    console.width = max(usual, Measurement.get(console, options, table).maximum)
    console.print(table)
    console.width = usual


def euros(value: float | None) -> str:
    """Return a whole number as text, a dash where it is not known."""
    return NONE if value is None else f"{value:,.0f}"


def price(value: float | None) -> str:
    """Return a number with two digits as text, a dash where there is none."""
    return NONE if value is None else f"{value:,.2f}"


def share(value: float | None) -> str:
    """Return a share as text, a dash where it is not known or has no meaning."""
    return NONE if value is None else share_text(value)


def number(value: float) -> str:
    """Return four digits, `-1,274,000` or `0.01234`; a dash for what is not known."""
    if math.isnan(value):
        return NONE
    short = f"{value:.4g}"
    rounded = float(short)
    if rounded == 0 or math.isinf(rounded):
        return short.removeprefix("-") if rounded == 0 else short
    order = math.floor(math.log10(abs(rounded)))
    if order not in PLAIN:
        return short
    text = f"{rounded:,.{max(0, 3 - order)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def aligned(values: Sequence[float]) -> list[str]:
    """Return numbers of a column with as many decimals each, so that points stand in a line.

    The largest has four digits, the smallest two at least.

    >>> aligned([-26.801, -6.1834]), aligned([14_372_345, 966.2]), aligned([float("nan"), 0.5])
    (['-26.80', '-6.18'], ['14,370,000', '966'], ['-', '0.5000'])
    """
    sizes = [abs(float(f"{value:.4g}")) for value in values if math.isfinite(value)]
    orders = [math.floor(math.log10(size)) for size in sizes if size]
    if not orders or not {min(orders), max(orders)} <= set(PLAIN):
        return [number(value) for value in values]
    decimals = max(3 - max(orders), 1 - min(orders), 0)
    return [_with_decimals(value, decimals) for value in values]


def _with_decimals(value: float, decimals: int) -> str:
    if not math.isfinite(value):
        return number(value)
    text = f"{value if decimals else float(f'{value:.4g}'):,.{decimals}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text
