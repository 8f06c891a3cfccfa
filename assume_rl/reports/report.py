"""Reports on a run or a study: one HTML file, and pictures where they are wanted."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path

import pandas as pd

from assume_rl.errors import ResultsError
from assume_rl.files import replacing
from assume_rl.reports.page.render import is_report, load_jinja, page
from assume_rl.reports.png import check_pngs, write_pngs
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.source.rows import Recorded
from assume_rl.reports.source.source import Source
from assume_rl.reports.source.study_rows import SHOWN
from assume_rl.reports.style import load_plotly
from assume_rl.reports.topics.answer.items import FIRST, TITLE, answer_items
from assume_rl.reports.topics.base import Market, Scope, Topic
from assume_rl.reports.topics.hours import check_hours, parse_hours, shared_hours
from assume_rl.reports.topics.prices import price_lines
from assume_rl.reports.topics.registry import TOPICS
from assume_rl.reports.types import Chart, Item, Omitted, Section
from assume_rl.results.destinations import check_replaceable
from assume_rl.results.owner import owned

NAME = "report.html"
LEFT_OUT = "Left out"
"""The section of topics that have nothing to show."""


def report(
    place: Path | str,
    *,
    out: Path | str | None = None,
    png: Path | str | None = None,
    hours: Sequence[str] = (),
    overwrite: bool = False,
) -> Path:
    """Write a report on a run or a study; it works offline.

    :param place: output folder of a run, study folder, or URL of a study database.
    :param out: HTML file; None: `report.html` in that folder or, for a URL, in the working one.
    :param png: folder that each figure is written to as a picture too; needs Chromium or Chrome.
    :param hours: starts of the deliveries whose orders are drawn, ISO 8601, UTC; none: those with
        the lowest, the median and the highest price.
    :param overwrite: whether files may be replaced that are no reports, or pictures of one.
    :returns: the HTML file.
    :raises ResultsError: there is no run or study, it cannot be read, or the report not written.
    :raises ConfigurationError: an extra or a browser is missing, or no delivery begins at an hour.
    """
    load_plotly()  # before anything takes time
    load_jinja()
    chosen = parse_hours(hours)
    source = open_source(place)
    file = Path(out) if out is not None else (source.home or Path()) / NAME
    check_replaceable(file, is_report, overwrite=overwrite)
    sections = report_sections(source, chosen)
    if png is not None:
        check_pngs(sections, Path(png), overwrite=overwrite)
    with replacing(file, ResultsError) as path:
        path.write_text(page(source, sections), encoding="utf-8")
    if png is not None:
        with owned(Path(png)):
            write_pngs(sections, Path(png))
    return file


def report_sections(source: Source, hours: Sequence[pd.Timestamp] = ()) -> list[Section]:
    """Return everything that a report says, in its order: the answer first, see `report`."""
    scope = Scope(source, _markets(source, hours))
    sections = [section for topic in TOPICS.values() for section in _section(topic, scope)]
    shown = [section for section in sections if not _is_left_out(section)]
    gaps = [item for section in sections if _is_left_out(section) for item in section.items]
    left_out = [Section(LEFT_OUT, tuple(gaps))] if gaps else []
    return [*_answered(scope, shown), *left_out]


def _is_left_out(section: Section) -> bool:
    """Return whether there is nothing in a section but what is left out."""
    return all(isinstance(item, Omitted) for item in section.items)


def _markets(source: Source, hours: Sequence[pd.Timestamp]) -> tuple[Market, ...]:
    """Return what is shown of each step, with the deliveries whose orders are drawn."""
    if hours:
        starts = [line.rows["start"] for line in price_lines(source.recorded)]
        check_hours(hours, pd.concat(starts) if starts else pd.Series(dtype="datetime64[ns]"))
    drawn = shared_hours(source.recorded)
    if hours:
        drawn = [{m: dict.fromkeys(hours, "chosen hour") for m in by_market} for by_market in drawn]
    return tuple(Market(r, own) for r, own in zip(source.recorded, drawn, strict=True))


def _section(topic: Topic, scope: Scope) -> Iterator[Section]:
    """Yield the section of a topic, unless it has nothing to say of such a source."""
    items = list(topic.whole(scope)) if topic.whole is not None else []
    lead = topic.lead
    if topic.of_market is not None:
        items += _of_markets(topic, scope)
        if scope.source.is_study and scope.markets:
            lead = f"{lead} {SHOWN_RUNS}".strip()
    if items:
        yield Section(topic.title, tuple(items), lead)


SHOWN_RUNS = (
    f"Of each of the first {SHOWN} designs, the first run that has finished; others have reports "
    "of their own: assume-rl report STUDY/runs/RUN_ID."
)


def _of_markets(topic: Topic, scope: Scope) -> list[Item]:
    """Return what a topic says of each market; of several the like is side by side."""
    assert topic.of_market is not None
    if not scope.markets:
        reason = scope.source.missing("no result tables were found")
        return [Omitted(topic.title, reason)]
    found = [list(topic.of_market(market)) for market in scope.markets]
    if len(found) == 1:
        return found[0]
    steps = len({market.recorded.step for market in scope.markets}) > 1
    labelled = [
        [_labelled(item, market.recorded, named_step=steps) for item in items]
        for market, items in zip(scope.markets, found, strict=True)
    ]
    return [item for item in chain.from_iterable(zip_longest(*labelled)) if item is not None]


def _labelled(item: Item, recorded: Recorded, *, named_step: bool) -> Item:
    """Return an item that says of which run it is; none of several has the width for itself."""
    step = f", step {recorded.step}" if named_step else ""
    title = f"{item.title}: {recorded.label}{step}"
    if isinstance(item, Chart):
        return replace(item, title=title, wide=False)
    return replace(item, title=title)


def _answered(scope: Scope, sections: list[Section]) -> list[Section]:
    """Return the sections after one with the answer, which takes over one of their figures."""
    charts = [item for section in sections for item in section.items if isinstance(item, Chart)]
    ranked = (chart for beginning in FIRST for chart in charts if chart.name.startswith(beginning))
    figure = next(ranked, None)
    lead, *tables = answer_items(scope)
    if figure is None:
        return [Section(TITLE, (lead, *tables)), *sections]
    rest = (
        replace(section, items=tuple(item for item in section.items if item is not figure))
        for section in sections
    )
    first = Section(TITLE, (lead, replace(figure, wide=True), *tables))
    return [first, *(section for section in rest if section.items)]
