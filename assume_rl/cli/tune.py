"""`assume-rl tune`: the settings that make a figure of a study best."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from assume_rl.cli.app import app
from assume_rl.cli.options import DryRun, Plugins, Quiet, StudyDatabase, StudyFolder, StudySet

STOPPED = "the same command resumes the trial that was stopped"


@app.command()
def tune(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Tune file (YAML).")],
    overrides: StudySet = None,
    plugins: Plugins = None,
    out: StudyFolder = None,
    db: StudyDatabase = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Search the settings that make a figure best; the same command resumes after a stop.

    Exit code 0: trials are done, or time is up and one is complete; 1: none is complete, or not all
    are in the database; 130: interrupted. Needs Optuna, which the extra 'tune' installs.
    """
    from assume_rl.cli.assignments import settings
    from assume_rl.studies.reading import read_keys
    from assume_rl.studies.tuning.schema import TuneFile

    # Before anything heavy is loaded: most mistakes of a file are found in it alone.
    written = read_keys(file, settings(overrides or []), TuneFile, plugins or ())

    from assume_rl.cli.console import placed, stoppable
    from assume_rl.cli.pace import Heartbeat
    from assume_rl.cli.tune_output import TuningLines, print_budget, print_estimate, print_tuning
    from assume_rl.studies.estimate import estimate
    from assume_rl.studies.tuning.driver import run_tuning
    from assume_rl.studies.tuning.file import tuning_of

    tuning = placed(tuning_of(written, plugins or ()), out, db)
    console = Console(quiet=quiet)
    print_budget(console, tuning)
    if dry_run:
        with Heartbeat(console, lambda: "a short trial to see what a run takes"):
            estimated = estimate(tuning.study(tuning.first))
        print_estimate(console, tuning, estimated)
        return
    with stoppable(lambda: STOPPED), TuningLines(console) as observer:
        result = run_tuning(tuning, observer)
    print_tuning(console, tuning, result)
    if result.best is None or result.not_stored:
        raise typer.Exit(1)
