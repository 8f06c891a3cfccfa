"""One HTML file with everything in it: style, script, plotly, data."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from assume_rl.errors import ConfigurationError, uninstalled
from assume_rl.reports.page.cells import anchor, table_of
from assume_rl.reports.source.source import Source
from assume_rl.reports.style import plotly_script
from assume_rl.reports.types import Chart, Grid, Item, Lead, Omitted, Section
from assume_rl.results.destinations import head_of

GENERATOR = '<meta name="generator" content="assume-rl">'
"""What tells a report from other pages."""
FEW = 4
"""Run ids that a caption names in the open."""
NARROW = 3
"""Columns of a table that may have others beside it."""

# Nothing but what is in the file itself: the browser refuses any request.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"
)


def is_report(path: Path) -> bool:
    """Return whether a file is a report."""
    return GENERATOR.encode() in head_of(path)


def page(source: Source, sections: Sequence[Section]) -> str:
    """Return the report as HTML that needs no network."""
    template = load_jinja().get_template("page.html")
    return str(
        template.render(
            generator=GENERATOR,
            policy=POLICY,
            title=source.title,
            about=_about(source),
            notes=source.notes,
            warnings=list(dict.fromkeys(w for run in source.runs for w in run.warnings)),
            sections=list(_placed(sections)),
            few=FEW,
            runs=sum(run.state == "finished" for run in source.runs),
            made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            plotly=plotly_script(),
        )
    )


def load_jinja() -> Any:
    """Return Jinja's environment of this folder; what is shown is escaped unless marked safe.

    :raises ConfigurationError: Jinja2 is not installed
    """
    try:
        jinja = import_module("jinja2")
    except ModuleNotFoundError:
        raise ConfigurationError(uninstalled("a report", "Jinja2", "report")) from None
    return _environment(jinja)


@cache
def _environment(jinja: Any) -> Any:
    """Return one that compiles each template once."""
    folder = files("assume_rl.reports.page")
    found = jinja.Environment(
        loader=jinja.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"anchor": anchor}
    found.globals |= {"table_of": table_of, "figure_json": figure_json}
    return found


def figure_json(chart: Chart) -> str:
    """Return a figure as JSON that cannot end the script element that holds it.

    A less-than sign only occurs in texts there.
    """
    return str(chart.figure.to_json()).replace("<", "\\u003c")


@dataclass(frozen=True)
class Block:
    """Items of a section that share a row of the page: narrow ones, or a single wide one."""

    items: tuple[tuple[str, Item], ...]  # with their ids

    @property
    def beside(self) -> bool:
        """Return whether there are several items, which stand side by side."""
        return len(self.items) > 1


def _placed(sections: Iterable[Section]) -> Iterator[dict[str, Any]]:
    for number, section in enumerate(sections):
        items = sorted(section.items, key=lambda item: isinstance(item, Omitted))
        named = [(f"s{number}-{k}", item) for k, item in enumerate(items)]
        blocks = list(_blocks(named))
        ahead = [k for k, item in enumerate(items[:2]) if isinstance(item, Lead | Chart)]
        first = len(ahead) if isinstance(items[0], Lead) else 0
        yield {
            "id": f"s{number}",
            "title": section.title,
            "lead": section.lead,
            "first": blocks[:first],  # the answer, its figure beside it
            "blocks": blocks[first:],
            "contents": [
                (name, item.title)
                for name, item in named
                if item.title and not isinstance(item, Omitted)
            ],
        }


def _blocks(named: Iterable[tuple[str, Item]]) -> Iterator[Block]:
    """Yield the rows of a section: narrow items in sequence share one."""
    row: list[tuple[str, Item]] = []
    for name, item in named:
        if _is_narrow(item):
            row.append((name, item))
            continue
        if row:
            yield Block(tuple(row))
        row = []
        yield Block(((name, item),))
    if row:
        yield Block(tuple(row))


def _is_narrow(item: Item) -> bool:
    """Return whether an item may have another one beside it."""
    if isinstance(item, Grid):
        return bool(item.title) and len(item.columns) <= NARROW
    return isinstance(item, Chart) and not item.wide


def _about(source: Source) -> str:
    """Return what was run, in one line; what differs between runs is in their table."""
    runs = source.runs
    seeds = sorted({run.seed for run in runs if run.seed is not None})
    states = list(dict.fromkeys(run.state for run in runs))
    counted = [f"{sum(r.state == state for r in runs):,} {state}" for state in states]
    parts = (
        _several([run.kind for run in runs]),
        f"scenario {_several([run.scenario for run in runs])}",
        f"case {_several([run.case for run in runs])}",
        f"seed{'s' * (len(seeds) > 1)} {_several(seeds)}" if seeds else "",
        _several([run.engine for run in runs]) and f"engine {_several([r.engine for r in runs])}",
        _several([run.device for run in runs]),
        states[0] if len(runs) == 1 else f"{len(runs):,} runs: {', '.join(counted)}",
    )
    return " · ".join(part for part in parts if part and not part.endswith(" "))


def _several(values: Sequence[object]) -> str:
    """Return different values in words, long rows of them shortened."""
    different = [str(value) for value in dict.fromkeys(values) if value not in (None, "")]
    rest = f" and {len(different) - 12} more" if len(different) > 12 else ""
    return ", ".join(different[:12]) + rest
