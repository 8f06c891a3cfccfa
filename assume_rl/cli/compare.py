"""`assume-rl compare`: the designs of a study on one metric."""

import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from assume_rl.cli.app import app
from assume_rl.errors import ResultsError
from assume_rl.evaluation.statistics import Interval
from assume_rl.studies.comparison import Comparison
from assume_rl.studies.comparison import compare as compare_designs
from assume_rl.studies.comparison_table import comparison_table
from assume_rl.studies.place import find_study

StudyPlace = Annotated[
    str,
    typer.Argument(metavar="STUDY", help="Study folder, or SQLAlchemy URL of a study database."),
]
Metric = Annotated[str, typer.Option("--metric", help="What is compared, e.g. reward.")]
Step = Annotated[
    str | None,
    typer.Option("--step", help="Step that the metric is from, where several have it."),
]
Baseline = Annotated[
    str | None,
    typer.Option("--baseline", help="Design that the others are compared with, on equal seeds."),
]
StudyName = Annotated[
    str | None, typer.Option("--study", help="Which study, where a database holds several.")
]
Csv = Annotated[
    Path | None, typer.Option("--csv", help="Write a row per design to this file, all digits.")
]


@app.command()
def compare(
    place: StudyPlace,
    metric: Metric,
    step: Step = None,
    baseline: Baseline = None,
    study: StudyName = None,
    csv: Csv = None,
) -> None:
    """Compare the designs of a study: interquartile means, intervals, differences, p-values."""
    found = find_study(place)
    comparison = compare_designs(
        found.database, metric, step=step, baseline=baseline, study=study, asked=found.asked
    )
    if csv is not None:
        _write(comparison, csv)
    console = Console(highlight=False)
    _print_designs(console, comparison)
    if baseline is not None:
        _print_contrasts(console, comparison)
    for note in comparison.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)


def _print_designs(console: Console, comparison: Comparison) -> None:
    title = f"{comparison.metric} of step {comparison.step}, runs by design"
    table = _table(title, "runs", "IQM", _level(comparison), "median", "lowest", "highest")
    for one in comparison.designs:
        table.add_row(
            _plain(one.design),
            str(len(one.runs.values)),
            _number(one.iqm.estimate),
            _range(one.iqm),
            _number(one.median),
            _number(one.lowest),
            _number(one.highest),
        )
    console.print(table)


def _print_contrasts(console: Console, comparison: Comparison) -> None:
    title = f"difference from {comparison.baseline}, on equal seeds"
    table = _table(
        title, "seeds", "mean", _level(comparison), "effect", "p", "adjusted p",
        "P(higher)",
    )  # fmt: skip
    for one in comparison.designs[1:]:
        if (contrast := one.contrast) is None:
            table.add_row(_plain(one.design), "0")
            continue
        paired, higher = contrast.paired, contrast.higher
        table.add_row(
            _plain(one.design),
            str(paired.pairs),
            _number(paired.mean.estimate),
            _range(paired.mean),
            _number(paired.effect_size),
            _p(paired.p_value),
            _p(contrast.p_adjusted),
            _share(higher),
        )
    console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table("design", title=_plain(title), title_justify="left")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _plain(text: str) -> Text:
    """Text as it is: names may hold brackets, which rich would take for markup."""
    return Text(text)


def _level(comparison: Comparison) -> str:
    return f"{100 * comparison.level:g} % interval"


def _number(value: float) -> str:
    """Four digits; a dash for what is not known."""
    return "-" if math.isnan(value) else f"{value:,.4g}"


def _range(interval: Interval) -> str:
    if math.isnan(interval.low):
        return "-"
    return f"{_number(interval.low)} to {_number(interval.high)}"


def _share(interval: Interval) -> str:
    known = not math.isnan(interval.low)
    ends = f" ({interval.low:.0%} to {interval.high:.0%})" if known else ""
    return f"{interval.estimate:.0%}{ends}"


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 0.001 else "< 0.001"


def _write(comparison: Comparison, path: Path) -> None:
    """The same as a CSV file; `ResultsError` if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        comparison_table(comparison).to_csv(path, index=False)
    except OSError as error:
        raise ResultsError(f"'{path}' cannot be written: {error.strerror}") from None
