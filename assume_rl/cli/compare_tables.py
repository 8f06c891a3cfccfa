"""Tables of `assume-rl compare`, in which no number is ever cut or wrapped."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from assume_rl.cli.tables import NONE, WIDE, aligned
from assume_rl.evaluation.statistics import Interval
from assume_rl.experiments.metric_names import axis_name
from assume_rl.studies.comparison import Comparison

NAME = 12  # columns that the name of a design has at least


@dataclass(frozen=True)
class Figures:
    """A row of figures per design."""

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]  # design, its figures


def print_designs(console: Console, comparison: Comparison) -> None:
    """Print what each design comes to."""
    designs = comparison.designs
    figures = [
        (one.iqm.estimate, one.iqm.low, one.iqm.high, one.median, one.lowest, one.highest)
        for one in designs
    ]
    rows = [
        (one.design, [str(len(one.runs.values)), iqm, _range(low, high), *rest])
        for one, (iqm, low, high, *rest) in zip(designs, _alike(figures), strict=True)
    ]
    title = f"{axis_name(comparison.metric)} of step {comparison.step}, runs by design"
    columns = ("runs", "IQM", _level(comparison), "median", "lowest", "highest")
    _print(console, Figures(title, columns, rows))


def print_contrasts(console: Console, comparison: Comparison) -> None:
    """Print how each design differs from the baseline."""
    others = comparison.designs[1:]
    known = {one.design: one.contrast for one in others if one.contrast is not None}
    means = [
        (c.paired.mean.estimate, c.paired.mean.low, c.paired.mean.high) for c in known.values()
    ]
    effects = aligned([c.paired.effect_size for c in known.values()])
    cells = {
        design: [
            *(str(contrast.paired.pairs), mean, _range(low, high), effect),
            *(_p(contrast.paired.p_value), _p(contrast.p_adjusted), _share(contrast.higher)),
        ]
        for (design, contrast), (mean, low, high), effect in zip(
            known.items(), _alike(means), effects, strict=True
        )
    }
    rows = [(one.design, cells.get(one.design, ["0"])) for one in others]
    unit = axis_name(comparison.metric).removeprefix(comparison.metric)
    title = f"difference from {comparison.baseline}, on equal seeds{unit}"
    columns = ("seeds", "mean", _level(comparison), "effect", "p", "adjusted p", "P(higher)")
    _print(console, Figures(title, columns, rows))


def _alike(rows: Sequence[Sequence[float]]) -> list[list[str]]:
    """Return rows of numbers of one unit of measure with as many decimals each."""
    texts = iter(aligned([value for row in rows for value in row]))
    return [[next(texts) for _ in row] for row in rows]


def _print(console: Console, figures: Figures) -> None:
    """Side by side where the console is wide enough, else one below the other."""
    console.print(Text(figures.title), soft_wrap=True)
    table, needed = _beside(figures), _needed(console, _beside(figures), figures)
    if console.is_terminal and needed > console.width:
        table = _below(figures)
        needed = _needed(console, table, figures)
    # Lines that are too long even so are wrapped by the terminal, which loses nothing.
    console.width = max(console.width, needed) if console.is_terminal else WIDE
    console.print(table)


def _needed(console: Console, table: Table, figures: Figures) -> int:
    """Columns of a console that `table` needs, names of designs wrapped."""
    whole = Measurement.get(console, console.options.update(width=WIDE), table).maximum
    longest = max((Text(name).cell_len for name, _ in figures.rows), default=0)
    return whole - max(0, longest - NAME)


def _beside(figures: Figures) -> Table:
    table = _table()
    for column in figures.columns:
        table.add_column(column, justify="right", no_wrap=True)
    for name, cells in figures.rows:
        table.add_row(Text(name), *cells)
    return table


def _below(figures: Figures) -> Table:
    table = _table()
    table.add_column("figure", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    for name, cells in figures.rows:
        for k, (column, cell) in enumerate(zip(figures.columns, cells, strict=False)):
            last = k == len(cells) - 1
            table.add_row(Text(name if k == 0 else ""), column, cell, end_section=last)
    return table


def _table() -> Table:
    table = Table()
    table.add_column("design", min_width=NAME, overflow="fold")
    return table


def _level(comparison: Comparison) -> str:
    return f"{100 * comparison.level:g} % interval"


def _range(low: str, high: str) -> str:
    return NONE if low == NONE else f"{low} to {high}"


def _share(interval: Interval) -> str:
    known = not math.isnan(interval.low)
    ends = f" ({interval.low:.0%} to {interval.high:.0%})" if known else ""
    return f"{interval.estimate:.0%}{ends}"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"
