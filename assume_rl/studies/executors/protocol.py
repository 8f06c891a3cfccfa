"""The contract of executors."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from assume_rl.studies.jobs import Job, Report

ATTEMPTS = 3  # at a job whose worker is lost, e.g. killed for want of memory

Do = Callable[[Job], Report]


@dataclass(frozen=True)
class Task:
    """A job and how many workers it has cost."""

    job: Job
    deaths: int = 0


class Tasks:
    """The tasks to do: first those that have lost their worker, then new jobs."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._new = iter(jobs)
        self._again = deque[Task]()

    def next(self) -> Task | None:
        """Return a task for a free worker; None if there is none."""
        if self._again:
            return self._again.popleft()
        job = next(self._new, None)
        return None if job is None else Task(job)

    def lost(self, task: Task, reason: str) -> Iterator[Report]:
        """Repeat a task whose worker was lost, run by run: together they may be too big.

        Yields what became of it, if that was the last attempt.
        """
        deaths = task.deaths + 1
        if deaths == ATTEMPTS:
            yield Report(task.job, (), reason)
            return
        self._again.extend(Task(Job(task.job.study, (run,)), deaths) for run in task.job.runs)


class Executor(Protocol):
    """Does jobs, several at a time."""

    @property
    def workers(self) -> int:
        """Return the number of jobs that run at the same time."""
        ...

    def run(self, jobs: Iterable[Job], work: Do) -> Generator[Report, None, None]:
        """Do all jobs; yield reports in the order in which they end.

        Jobs are taken from the iterable when a worker is free for them, so that their number does
        not matter. A job whose worker was lost is given to another one; a job that loses
        `ATTEMPTS` workers gives a report that says so. What `work` raises is raised here. When the
        generator is closed, or Ctrl-C is pressed, workers stop.
        """
        ...
