"""Trainings by several processes that torchrun started: all play the same, and share gradients.

The first process writes; what the others write is thrown away.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist

from assume_rl.errors import ConfigurationError
from assume_rl.experiments.case import Places
from assume_rl.experiments.train_places import Place
from assume_rl.learning.processes import ALONE, Processes, joined


@contextmanager
def meeting() -> Iterator[Processes]:
    """Join the processes that torchrun started, so that they learn together, if there are any."""
    if not (dist.is_available() and dist.is_torchelastic_launched()):
        yield ALONE
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    try:
        yield joined()
    finally:
        dist.destroy_process_group()


@contextmanager
def shared_places(
    places: Sequence[Place], engine: str, *, resume: bool
) -> Iterator[Sequence[Place]]:
    """Yield where this process writes: the first to `places`, others to a folder that vanishes.

    :param places: of the training; seeds are those of the first process
    :param engine: that trains
    :param resume: whether a training is resumed
    :raises ConfigurationError: several processes cannot do this
    """
    processes = joined()
    if processes.count == 1:
        yield places
        return
    if engine != "batch":
        raise ConfigurationError("several processes train on the batch engine only")
    if resume:
        raise ConfigurationError("a training is resumed by one process: leave torchrun out")
    seeds = torch.tensor([place.seed for place in places])
    dist.broadcast(seeds, src=0)
    chosen = [replace(place, seed=seed) for place, seed in zip(places, seeds.tolist(), strict=True)]
    if processes.rank == 0:
        yield chosen
        return
    with TemporaryDirectory() as folder:
        yield [
            replace(place, places=Places(out=Path(folder) / str(place.seed)), copies=False)
            for place in chosen
        ]
