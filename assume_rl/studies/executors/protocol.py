"""What an executor is."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from assume_rl.studies.jobs import Job, Report

ATTEMPTS = 3  # at a job whose worker is lost, e.g. killed for want of memory

Do = Callable[[Job], Report]


class Executor(Protocol):
    """Does jobs, several at a time."""

    @property
    def workers(self) -> int:
        """Jobs that are done at the same time."""
        ...

    def run(self, jobs: Iterable[Job], work: Do) -> Iterator[Report]:
        """Do all jobs; reports come in the order in which they end.

        Jobs are taken from the iterable when there is somebody for them, so that their number does
        not matter. A job whose worker was lost is given to another one; a job that loses
        `ATTEMPTS` workers gives a report that says so. What `work` raises is raised here. When the
        iterator is closed, or Ctrl-C is pressed, workers stop.
        """
        ...
