"""How far a batch is, while it runs: a bar, or lines for logs."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from assume_rl.cli.pace import Heartbeat, Pace, duration
from assume_rl.studies.driver import StudyObserver, Unobserved
from assume_rl.studies.jobs import Job, Report
from assume_rl.studies.types import Run

NAMED = 3  # runs that a bar names


@contextmanager
def study_watching(console: Console, quiet: bool) -> Iterator[StudyObserver]:
    """Yield the observer that suits the terminal."""
    if quiet:
        yield Unobserved()
    elif console.is_terminal:
        with StudyBar(console) as bar:
            yield bar
    else:
        with StudyLines(console) as lines:
            yield lines


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
    """A line per run that has ended, and one a minute where none ends; for logs."""

    def __init__(self, console: Console) -> None:
        self._heart = Heartbeat(console, self.now)
        self._pace: Pace | None = None
        self._running: dict[str, tuple[str, Pace]] = {}  # by run id

    def __enter__(self) -> "StudyLines":
        self._heart.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._heart.__exit__()

    def begin(self, total: int, finished: int) -> None:
        """Say how much is to be done."""
        self._pace = Pace(total, finished)
        self._heart.print(f"{total} runs, {finished} of them finished")

    def started(self, job: Job) -> None:
        """Note which runs are at work."""
        self._running |= {run.id: (named(run), Pace(1.0)) for run in job.runs}

    def ended(self, report: Report) -> None:
        """Print what became of each run."""
        for outcome in report.outcomes:
            self._running.pop(outcome.run.id, None)
            reason = f": {outcome.error}" if outcome.error else ""
            run = named(outcome.run)
            self._heart.print(f"{self._count()} {run}: {outcome.state}{reason}")

    def _count(self) -> str:
        """Return how many runs have ended with the one that just has."""
        assert self._pace is not None  # a study begins before its runs end
        self._pace.come_to(self._pace.done + 1)
        return f"{self._pace.done:.0f}/{self._pace.total:.0f}"

    def now(self) -> str:
        """Return a line on the current work."""
        if self._pace is None:
            return "starting"
        running = list(self._running.values())
        names = [f"{name} for {duration(own.elapsed)}" for name, own in running[:NAMED]]
        more = f" and {len(running) - NAMED} more" if len(running) > NAMED else ""
        left = self._pace.left
        rest = "" if left is None else f"; about {duration(left)} left"
        ended = f"{self._pace.done:.0f} of {self._pace.total:.0f} runs have ended"
        return f"{ended}, at work: {'; '.join(names) or 'none'}{more}{rest}"


def named(run: Run) -> str:
    """Return the name of a run as people read it."""
    return f"{run.design}, seed {run.seed}" if run.design else f"seed {run.seed}"
