"""What `assume-rl batch` prints: progress, how far a study is, what it has come to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import make_url

from assume_rl.studies.driver import StudyObserver, StudyResult, Unobserved
from assume_rl.studies.estimate import Cost, Estimate
from assume_rl.studies.jobs import Job, Outcome, Report
from assume_rl.studies.status import Stage, Status
from assume_rl.studies.types import Run, Study

SHOWN = 20  # failures that are told one by one
NAMED = 3  # runs that a bar names
STAGES: tuple[Stage, ...] = get_args(Stage)


@contextmanager
def study_watching(console: Console, quiet: bool) -> Iterator[StudyObserver]:
    """The observer that suits the terminal."""
    if quiet:
        yield Unobserved()
    elif console.is_terminal:
        with StudyBar(console) as bar:
            yield bar
    else:
        yield StudyLines(console)


class StudyBar:
    """A bar of runs, and which of them are at work."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("runs"),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("starting")
        self._running: dict[str, str] = {}
        self._failed = 0

    def __enter__(self) -> "StudyBar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, total: int, finished: int) -> None:
        """Set the length of the bar."""
        self._progress.update(self._task, total=total, completed=finished)

    def started(self, job: Job) -> None:
        """Name its runs."""
        self._running |= {run.id: named(run) for run in job.runs}
        self._describe()

    def ended(self, report: Report) -> None:
        """Move the bar; failed runs count, as nobody is at them any more."""
        for outcome in report.outcomes:
            self._running.pop(outcome.run.id, None)
            self._failed += outcome.state != "finished"
        self._progress.advance(self._task, len(report.outcomes))
        self._describe()

    def _describe(self) -> None:
        names = list(self._running.values())
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        failed = f"[red]{self._failed} failed[/red]  " if self._failed else ""
        running = escape("; ".join(names[:NAMED]))
        self._progress.update(self._task, description=f"{failed}{running}{more}")


class StudyLines:
    """A line per run that has ended, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = self._done = 0

    def begin(self, total: int, finished: int) -> None:
        """Say how much is to be done."""
        self._total, self._done = total, finished
        self._print(f"{total} runs, {finished} of them finished")

    def started(self, job: Job) -> None:
        """Nothing to say."""

    def ended(self, report: Report) -> None:
        """Print what became of each run."""
        for outcome in report.outcomes:
            self._done += 1
            reason = f": {outcome.error}" if outcome.error else ""
            run = named(outcome.run)
            self._print(f"{self._done}/{self._total} {run}: {outcome.state}{reason}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def named(run: Run) -> str:
    """A run for people."""
    return f"{run.design}, seed {run.seed}" if run.design else f"seed {run.seed}"


def print_status(console: Console, study: Study, status: Status) -> None:
    """Print counts by design, then every run that is at work, stopped or failed."""
    _print_designs(console, status)
    for row in status.rows:
        if row.stage in ("running", "interrupted", "failed"):
            _print(console, f"{row.stage}: {named(row.run)} ({row.run.id}): {row.detail}")
    ended = [row for row in status.rows if row.stage in ("finished", "failed")]
    missing = sum(not row.stored for row in ended)
    if missing:
        _print(console, f"{missing} runs that have ended are not in the study database yet")
    _print(console, f"results: {study.folder}")


def print_estimate(console: Console, estimated: Estimate, workers: int) -> None:
    """Print the runs of each design and what they would cost."""
    table = Table("design", "runs", "finished", "a run takes", "known from")
    for design, own in _by_design(estimated).items():
        mean = sum(cost.seconds for cost in own) / len(own)
        source = "finished runs" if own[0].measured else "a short trial"
        counts = (str(len(own)), str(sum(cost.finished for cost in own)))
        table.add_row(escape(design), *counts, duration(mean), source)
    console.print(table)
    left = sum(not cost.finished for cost in estimated.costs)
    _print(
        console,
        f"{len(estimated.costs)} runs, {left} to do: about {duration(estimated.total)} of one "
        f"processor; with --workers {workers} about {duration(estimated.with_workers(workers))}, "
        "if there are as many free processors. This is an estimate.",
    )


def _by_design(estimated: Estimate) -> dict[str, list[Cost]]:
    found: dict[str, list[Cost]] = {}
    for cost in estimated.costs:
        found.setdefault(cost.run.design, []).append(cost)
    return found


def duration(seconds: float) -> str:
    """So many seconds for people.

    >>> [duration(seconds) for seconds in (0.25, 59.7, 3600, 200_000)]
    ['0.2 s', '1 min', '1.0 h', '2.3 d']
    """
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    if seconds < 3600 - 30:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} d"


def print_result(console: Console, study: Study, result: StudyResult) -> None:
    """Print counts by design, what failed and why, where results are and what to do next."""
    _print_designs(console, result.status)
    errors = Console(stderr=True)
    _print_failures(errors, result.failures)
    if result.not_stored:
        _print(
            errors,
            f"not all runs are in the study database yet: {result.not_stored}; their folders hold "
            "everything, and the same command stores them",
        )
    shown = make_url(result.database).render_as_string()
    _print(console, f"results: {study.folder}")
    _print(console, f"study database: {shown}")
    _print(console, f"next: assume-rl report {study.folder}")


def _print_failures(console: Console, failures: tuple[Outcome, ...]) -> None:
    for outcome in failures[:SHOWN]:
        _print(console, f"failed: {named(outcome.run)} ({outcome.run.id}): {outcome.error}")
    if len(failures) > SHOWN:
        _print(console, f"and {len(failures) - SHOWN} more: see --status")
    if failures:
        _print(console, "the same command tries them again")


def _print_designs(console: Console, status: Status) -> None:
    """A row per design, with a column for every stage that any run is at."""
    counts = status.counts
    stages = [stage for stage in STAGES if counts.get(stage) or stage == "finished"]
    table = Table("design", *stages, "of")
    for design, own in status.designs.items():
        numbers = [str(own.get(stage, 0)) for stage in stages]
        table.add_row(escape(design), *numbers, str(sum(own.values())))
    console.print(table)


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
