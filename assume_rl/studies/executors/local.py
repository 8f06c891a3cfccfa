"""Does jobs in this process, or in long-lived processes on this machine."""

import os
import signal
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from assume_rl.errors import ConfigurationError
from assume_rl.studies.executors.protocol import Do, Executor, Task, Tasks
from assume_rl.studies.executors.worker import SIGNALS, UP, serve
from assume_rl.studies.jobs import Job, Report

GRACE = 10.0  # seconds in which a worker that is to stop may write down where it was


@contextmanager
def local_executor(workers: int, address: str | None) -> Iterator[Executor]:
    """See `EXECUTORS`; one worker is this process itself."""
    if address is not None:
        raise ConfigurationError("--address is that of a Ray cluster: add --executor ray")
    yield Serial() if workers == 1 else Local(workers)


class Serial:
    """One job after the other in this process."""

    workers = 1

    def run(self, jobs: Iterable[Job], work: Do) -> Generator[Report, None, None]:
        """See `Executor.run`; there is no other machine to lose."""
        yield from map(work, jobs)


@dataclass
class _Worker:
    """A process at the other end of a pipe."""

    process: SpawnProcess
    pipe: Connection  # a socket pair: it ends with the process
    task: Task | None = None
    up: bool = False  # it has been heard of


class Local:
    """Processes with one thread each, as many as there are jobs for, at most `workers`."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, jobs: Iterable[Job], work: Do) -> Generator[Report, None, None]:
        """See `Executor.run`."""
        tasks = Tasks(jobs)
        pool: list[_Worker] = []
        try:
            while True:
                while sum(worker.task is not None for worker in pool) < self.workers:
                    task = tasks.next()
                    if task is None:
                        break
                    _give(pool, work, task)
                busy = {worker.pipe: worker for worker in pool if worker.task is not None}
                if not busy:
                    return
                for pipe in wait(list(busy)):
                    yield from _hear(busy[pipe], pool, tasks)  # type: ignore[index]
        finally:
            _end(pool)


def _give(pool: list[_Worker], work: Do, task: Task) -> None:
    """Send a task to an idle worker, a new one if there is none."""
    worker = next((w for w in pool if w.task is None), None)
    if worker is None:
        worker = _start(pool, work)
    worker.task = task
    with suppress(OSError):  # it may have died, as hearing of it will tell
        worker.pipe.send(task.job)


def _start(pool: list[_Worker], work: Do) -> _Worker:
    """Return a new worker, in the pool before any signal can arrive."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, work), daemon=True)
    worker = _Worker(process, ours)
    with _quiet_start():
        process.start()
        theirs.close()
        pool.append(worker)
    return worker


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Start processes with one OpenMP thread, and with signals blocked until they unblock them."""
    before = os.environ.get("OMP_NUM_THREADS")
    resource_tracker.ensure_running()  # else the first process starts it, which unblocks signals
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        del os.environ["OMP_NUM_THREADS"]
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # may raise KeyboardInterrupt


def _hear(worker: _Worker, pool: list[_Worker], tasks: Tasks) -> Iterator[Report]:
    """Receive messages of a busy worker, or notice that it has died."""
    assert worker.task is not None
    try:
        answer = worker.pipe.recv()
    except (EOFError, OSError):
        pool.remove(worker)
        yield from tasks.lost(worker.task, _farewell(worker))
        return
    worker.up = True
    if answer == UP:
        return
    worker.task = None
    if isinstance(answer, Exception):
        raise answer
    yield answer


def _farewell(worker: _Worker) -> str:
    """Return why a worker died; `ConfigurationError` if no worker can be started."""
    worker.pipe.close()
    worker.process.join()
    code = worker.process.exitcode or 0
    if code > 0 and not worker.up:
        raise ConfigurationError(
            f"worker processes cannot be started (exit code {code}, see above); a script of your "
            "own must call run_study under `if __name__ == '__main__':`"
        )
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"the worker process died, {how}"


def _end(pool: list[_Worker]) -> None:
    """Stop idle workers by closing their pipes; let busy ones save their progress first."""
    for worker in pool:
        if not (worker.up or worker.pipe.poll()):
            worker.process.kill()  # it is still starting, and deaf meanwhile
        elif worker.task is not None:
            worker.process.terminate()
        worker.pipe.close()
    deadline = time.monotonic() + GRACE
    for worker in pool:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join()
