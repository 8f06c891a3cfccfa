"""`assume-rl compare`: the designs of a study on one metric."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from assume_rl.cli import completion
from assume_rl.cli.app import app
from assume_rl.cli.options import Formulas, OverwriteFiles

StudyPlace = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="Study folder, or study database: SQLite file or SQLAlchemy URL.",
        autocompletion=completion.study_folders,
    ),
]
Metric = Annotated[
    str,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="What is compared, e.g. reward; a name that is none is answered with all that are.",
        autocompletion=completion.of_study("metrics.name"),
    ),
]
Step = Annotated[
    str | None,
    typer.Option(
        "--step",
        metavar="NAME",
        help="Step that the metric is from, where several have it.",
        autocompletion=completion.of_study("metrics.step"),
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        metavar="DESIGN",
        help="Design that the others are compared with, on equal seeds.",
        autocompletion=completion.of_study("runs.design"),
    ),
]
StudyName = Annotated[
    str | None,
    typer.Option(
        "--study",
        metavar="NAME",
        help="Which study, where a database holds several.",
        autocompletion=completion.of_study("runs.study"),
    ),
]
Csv = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="CSV file with a row per design, all digits."),
]


@app.command()
def compare(
    place: StudyPlace,
    metric: Metric,
    step: Step = None,
    baseline: Baseline = None,
    study: StudyName = None,
    csv: Csv = None,
    formulas: Formulas = False,
    overwrite: OverwriteFiles = False,
) -> None:
    """Compare the designs of a study: interquartile means, intervals, differences, p-values."""
    from assume_rl.studies.place import find_study

    found = find_study(place)  # before anything heavy is loaded

    from assume_rl.studies.scores import index_of, metric_values

    step, values = metric_values(found.database, metric, step, study=study, asked=found.asked)
    if baseline is not None:
        index_of(baseline, values)

    from assume_rl.cli.compare_tables import print_contrasts, print_designs
    from assume_rl.results.destinations import has_header
    from assume_rl.results.export import export_frame
    from assume_rl.studies.comparison import compared
    from assume_rl.studies.comparison_table import comparison_table

    comparison = compared(metric, step, values, baseline)
    if csv is not None:
        table = comparison_table(comparison)
        ours = has_header("metric", "design", "iqm", "run_ids")
        export_frame(table, csv, ours, overwrite=overwrite, formulas=formulas)
    console = Console(highlight=False)
    print_designs(console, comparison)
    if baseline is not None:
        print_contrasts(console, comparison)
    for note in comparison.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
