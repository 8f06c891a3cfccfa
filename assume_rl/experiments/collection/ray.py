"""Workers that play episodes as actors of a Ray cluster."""

import os
import pickle
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from types import ModuleType
from typing import Any

import torch

from assume_rl.errors import ConfigurationError
from assume_rl.experiments.collection.orders import Order, Piece, Pool, Stage, WorkerLost
from assume_rl.experiments.collection.players import player_of
from assume_rl.experiments.ray_cluster import ray_cluster
from assume_rl.learning.acting import Policies
from assume_rl.scenario.found_plugins import Plugin
from assume_rl.scenario.plugins import load_same

PATIENCE = 300.0  # seconds that a worker may take to start


@contextmanager
def ray_workers(workers: int, address: str | None) -> Iterator[Callable[[Stage], Pool]]:
    """Connect to a cluster; yield a function that opens a pool of workers there.

    :param workers: of a pool, each of which takes one processor
    :param address: of a cluster that is running; None: one of this machine, as long as it takes
    :raises ConfigurationError: Ray is not installed, or the cluster cannot be reached or is too
        small
    """
    if workers < 1:
        raise ConfigurationError(f"rollout workers must be at least 1, got {workers}")
    with ray_cluster(workers, address, needed_by="--rollout-workers") as ray:
        there = int(ray.cluster_resources().get("CPU", 0))
        if there < workers:
            raise ConfigurationError(
                f"{workers} rollout workers take a processor each, but the cluster has {there}"
            )
        yield partial(RayPool, ray, workers)


@dataclass(frozen=True)
class Shipped:
    """The data for a worker on another machine: a stage, readable once its plug-ins are loaded."""

    package: str  # its version
    plugins: tuple[Plugin, ...]
    stage: bytes

    @classmethod
    def of(cls, stage: Stage) -> "Shipped":
        """Return a stage ready to be sent."""
        scenario = stage.task.compiled.scenario
        return cls(version("assume-rl"), scenario.plugins, pickle.dumps(stage))

    def unpacked(self) -> Stage:
        """Return the stage.

        :raises ConfigurationError: this machine has another version of the package or of a plug-in
        """
        here = version("assume-rl")
        if here != self.package:
            raise ConfigurationError(
                f"the rollout worker on {socket.gethostname()} has assume-rl {here}, the trainer "
                f"{self.package}"
            )
        changed = load_same(self.plugins)
        if changed is not None:
            raise ConfigurationError(
                f"the rollout worker on {socket.gethostname()} has another version of the "
                f"plug-in '{changed.name}' than the trainer"
            )
        stage: Stage = pickle.loads(self.stage)
        return stage


class Worker:
    """An actor of the cluster: it begins with `prepare`."""

    def prepare(self, shipped: Shipped) -> tuple[str, int]:
        """Make ready to play; return host and process."""
        torch.set_num_threads(1)
        self._player = player_of(shipped.unpacked())
        return socket.gethostname(), os.getpid()

    def play(self, order: Order, policies: Policies) -> Piece:
        """See `Player.play`."""
        return self._player.play(order, policies)


class RayPool:
    """A `Pool` on a Ray cluster.

    :param ray: connected to the cluster
    :param workers: how many
    :param stage: of the training
    :raises ConfigurationError: workers cannot start there
    """

    reliable = False

    def __init__(self, ray: ModuleType, workers: int, stage: Stage) -> None:
        self._ray, self.workers = ray, workers
        # The cluster is asked for nothing again: the collector knows what a lost worker had to do.
        self._kind = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Worker)
        self._shipped = ray.put(Shipped.of(stage))
        self._actors = [self._kind.remote() for _ in range(workers)]
        starting = [actor.prepare.remote(self._shipped) for actor in self._actors]
        self.places = [self._started(one) for one in starting]  # host and process of each

    def publish(self, policies: Policies) -> Any:
        """See `Pool.publish`; each machine fetches them once."""
        return self._ray.put(policies.to(torch.device("cpu")))

    def send(self, worker: int, order: Order, policies: Any) -> Any:
        """See `Pool.send`."""
        return self._actors[worker].play.remote(order, policies)

    def result(self, worker: int, ticket: Any) -> Piece:
        """See `Pool.result`; errors of a worker are raised here."""
        try:
            piece: Piece = self._answer(ticket)
        except self._ray.exceptions.RayError as error:
            host, process = self.places[worker]
            raise WorkerLost(f"process {process} on {host}, {type(error).__name__}") from None
        return piece

    def renew(self, worker: int) -> None:
        """See `Pool.renew`."""
        self._ray.kill(self._actors[worker])
        self._actors[worker] = self._kind.remote()
        self.places[worker] = self._started(self._actors[worker].prepare.remote(self._shipped))

    def close(self) -> None:
        """See `Pool.close`."""
        if self._ray.is_initialized():
            for actor in self._actors:
                self._ray.kill(actor)

    def _answer(self, ticket: Any, timeout: float | None = None) -> Any:
        """Wait for a worker's result or error."""
        try:
            return self._ray.get(ticket, timeout=timeout)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None

    def _started(self, ticket: Any) -> tuple[str, int]:
        """Wait for a worker to be ready; return its host and process."""
        try:
            place: tuple[str, int] = self._answer(ticket, PATIENCE)
        except self._ray.exceptions.GetTimeoutError:
            raise ConfigurationError(
                f"a rollout worker has not started within {PATIENCE:g} s: the cluster may have no "
                "processor left for it"
            ) from None
        except self._ray.exceptions.RayError as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ConfigurationError(f"a rollout worker did not start: {reason}") from None
        return place
