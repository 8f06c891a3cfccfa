"""`assume-rl batch`: many runs from one study file."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from assume_rl.cli.app import app
from assume_rl.cli.options import (
    Address,
    DryRun,
    Plugins,
    Quiet,
    StudyDatabase,
    StudyFolder,
    StudySet,
    Workers,
)
from assume_rl.errors import ConfigurationError
from assume_rl.studies.limits import MOST_RUNS

if TYPE_CHECKING:
    from assume_rl.studies.types import Study


class ExecutorName(StrEnum):
    """Who does the runs."""

    local = "local"
    ray = "ray"


@app.command()
def batch(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Study file (YAML).")],
    workers: Workers = 1,
    executor: Annotated[
        ExecutorName, typer.Option("--executor", help="Processes on this machine, or Ray.")
    ] = ExecutorName.local,
    address: Address = None,
    overrides: StudySet = None,
    plugins: Plugins = None,
    out: StudyFolder = None,
    db: StudyDatabase = None,
    dry_run: DryRun = False,
    show_status: Annotated[
        bool, typer.Option("--status", metavar="", help="Print how far the study is; run nothing.")
    ] = False,
    most_runs: Annotated[
        int,
        typer.Option(
            "--most-runs", min=1, metavar="N", help="Most runs that the study file may ask for."
        ),
    ] = MOST_RUNS,
    quiet: Quiet = False,
) -> None:
    """Do all runs of a study that are not finished; the same command does the rest after a stop.

    Exit code 0: all are finished, 1: some failed or are not in the database, 130: interrupted.
    """
    from assume_rl.cli.assignments import settings
    from assume_rl.studies.reading import read_keys
    from assume_rl.studies.schema import StudyFile

    if show_status and dry_run:
        raise ConfigurationError("--status and --dry-run: name one of them")
    # Before anything heavy is loaded: most mistakes of a file are found in it alone.
    written = read_keys(file, settings(overrides or []), StudyFile, plugins or ())

    from assume_rl.cli.batch_output import print_estimate, print_result, print_status
    from assume_rl.cli.batch_progress import study_watching
    from assume_rl.cli.console import placed, stoppable
    from assume_rl.cli.pace import Heartbeat
    from assume_rl.studies.driver import run_study
    from assume_rl.studies.estimate import estimate
    from assume_rl.studies.file import study_of
    from assume_rl.studies.status import status

    study = placed(study_of(written, plugins or (), most_runs), out, db)
    console = Console(quiet=quiet)
    if show_status:
        print_status(console, study, status(study))
        return
    if dry_run:
        with Heartbeat(console, lambda: "short trials to see what runs take"):
            estimated = estimate(study)
        print_estimate(console, estimated, workers)
        return
    with stoppable(lambda: _left(study)), study_watching(console, quiet) as observer:
        result = run_study(
            study, workers=workers, executor=executor.value, address=address, observer=observer
        )
    print_result(console, study, result)
    if not result.complete:
        raise typer.Exit(1)


def _left(study: "Study") -> str:
    """Return how much of a study is done, and what does the rest."""
    from assume_rl.studies.status import status

    finished = status(study).counts["finished"]
    return f"{finished} of {len(study.runs)} runs are finished; the same command does the others"
