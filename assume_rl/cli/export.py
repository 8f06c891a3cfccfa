"""`assume-rl export`: results as files that other programs read."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from assume_rl.cli.app import app
from assume_rl.errors import ConfigurationError, ResultsError
from assume_rl.experiments.outputs import DATABASE, MANIFEST
from assume_rl.results.export import export_csv, export_parquet, export_tidy, unknown_kinds
from assume_rl.results.gather import RECORD
from assume_rl.studies.place import find_study
from assume_rl.studies.recorded_plugins import load_recorded, recorded_plugins, stored_plugins
from assume_rl.studies.records import STUDY
from assume_rl.studies.storing import DATABASE as STUDY_DATABASE

Place = Annotated[
    str,
    typer.Argument(
        metavar="RUN_OR_STUDY",
        help="Output folder of a run, study folder, or database: SQLite file or SQLAlchemy URL.",
    ),
]
Parquet = Annotated[
    Path | None, typer.Option("--parquet", help="Folder for a Parquet file per table.")
]
Csv = Annotated[Path | None, typer.Option("--csv", help="Folder for a CSV file per table.")]
Tidy = Annotated[
    Path | None,
    typer.Option("--tidy", help="CSV file with a row per run of a study: parameters and metrics."),
]


@app.command()
def export(place: Place, parquet: Parquet = None, csv: Csv = None, tidy: Tidy = None) -> None:
    """Write the tables of a run or a study to files."""
    if parquet is None and csv is None and tidy is None:
        raise ConfigurationError("name at least one of --parquet, --csv and --tidy")
    url = database_of(place)
    plugins = recorded_plugins(Path(place)) or stored_plugins(url)
    for note in (*load_recorded(plugins), *unknown_kinds(url)):
        Console(stderr=True, soft_wrap=True, highlight=False).print(note, markup=False)
    written = [] if parquet is None else export_parquet(url, parquet)
    written += [] if csv is None else export_csv(url, csv)
    if tidy is not None:
        export_tidy(url, tidy)
        written.append(tidy)
    if not written:
        raise ResultsError(f"'{place}' holds no results yet")
    console = Console(highlight=False, soft_wrap=True)
    for path in written:
        console.print(str(path), markup=False)


def database_of(place: str) -> str:
    """SQLAlchemy URL of a run's or a study's database; `ResultsError` if there is none."""
    if "://" in place:
        return place
    folder = Path(place)
    if folder.is_file():
        return f"sqlite:///{folder.resolve()}"
    if not folder.is_dir():
        raise ResultsError(f"there is no folder '{folder}'")
    if (folder / DATABASE).is_file():
        return f"sqlite:///{folder.resolve() / DATABASE}"
    if (folder / MANIFEST).is_file():
        raise ResultsError(f"'{folder}' has no {DATABASE}: name the URL that --db named")
    if (folder / RECORD).is_file():
        raise ResultsError(f"'{folder}' holds a run of a study: name a step in it, or the study")
    if not any((folder / name).is_file() for name in (STUDY, STUDY_DATABASE)):
        raise ResultsError(f"'{folder}' holds neither a run nor a study")
    return find_study(place).database
