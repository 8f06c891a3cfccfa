"""One HTML file with everything in it: style, script, plotly, data."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from assume_rl.reports.assets import POLICY, SCRIPT, STYLE
from assume_rl.reports.markup import escaped, facts, run_links, table
from assume_rl.reports.source.source import Source
from assume_rl.reports.style import plotly_script
from assume_rl.reports.types import Chart, Grid, Item, Omitted, RunInfo, Section
from assume_rl.results.destinations import head_of

GENERATOR = '<meta name="generator" content="assume-rl">'
"""What tells a report from other pages."""


def is_report(path: Path) -> bool:
    """Return whether a file is a report."""
    return GENERATOR.encode() in head_of(path)


def page(source: Source, sections: Sequence[Section]) -> str:
    """The report as HTML that needs no network."""
    return "".join(_page(source, sections))


def _page(source: Source, sections: Sequence[Section]) -> Iterator[str]:
    title = escaped(source.title)
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"{GENERATOR}"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>"
    )
    yield f"<nav aria-label='Contents'>{_contents(sections)}</nav><main>"
    yield f"<header><h1>{title}</h1>{_notes(source)}{facts(_facts(source))}</header>"
    yield "<noscript><p class='note'>Charts need JavaScript.</p></noscript>"
    for place, section in enumerate(sections):
        yield f'<section id="s{place}"><h2>{escaped(section.title)}</h2>'
        for number, item in enumerate(section.items):
            yield _item(f"s{place}-{number}", item)
        yield "</section>"
    yield f"</main>\n<script>{plotly_script()}</script>\n<script>{SCRIPT}</script></body></html>\n"


def _contents(sections: Sequence[Section]) -> str:
    return f"<ul>{''.join(_entry(f's{k}', section) for k, section in enumerate(sections))}</ul>"


def _entry(name: str, section: Section) -> str:
    """A section in the table of contents, with its charts and tables."""
    inside = "".join(
        f'<li><a href="#{name}-{number}">{escaped(item.title)}</a></li>'
        for number, item in enumerate(section.items)
        if item.title and not isinstance(item, Omitted)
    )
    return f'<li><a href="#{name}">{escaped(section.title)}</a><ul>{inside}</ul></li>'


def _notes(source: Source) -> str:
    warned = dict.fromkeys(f"Warning: {w}" for run in source.runs for w in run.warnings)
    return "".join(f'<p class="note">{escaped(note)}</p>' for note in (*source.notes, *warned))


def _facts(source: Source) -> dict[str, object]:
    """What was run, in short; what differs between runs is in their table."""
    runs = source.runs
    seeds = [run.seed for run in runs if run.seed is not None]
    states = list(dict.fromkeys(run.state for run in runs))
    alone = runs[0] if len(runs) == 1 else None
    return {
        "run id": alone.run_id if alone else "",
        "runs": "" if alone else f"{len(runs):,}",
        "designs": _several([run.design for run in runs]) if source.is_study else "",
        "what": _several([run.kind for run in runs]),
        "scenario": _several([run.scenario for run in runs]),
        "case": _several([run.case for run in runs]),
        "seeds" if len(set(seeds)) > 1 else "seed": _several(sorted(set(seeds))),
        "engine": _several([run.engine for run in runs]),
        "device": _several([run.device for run in runs]),
        "state": ", ".join(
            state if alone else f"{sum(r.state == state for r in runs):,} {state}"
            for state in states
        ),
        "final hash": alone.final_hash if alone else "",
        "configuration hash": alone.configuration_hash if alone else "",
        "versions": "; ".join(dict.fromkeys(_versions(run) for run in runs if run.versions)),
        "report made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }


def _versions(run: RunInfo) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(run.versions.items()))


def _several(values: Sequence[object]) -> str:
    """Different values in words, long rows of them shortened."""
    different = [str(value) for value in dict.fromkeys(values) if value not in (None, "")]
    rest = f" and {len(different) - 12} more" if len(different) > 12 else ""
    return ", ".join(different[:12]) + rest


def _item(name: str, item: Item) -> str:
    title = escaped(item.title)
    if isinstance(item, Omitted):
        return f'<p class="omitted" id="{name}">Left out: {title}: {escaped(item.reason)}.</p>'
    if isinstance(item, Grid):
        heading = f'<h3 id="{name}">{title}</h3>' if title else ""
        return heading + table(item)
    return _chart(name, item)


def _chart(name: str, chart: Chart) -> str:
    # In JSON a less-than sign only occurs in texts, so none can end the script element.
    data = chart.figure.to_json().replace("<", "\\u003c")
    height = int(chart.figure.layout.height)
    return (
        f'<figure><h3 id="{name}">{escaped(chart.title)}</h3>'
        f'<div class="chart" id="{name}-chart" style="height:{height}px"></div>'
        f'<script type="application/json" id="{name}-chart-data">{data}</script>'
        f"<figcaption>{escaped(chart.caption)} {run_links(chart.run_ids)}</figcaption></figure>"
    )
