"""Who does the jobs of a study: this process, processes on this machine, a cluster."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from assume_rl.errors import ConfigurationError, nearest
from assume_rl.studies.executors.local import local_executor
from assume_rl.studies.executors.protocol import Executor
from assume_rl.studies.executors.ray import ray_executor

__all__ = ["EXECUTORS", "Executor", "open_executor"]

EXECUTORS: dict[str, Callable[[int, str | None], AbstractContextManager[Executor]]] = {
    "local": local_executor,
    "ray": ray_executor,
}
"""By name: workers and the address of a cluster to an executor, which is closed in the end."""


def open_executor(name: str, workers: int, address: str | None) -> AbstractContextManager[Executor]:
    """Return the executor called `name`; `ConfigurationError` if there is none."""
    if name not in EXECUTORS:
        raise ConfigurationError(f"there is no executor '{name}': {nearest(name, EXECUTORS)}")
    if workers < 1:
        raise ConfigurationError(f"workers must be at least 1, got {workers}")
    return EXECUTORS[name](workers, address)
