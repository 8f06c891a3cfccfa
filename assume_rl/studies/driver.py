"""Runs the rest of a study, job by job, on an executor."""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy import make_url

from assume_rl.errors import ResultsError
from assume_rl.results.files import MANIFEST
from assume_rl.results.gather import ENDED
from assume_rl.results.owner import TakenError, owned
from assume_rl.studies.attempts import relabel
from assume_rl.studies.execute import PATIENCE, Work, record_death
from assume_rl.studies.executors import open_executor
from assume_rl.studies.jobs import Job, Outcome, Report, jobs_of
from assume_rl.studies.place import database_url, recorded_database
from assume_rl.studies.records import STUDY, now, write_json
from assume_rl.studies.status import Status, status
from assume_rl.studies.storing import is_stored, store, unstored
from assume_rl.studies.types import Study

LAST_PATIENCE = 60.0  # seconds for a database, when there is nothing else left to do


class StudyObserver(Protocol):
    """Is called as a study proceeds."""

    def begin(self, total: int, finished: int) -> None:
        """Take the number of runs, and of those that are finished already."""
        ...

    def started(self, job: Job) -> None:
        """Note that an executor has taken a job."""
        ...

    def ended(self, report: Report) -> None:
        """Note that a job has ended."""
        ...


class Unobserved:
    """Ignores everything."""

    def begin(self, total: int, finished: int) -> None:
        """Do nothing."""

    def started(self, job: Job) -> None:
        """Do nothing."""

    def ended(self, report: Report) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class StudyResult:
    """The results of a study."""

    status: Status
    failures: tuple[Outcome, ...]  # of this time: failed, or busy elsewhere
    not_stored: str | None  # why the study database lacks runs, if it does
    database: str  # SQLAlchemy URL

    @property
    def complete(self) -> bool:
        """Return whether every run is finished and in the study database."""
        return not self.failures and self.not_stored is None


def run_study(
    study: Study,
    *,
    workers: int = 1,
    executor: str = "local",
    address: str | None = None,
    observer: StudyObserver | None = None,
) -> StudyResult:
    """Do the runs that are not finished; those that failed earlier are tried again.

    Whatever stops it, calling it again resumes it; results are the same. A run that fails is
    recorded and stops no other.

    :param workers: processes with a thread each; with 1, this one does the runs itself.
    :param executor: `local` or `ray`.
    :param address: of a Ray cluster; None: one on this machine with `workers` processes.
    :raises ResultsError: the study folder or its database cannot be used, or another process is
        at the study.
    :raises ConfigurationError: there is no such executor, or it cannot be started.
    """
    study = replace(study, folder=study.folder.absolute())  # workers may be in another folder
    watcher, url = observer or Unobserved(), database_url(study)
    with alone(study, "; --status shows how far the study is"):
        before = status(study)
        _relabel(study, before)
        store_late(study, before, url)
        todo = [row.run for row in before.rows if row.stage != "finished"]
        token = write_study(study)
        watcher.begin(len(study.runs), len(study.runs) - len(todo))
        # The locks of SQLite do not work between machines, so only this one writes to it.
        one_writer = executor != "local" and make_url(url).get_backend_name() == "sqlite"
        work = Work(study.folder, None if one_writer else url, study.track, token)
        with open_executor(executor, workers, address) as pool:
            jobs = _announced(jobs_of(study.name, todo, pool.workers), watcher)
            with closing(pool.run(jobs, work)) as reports:  # whatever happens, workers stop
                failures = [
                    outcome
                    for report in reports
                    for outcome in _settled(report, work, url, watcher).outcomes
                    if outcome.state != "finished"
                ]
        reason = store_rest(study, url)
        return StudyResult(status(study), tuple(failures), reason, url)


@contextmanager
def alone(study: Study, hint: str = "") -> Iterator[None]:
    """Hold the lock of the study folder; raise `TakenError`, with a hint, if it is taken.

    :raises ResultsError: there is a run of its own in the folder
    """
    if (study.folder / MANIFEST).is_file():
        raise ResultsError(f"'{study.folder}' holds a run, not a study; choose another --out")
    with ExitStack() as held:
        try:
            held.enter_context(owned(study.folder, what=f"study folder '{study.folder}'"))
        except TakenError as error:
            raise TakenError(f"{error}{hint}") from None
        yield


def write_study(study: Study) -> str:
    """Write the study; return an id that distinguishes this folder from others of its name."""
    token = secrets.token_hex(8)
    content = {
        "name": study.name,
        "file": str(study.file),
        "token": token,
        "asked": now(),
        "database": recorded_database(study),
        "track": list(study.track),
        "plugins": {p.name: p.sha256 for run in study.runs for s in run.steps for p in s.plugins},
        "runs": [{"id": run.id, "design": run.design, "seed": run.seed} for run in study.runs],
    }
    write_json(study.folder / STUDY, content)
    return token


def _announced(jobs: Iterable[Job], watcher: StudyObserver) -> Iterator[Job]:
    for job in jobs:
        watcher.started(job)
        yield job


def _settled(report: Report, work: Work, url: str, watcher: StudyObserver) -> Report:
    """Write records that the workers could not, and notify the observer."""
    if report.died is not None:
        report = record_death(report.job, work.folder, report.died)
    if work.database is None:
        ended = [one.run.id for one in report.outcomes if one.state != "busy"]
        store(work.folder, ended, url, PATIENCE)
    watcher.ended(report)
    return report


def _relabel(study: Study, before: Status) -> None:
    """Rename runs that have ended to the study's present labels."""
    for row in before.rows:
        if row.stage in ENDED:
            relabel(study.folder, row.run, study.name)


def store_late(study: Study, before: Status, url: str) -> None:
    """Store earlier results that the database lacks; it must be reachable to begin."""
    ended = [(row.run.id, row.stage) for row in before.rows if row.stage in ENDED]
    late = unstored(study.folder, ended, url, PATIENCE)
    store(study.folder, late, url, PATIENCE)


def store_rest(study: Study, url: str) -> str | None:
    """Store results that could not be stored earlier; return why that failed, else None."""
    ended = [row for row in status(study).rows if row.stage in ENDED]
    rest = [row.run.id for row in ended if not is_stored(study.folder, row.run.id)]
    return store(study.folder, rest, url, LAST_PATIENCE) if rest else None
