"""Does jobs on a Ray cluster: on the machine at hand, or on one that is running already."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

from assume_rl.errors import ConfigurationError
from assume_rl.experiments.ray_cluster import ray_cluster
from assume_rl.studies.executors.protocol import Do, Executor, Task, Tasks
from assume_rl.studies.jobs import Job, Report

AHEAD = 2  # jobs in flight per processor of the cluster, so that none waits for the next
GRACE = 10.0  # seconds in which tasks that are to stop may write down where they were


@contextmanager
def ray_executor(workers: int, address: str | None) -> Iterator[Executor]:
    """See `EXECUTORS`; without an address, a cluster of `workers` processes on this machine."""
    if address is not None and workers != 1:
        raise ConfigurationError("workers are those of the cluster at the address; name none")
    with ray_cluster(workers, address, needed_by="the executor ray") as ray:
        yield Cluster(ray)


class Cluster:
    """The Ray cluster that this process is connected to."""

    def __init__(self, ray: ModuleType) -> None:
        self._ray = ray

    @property
    def workers(self) -> int:
        """Return the present number of processors of the cluster."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def run(self, jobs: Iterable[Job], work: Do) -> Generator[Report, None, None]:
        """See `Executor.run`."""
        ray, tasks = self._ray, Tasks(jobs)
        do = ray.remote(num_cpus=1, max_retries=0)(_do)  # `Tasks` knows how to try again
        flying: dict[Any, Task] = {}  # by reference to what comes of it
        try:
            while True:
                while len(flying) < AHEAD * self.workers:
                    task = tasks.next()
                    if task is None:
                        break
                    flying[do.remote(work, task.job)] = task
                if not flying:
                    return
                ended, _ = ray.wait(list(flying), num_returns=1)
                for reference in ended:
                    yield from self._hear(reference, flying.pop(reference), tasks)
        finally:
            self._cancel(list(flying))

    def _hear(self, reference: Any, task: Task, tasks: Tasks) -> Iterator[Report]:
        """Receive the result of a task, or notice that its worker is lost."""
        exceptions = self._ray.exceptions
        try:
            yield self._ray.get(reference)
        except exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except exceptions.RayError as error:
            yield from tasks.lost(task, f"the worker process died, {type(error).__name__}")

    def _cancel(self, references: list[Any]) -> None:
        """Interrupt tasks in flight; those that do not stop are killed."""
        if not references or not self._ray.is_initialized():
            return
        for reference in references:
            self._ray.cancel(reference)
        _, left = self._ray.wait(references, num_returns=len(references), timeout=GRACE)
        for reference in left:
            self._ray.cancel(reference, force=True)


def _do(work: Do, job: Job) -> Report:
    torch.set_num_threads(1)
    return work(job)
