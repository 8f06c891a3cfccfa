"""An attempt at a run: its lock, and its records at the beginning and the end."""

import platform
import traceback
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from assume_rl.errors import AssumeRlError, ResultsError
from assume_rl.experiments.outputs import versions
from assume_rl.results.files import read_manifest
from assume_rl.results.owner import TakenError, owned
from assume_rl.scenario.plugins import blame
from assume_rl.studies.records import (
    STORED,
    TRACE,
    Record,
    State,
    now,
    read_record,
    run_folder,
    write_record,
)
from assume_rl.studies.types import Run


class TrialPruned(KeyboardInterrupt):
    """A run that would not become the best is stopped: as by Ctrl-C, so that it can be resumed."""


def hold(held: ExitStack, study_folder: Path, run: Run, patience: float) -> bool:
    """Hold a run's lock until `held` ends, unless another process keeps it for `patience` seconds.

    :raises ResultsError: nothing can be written there.
    """
    folder = run_folder(study_folder, run.id)
    try:
        held.enter_context(owned(folder, patience))
    except TakenError:
        return False
    return True


def begin(folder: Path, run: Run, study: str) -> Record:
    """Record that a run is executed from now on; `OSError`, `ResultsError` if that fails."""
    before = (read_record(folder) or Record.of(run, study)).labelled(run, study)
    record = replace(
        before,
        state="running",
        error=None,
        attempts=before.attempts + 1,
        finished=None,
        host=platform.node(),
        versions=versions(),
    )
    write_record(folder, record)
    for name in (TRACE, STORED):
        (folder / name).unlink(missing_ok=True)
    return record


def end(
    folder: Path, record: Record, state: State, error: str | None = None, seconds: float = 0.0
) -> Record:
    """Record how a run ended; `ResultsError` if that cannot be written.

    :param seconds: what this attempt took.
    """
    used = next((m for s in record.steps if (m := read_manifest(folder / s["name"]))), {})
    ended = replace(
        record,
        state=state,
        error=error,
        finished=now(),
        seconds=round(record.seconds + seconds, 3),
        engine=str(used.get("engine", record.engine)),
        device=str(used.get("device", record.device)),
    )
    write_record(folder, ended)
    return ended


def fail(folder: Path, record: Record, failure: Exception, seconds: float) -> Record:
    """Record the cause of a run's failure, with the traceback of an unexpected error."""
    if not isinstance(failure, AssumeRlError | OSError):
        with suppress(OSError):
            (folder / TRACE).write_text("".join(traceback.format_exception(failure)))
    return end(folder, record, "failed", sentence(failure), seconds)


def relabel(study_folder: Path, run: Run, study: str) -> None:
    """Rename the record of a run that has ended to its present labels, to be stored again.

    :raises OSError, ResultsError: the record cannot be written.
    """
    folder = run_folder(study_folder, run.id)
    record = read_record(folder)
    if record is not None and record != record.labelled(run, study):
        (folder / STORED).unlink(missing_ok=True)
        write_record(folder, record.labelled(run, study))


def is_passing(failure: Exception) -> bool:
    """Return whether a failure is not of a run's settings: the disk, memory, a database.

    A file that cannot be written may be the reason of another error, whose context it is.
    """
    reason = failure.__cause__ or failure.__context__
    return isinstance(failure, OSError | ResultsError | MemoryError) or (
        isinstance(reason, OSError) and not isinstance(reason, FileNotFoundError)
    )


def sentence(failure: Exception) -> str:
    """Return the cause of a failure, in one line."""
    blamed = blame(failure)
    if blamed is not None:
        return blamed
    if isinstance(failure, OSError) and failure.strerror:
        place = f"'{failure.filename}': " if failure.filename else ""
        return f"{place}{failure.strerror}"
    text = "; ".join(line.strip() for line in str(failure).splitlines() if line.strip())
    name = type(failure).__name__
    return (text or name) if isinstance(failure, AssumeRlError) else f"{name}: {text}"
