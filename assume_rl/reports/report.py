"""Reports on a run or a study: one HTML file, and pictures where they are wanted."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from assume_rl.errors import ResultsError
from assume_rl.files import replacing
from assume_rl.reports.page import is_report, page
from assume_rl.reports.png import check_pngs, write_pngs
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.source.source import Source
from assume_rl.reports.source.study_rows import SHOWN
from assume_rl.reports.style import load_plotly
from assume_rl.reports.topics.comparison import best_response_section, comparison_section
from assume_rl.reports.topics.equilibrium import equilibrium_section
from assume_rl.reports.topics.hours import check_hours, parse_hours, shared_hours
from assume_rl.reports.topics.learning import learning_section
from assume_rl.reports.topics.market import market_section
from assume_rl.reports.topics.mean_paid import mean_paid
from assume_rl.reports.topics.prices import price_lines, price_section
from assume_rl.reports.topics.runs import runs_section
from assume_rl.reports.types import Omitted, Section
from assume_rl.results.destinations import check_replaceable
from assume_rl.results.owner import owned

NAME = "report.html"


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
    """Everything that a report says, in its order; see `report`."""
    if hours:
        starts = [line.rows["start"] for line in price_lines(source.recorded)]
        check_hours(hours, pd.concat(starts) if starts else pd.Series(dtype="datetime64[ns]"))
    compared = (comparison_section(source),) if source.is_study else ()
    drawn = shared_hours(source.recorded)
    if hours:
        drawn = [{m: dict.fromkeys(hours, "chosen hour") for m in by_market} for by_market in drawn]
    markets = [market_section(r, own) for r, own in zip(source.recorded, drawn, strict=True)]
    return [
        runs_section(source),
        *compared,
        learning_section(source),
        best_response_section(source),
        equilibrium_section(source),
        price_section(source, _shown(source) + mean_paid(source)),
        *(
            markets
            or [
                Section(
                    "Market", (Omitted("Market", source.missing("no result tables were found")),)
                )
            ]
        ),
    ]


def _shown(source: Source) -> str:
    """Which runs of a study have figures of their markets."""
    if not source.is_study:
        return ""
    return (
        f" Of each of the first {SHOWN} designs, the first run that has finished; others have "
        "reports of their own: assume-rl report STUDY/runs/RUN_ID."
    )
