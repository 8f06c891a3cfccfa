"""Does jobs on a Ray cluster: on the machine at hand, or on one that is running already."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import torch

from assume_rl.errors import ConfigurationError
from assume_rl.studies.executors.protocol import Do, Executor, Task, Tasks
from assume_rl.studies.jobs import Job, Report

AHEAD = 2  # jobs in flight per processor of the cluster, so that none waits for the next
GRACE = 10.0  # seconds in which tasks that are to stop may write down where they were
KNOCK = 10.0  # seconds for the cluster to answer
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Tasks ask for no GPU, but may use one where the study does.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def ray_executor(workers: int, address: str | None) -> Iterator[Executor]:
    """See `EXECUTORS`; without an address, a cluster of `workers` processes on this machine."""
    if address is not None and workers != 1:
        raise ConfigurationError("workers are those of the cluster at the address; name none")
    ray = _library()
    if ray.is_initialized():
        yield Cluster(ray)
        return
    own = {"address": "local", "num_cpus": workers, "include_dashboard": False}
    try:
        if address is not None:
            _knock(address)
        place = own if address is None else {"address": address}
        with _signals_kept():
            ray.init(**place, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigurationError(f"Ray at '{address or 'local'}': {reason}") from None
    try:
        yield Cluster(ray)
    finally:
        ray.shutdown()


class Cluster:
    """The Ray cluster that this process is connected to."""

    def __init__(self, ray: ModuleType) -> None:
        self._ray = ray

    @property
    def workers(self) -> int:
        """Processors of the cluster at this moment."""
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
        """Take what has come of a task, or see that its worker is lost."""
        exceptions = self._ray.exceptions
        try:
            yield self._ray.get(reference)
        except exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except exceptions.RayError as error:
            yield from tasks.lost(task, f"the worker process died, {type(error).__name__}")

    def _cancel(self, references: list[Any]) -> None:
        """Interrupt what is in flight; what does not stop then is killed."""
        if not references or not self._ray.is_initialized():
            return
        for reference in references:
            self._ray.cancel(reference)
        _, left = self._ray.wait(references, num_returns=len(references), timeout=GRACE)
        for reference in left:
            self._ray.cancel(reference, force=True)


def _knock(address: str) -> None:
    """`OSError` if there is no answer from host:port; Ray itself would try for minutes."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.port is not None:
        socket.create_connection((place.hostname, place.port), timeout=KNOCK).close()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """SIGTERM means what it meant before: Ray would end this process with a stack trace."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if before is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def _do(work: Do, job: Job) -> Report:
    torch.set_num_threads(1)
    return work(job)


def _library() -> ModuleType:
    """Ray, with its messages switched off."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError:
        raise ConfigurationError(
            "the executor ray needs Ray: pip install 'assume-rl[ray]'"
        ) from None
    return ray
