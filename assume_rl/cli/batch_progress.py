"""How far a batch is, while it runs: a bar, or lines for logs."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from assume_rl.studies.driver import StudyObserver, Unobserved
from assume_rl.studies.jobs import Job, Report
from assume_rl.studies.types import Run

NAMED = 3  # runs that a bar names


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
        """Move the bar; failed runs count, as they are not continued."""
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
