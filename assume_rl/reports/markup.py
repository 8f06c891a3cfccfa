"""Pieces of HTML; everything that comes from users goes through `escaped`."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from assume_rl.reports.types import Grid

FEW = 4  # run ids that a caption names in the open
SHORT_HASH = 12
LONG = 40  # characters of a cell that stay on one line


def escaped(value: object) -> str:
    """Text for HTML and for values of attributes."""
    return escape(str(value), quote=True)


def anchor(run_id: str) -> str:
    """Id of a run's row in the table of runs."""
    return escaped("run-" + "".join(c if c.isalnum() or c in "-_" else "-" for c in run_id))


def run_links(run_ids: Sequence[str]) -> str:
    """Ids of runs, as links into the table of runs; many are folded away."""
    links = " ".join(f'<a href="#{anchor(i)}">{escaped(i)}</a>' for i in run_ids)
    if len(run_ids) > FEW:
        return f'<details class="ids"><summary>{len(run_ids):,} run ids</summary>{links}</details>'
    return f'<span class="ids">run id{"s" * (len(run_ids) != 1)}: {links}</span>'


def facts(pairs: Mapping[str, object]) -> str:
    """A list of what is known, without what is not."""
    known = {name: value for name, value in pairs.items() if value not in (None, "")}
    rows = (f"<dt>{escaped(n)}</dt><dd>{escaped(v)}</dd>" for n, v in known.items())
    return f"<dl>{''.join(rows)}</dl>"


def table(grid: Grid) -> str:
    """A table that scrolls by itself; rows of runs can be linked to."""
    head = "".join(f'<th scope="col">{_lines(column)}</th>' for column in grid.columns)
    body = "".join(_row(grid.columns, row) for row in grid.rows)
    caption = f'<p class="caption">{escaped(grid.caption)}</p>' if grid.caption else ""
    return (
        f'<div class="table" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{caption}"
    )


def _lines(name: str) -> str:
    return "<br>".join(map(escaped, name.split("\n")))


def _row(columns: Sequence[str], row: Sequence[object]) -> str:
    linked = f' id="{anchor(str(row[0]))}"' if columns[0] == "run id" else ""
    cells = (_cell(column, value) for column, value in zip(columns, row, strict=True))
    return f"<tr{linked}>{''.join(cells)}</tr>"


def _cell(column: str, value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "<td></td>"
    if isinstance(value, bool):
        return f"<td>{value}</td>"
    if isinstance(value, int | float):
        return f'<td class="number" title="{value!r}">{number(value)}</td>'
    if column == "final hash":
        text = str(value)
        return f'<td title="{escaped(text)}"><code>{escaped(text[:SHORT_HASH])}</code></td>'
    text = escaped(value)
    return f'<td class="long">{text}</td>' if len(text) > LONG else f"<td>{text}</td>"


def number(value: float) -> str:
    """A number as people read it; six digits are enough on a page."""
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100_000 else f"{value:.6g}"
