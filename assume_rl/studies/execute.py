"""Does the runs of a job: takes their locks, does their steps, records the results."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from platform import node

from assume_rl.errors import AssumeRlError, ConfigurationError, ResultsError
from assume_rl.experiments.observer import Observer
from assume_rl.studies.attempts import TrialPruned, begin, end, fail, hold, is_passing, sentence
from assume_rl.studies.jobs import Job, Outcome, Report
from assume_rl.studies.records import STUDY, Record, read_record, run_folder
from assume_rl.studies.steps import do_steps
from assume_rl.studies.storing import store
from assume_rl.studies.types import Run

PATIENCE = 10.0  # seconds for a lock or a database: who was killed has let go of it by then


@dataclass(frozen=True)
class Work:
    """The work of every worker on a job; travels to other processes and machines.

    :param folder: of the study.
    :param database: SQLAlchemy URL; None: the caller stores what the folders hold.
    :param token: of the study folder, so that a folder of the same name is not taken for it.
    """

    folder: Path
    database: str | None
    track: tuple[str, ...]
    token: str

    def __call__(self, job: Job) -> Report:
        """Do a job; raise `ConfigurationError` on a machine that does not see the study folder."""
        check_sight(self.folder, self.token)
        return execute(job, self.folder, self.database, self.track)


@lru_cache(maxsize=1)
def check_sight(folder: Path, token: str) -> None:
    """Raise `ConfigurationError` unless this machine sees the study folder."""
    try:
        seen = json.loads((folder / STUDY).read_text(encoding="utf-8")).get("token")
    except (OSError, ValueError):
        seen = None
    if seen != token:
        raise ConfigurationError(
            f"machine '{node()}' does not see the study folder '{folder}' as it is here: put it "
            "on storage that all machines share (--out)"
        )


def execute(
    job: Job,
    study_folder: Path,
    database_url: str | None,
    track: Sequence[str] = (),
    observer: Observer | None = None,
) -> Report:
    """Do a job's runs; a failure of one does not stop the others.

    A run that is finished is only stored. Ctrl-C leaves unfinished ones as interrupted.

    :param database_url: see `Work`.
    :param observer: of trainings; where it raises `TrialPruned`, unfinished runs are left as
        pruned.
    """
    with _held(job, study_folder) as (mine, outcomes):
        outcomes.update(_do(job.study, mine, study_folder, track, observer))
        if database_url is not None:
            store(study_folder, [run.id for run in mine], database_url, PATIENCE)
    return _report(job, outcomes)


def record_death(job: Job, study_folder: Path, reason: str) -> Report:
    """Record the runs of a job as failed whose worker was lost again and again."""
    with _held(job, study_folder) as (mine, outcomes):
        for run in mine:
            folder = run_folder(study_folder, run.id)
            record = read_record(folder) or begin(folder, run, job.study)
            if record.state != "finished":
                record = end(folder, record, "failed", reason)
            outcomes[run.id] = _outcome(run, record)
    return _report(job, outcomes)


@contextmanager
def _held(job: Job, study_folder: Path) -> Iterator[tuple[list[Run], dict[str, Outcome]]]:
    """Yield a job's runs whose free locks are now held, and the others' outcomes by run id.

    Where nothing can be written, that is the outcome of all runs that have none.
    """
    outcomes: dict[str, Outcome] = {}
    with ExitStack() as held:
        try:
            mine = [run for run in job.runs if hold(held, study_folder, run, PATIENCE)]
            outcomes |= {run.id: _busy(run) for run in job.runs if run not in mine}
            yield mine, outcomes
        except (AssumeRlError, OSError) as error:
            lost = [run for run in job.runs if run.id not in outcomes]
            failure = sentence(error), is_passing(error)
            outcomes |= {run.id: Outcome(run, "failed", *failure) for run in lost}


def _do(
    study: str,
    runs: Sequence[Run],
    study_folder: Path,
    track: Sequence[str],
    observer: Observer | None,
) -> dict[str, Outcome]:
    """Do all steps of runs whose locks are held; return outcomes by run id."""
    folders = {run.id: run_folder(study_folder, run.id) for run in runs}
    known = {run.id: read_record(folders[run.id]) for run in runs}
    done = {name: record for name, record in known.items() if record and _finished(record)}
    todo = [run for run in runs if run.id not in done]
    begun = {run.id: begin(folders[run.id], run, study) for run in todo}
    start = time.perf_counter()
    try:
        failures = do_steps(todo, study_folder, track, observer) if todo else {}
    except BaseException as stop:
        pruned = isinstance(stop, TrialPruned)
        for name, record in begun.items():
            with suppress(ResultsError):
                end(
                    folders[name],
                    record,
                    "pruned" if pruned else "interrupted",
                    str(stop) if pruned else None,
                    _share(start, todo),
                )
        raise
    for name, record in begun.items():
        folder, seconds = folders[name], _share(start, todo)
        failed = name in failures
        done[name] = (
            fail(folder, record, failures[name], seconds)
            if failed
            else end(folder, record, "finished", None, seconds)
        )
    passing = {name for name, failure in failures.items() if is_passing(failure)}
    return {run.id: _outcome(run, done[run.id], run.id in passing) for run in runs}


def _share(start: float, runs: Sequence[Run]) -> float:
    """Return the seconds since `start` per run."""
    return (time.perf_counter() - start) / len(runs)


def _finished(record: Record) -> bool:
    return record.state == "finished"


def _busy(run: Run) -> Outcome:
    return Outcome(run, "busy", f"run {run.id} is being executed by another process", passing=True)


def _outcome(run: Run, record: Record, passing: bool = False) -> Outcome:
    return Outcome(run, "finished" if _finished(record) else "failed", record.error, passing)


def _report(job: Job, outcomes: Mapping[str, Outcome]) -> Report:
    return Report(job, tuple(outcomes[run.id] for run in job.runs))
