"""Who is to play the episodes of a training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from assume_rl.errors import ConfigurationError
from assume_rl.experiments.collection.orders import Pool, Stage
from assume_rl.experiments.collection.ray import ray_workers
from assume_rl.experiments.train_task import Task
from assume_rl.learning.processes import joined

OpenPool = Callable[[Stage], Pool]


@dataclass(frozen=True)
class Workers:
    """Rollout workers on a Ray cluster."""

    count: int
    address: str | None = None  # of a cluster that is running; None: one of this machine

    @classmethod
    def of(cls, count: int | None, address: str | None) -> "Workers | None":
        """Return the workers of two options; None: there are none.

        :param count: how many; None: this process plays
        :param address: of their cluster; None: this machine
        :raises ConfigurationError: an address is given, but no number
        """
        if count is not None:
            return cls(count, address)
        if address is not None:
            raise ConfigurationError(
                f"there are no rollout workers to be at the address '{address}': say how many, "
                "--rollout-workers N"
            )
        return None


@contextmanager
def opened(workers: Workers | None, task: Task) -> Iterator[OpenPool | None]:
    """Yield a function that opens a pool of workers; None: this process plays.

    :param workers: who they are
    :param task: that they play for
    :raises ConfigurationError: there are no such workers
    """
    if workers is None:
        yield None
        return
    if joined().count > 1:
        raise ConfigurationError("rollout workers play for one process: leave torchrun out")
    with ray_workers(workers.count, workers.address) as open_pool:
        yield open_pool
