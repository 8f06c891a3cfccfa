"""What commands share: reading a scenario, printing, showing progress, being interrupted."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TypeVar

import typer
from rich.console import Console

from assume_rl.cli.assignments import settings
from assume_rl.cli.options import Device
from assume_rl.cli.output import print_warnings
from assume_rl.cli.progress import LineObserver, ProgressObserver
from assume_rl.episodes.plan import pick_device
from assume_rl.experiments.observer import Observer, Silent
from assume_rl.results.database import check_kept
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario
from assume_rl.studies.tuning.types import Tuning
from assume_rl.studies.types import Study

Asked = TypeVar("Asked", Study, Tuning)


def load(
    folder: Path,
    case: str | None,
    overrides: list[str] | None,
    strict: bool,
    device: Device | None = None,
    *,
    plugins: Sequence[str] | None = None,
) -> Scenario:
    """Return the study case; `AssumeRlError` if it, a setting or the device is wrong."""
    if device is Device.cuda:
        pick_device("cuda")
    return load_scenario(
        folder,
        case,
        overrides=settings(overrides or []),
        strict=strict,
        plugins=plugins or (),
    )


def console_of(scenario: Scenario, quiet: bool, warnings: tuple[str, ...] = ()) -> Console:
    """Return where results are printed, after the warnings have been."""
    console = Console(quiet=quiet)
    print_warnings(Console(stderr=True, quiet=quiet), (*scenario.warnings, *warnings))
    return console


@contextmanager
def watching(console: Console, quiet: bool) -> Iterator[Observer]:
    """Yield the observer that suits the terminal; Ctrl-C ends the program with exit code 130."""
    try:
        if quiet:
            yield Silent()
        else:
            shown = ProgressObserver if console.is_terminal else LineObserver
            with shown(console) as observer:
                yield observer
    except KeyboardInterrupt:
        text = "interrupted; what is finished is saved, --resume continues a training"
        Console(stderr=True, soft_wrap=True).print(text)
        raise typer.Exit(130) from None


def placed(asked: Asked, out: Path | None, db: str | None) -> Asked:
    """Return a study, or a tuning, with its results where the command line wants them.

    :param asked: as its file says
    :param out: study folder; None: the file's
    :param db: SQLAlchemy URL; None: the file's
    :raises ResultsError: the URL cannot be understood
    """
    if db is not None:
        check_kept(db)
    return replace(asked, folder=out or asked.folder, database=db or asked.database)


@contextmanager
def stoppable(how_to_resume: Callable[[], str]) -> Iterator[None]:
    """End the program with exit code 130 and a sentence at Ctrl-C and at SIGTERM.

    :param how_to_resume: returns what follows "interrupted: "
    """
    before = signal.signal(signal.SIGTERM, _as_ctrl_c)
    try:
        yield
    except KeyboardInterrupt:
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        console.print(f"interrupted: {how_to_resume()}", markup=False)
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _as_ctrl_c(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal as Ctrl-C is."""
    raise KeyboardInterrupt
