"""`assume-rl export`: results as files that other programs read."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from assume_rl.cli import completion
from assume_rl.cli.app import app
from assume_rl.cli.options import Formulas, OverwriteFiles
from assume_rl.errors import ConfigurationError, ResultsError

Place = Annotated[
    str,
    typer.Argument(
        metavar="RUN_OR_STUDY",
        help="Output folder of a run, study folder, or database: SQLite file or SQLAlchemy URL.",
        autocompletion=completion.results_folders,
    ),
]
Parquet = Annotated[
    Path | None,
    typer.Option("--parquet", metavar="DIR", help="Folder for a Parquet file per table."),
]
Csv = Annotated[
    Path | None, typer.Option("--csv", metavar="DIR", help="Folder for a CSV file per table.")
]
Tidy = Annotated[
    Path | None,
    typer.Option(
        "--tidy",
        metavar="FILE",
        help="CSV file with a row per run of a study: parameters and metrics.",
    ),
]
ScenarioFolder = Annotated[
    Path | None,
    typer.Option(
        "--scenario", metavar="DIR", help="New folder for the scenario that a run simulated."
    ),
]


@app.command()
def export(
    place: Place,
    parquet: Parquet = None,
    csv: Csv = None,
    tidy: Tidy = None,
    scenario: ScenarioFolder = None,
    formulas: Formulas = False,
    overwrite: OverwriteFiles = False,
) -> None:
    """Write the tables of a run or a study to files, or the scenario that a run simulated."""
    from assume_rl.results.files import MANIFEST
    from assume_rl.results.secrets import shown_place

    tables = parquet is not None or csv is not None or tidy is not None
    if scenario is None and not tables:
        raise ConfigurationError("name at least one of --parquet, --csv, --tidy and --scenario")
    if scenario is not None and "://" in place:
        raise ConfigurationError(
            f"'{shown_place(place)}' is a database; --scenario needs the output folder of a run"
        )
    if tidy is not None and (Path(place) / MANIFEST).is_file():
        raise ConfigurationError(f"--tidy is of a study, and '{place}' is a run: name --csv")
    url = database_of(place) if tables else ""  # before anything heavy is loaded

    from assume_rl.results.export import export_csv, export_parquet, export_tidy, unknown_kinds
    from assume_rl.results.owner import owned
    from assume_rl.studies.recorded_plugins import load_recorded, recorded_plugins, stored_plugins

    console = Console(highlight=False, soft_wrap=True)
    if scenario is not None:
        from assume_rl.experiments.archive import export_scenario
        from assume_rl.scenario.plugins import unload_plugins

        command = export_scenario(Path(place), scenario)
        unload_plugins()  # copies, in whose place tables need those that the run had
        console.print(f"{scenario}\nthe same results: {command}", markup=False)
        if not tables:
            return
    plugins = recorded_plugins(Path(place)) or stored_plugins(url)
    for note in (*load_recorded(plugins), *unknown_kinds(url), *_unfinished(place)):
        Console(stderr=True, soft_wrap=True, highlight=False).print(note, markup=False)
    written: list[Path] = []
    if parquet is not None:
        with owned(parquet):
            written += export_parquet(url, parquet, overwrite=overwrite)
    if csv is not None:
        with owned(csv):
            written += export_csv(url, csv, overwrite=overwrite, formulas=formulas)
    if tidy is not None:
        export_tidy(url, tidy, overwrite=overwrite, formulas=formulas)
        written.append(tidy)
    if not written:
        raise ResultsError(f"'{shown_place(place)}' holds no results yet")
    for path in written:
        console.print(str(path), markup=False)


def _unfinished(place: str) -> tuple[str, ...]:
    """Return a sentence on the process that still writes to a folder, if there is one."""
    from assume_rl.results.owner import owner_of

    owner = None if "://" in place else owner_of(Path(place))
    if owner is None:
        return ()
    return (f"'{place}' is being written by {owner}: what it has written so far is exported.",)


def database_of(place: str) -> str:
    """SQLAlchemy URL of a run's or a study's database; `ResultsError` if there is none."""
    from assume_rl.results.files import DATABASE, MANIFEST, RECORD
    from assume_rl.results.secrets import shown_place
    from assume_rl.studies.place import find_study, is_study

    if "://" in place:
        return place
    folder = Path(place)
    if folder.is_file():
        return f"sqlite:///{folder.resolve()}"
    if not folder.is_dir():
        raise ResultsError(f"there is no folder '{shown_place(place)}'")
    if (folder / DATABASE).is_file():
        return f"sqlite:///{folder.resolve() / DATABASE}"
    if (folder / MANIFEST).is_file():
        raise ResultsError(f"'{folder}' has no {DATABASE}: name the URL that --db named")
    if (folder / RECORD).is_file():
        raise ResultsError(f"'{folder}' holds a run of a study: name a step in it, or the study")
    if not is_study(folder):
        raise ResultsError(f"'{folder}' holds neither a run nor a study")
    return find_study(place).database
