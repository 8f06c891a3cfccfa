"""`assume-rl report`: figures of a run or a study in one file."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from assume_rl.cli import completion
from assume_rl.cli.app import app
from assume_rl.cli.options import OverwriteFiles
from assume_rl.errors import ResultsError

Place = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN_OR_STUDY",
        help="Output folder of a run, study folder, or study database: SQLite file or SQLAlchemy "
        "URL. Without it, the runs and studies here are named.",
        autocompletion=completion.results_folders,
    ),
]
File = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="HTML file; report.html in that folder by default."),
]
Png = Annotated[
    Path | None,
    typer.Option(
        "--png",
        metavar="DIR",
        help="Write each figure to this folder as PNG; needs Chromium or Chrome.",
    ),
]
Hours = Annotated[
    list[str] | None,
    typer.Option(
        "--hours",
        metavar="TIME",
        help="Draw the orders of the delivery that begins then (UTC), e.g. 2019-03-04T18:00; "
        "repeatable. By default those with the lowest, the median and the highest price.",
    ),
]


@app.command()
def report(
    place: Place = None,
    out: File = None,
    png: Png = None,
    hours: Hours = None,
    overwrite: OverwriteFiles = False,
) -> None:
    """Write one HTML file with the figures of a run or a study; it works offline."""
    from assume_rl.reports.source.place import experiments_of, is_database
    from assume_rl.studies.place import listed

    if place is None:
        raise ResultsError(f"name a run or a study{listed(Path())}")
    if not is_database(place):
        experiments_of(Path(place))  # before anything heavy is loaded

    from assume_rl.cli.pace import Heartbeat
    from assume_rl.reports.report import report as write_report

    console = Console(highlight=False, soft_wrap=True)
    with Heartbeat(console, lambda: "figures are being made"):
        file = write_report(place, out=out, png=png, hours=hours or (), overwrite=overwrite)
    console.print(f"report: {file}", markup=False)
    if png is not None:
        console.print(f"figures: {png}", markup=False)
