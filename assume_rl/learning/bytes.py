"""Estimates of the bytes that a learner takes, made before they are allocated."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from assume_rl.learning.build import build_nets, extra_sizes, fleet_of
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.data.batches import Batches
from assume_rl.learning.data.replay import Replay
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.types import AgentSpec

NOWHERE = torch.device("meta")  # tensors there have shapes and no data


@dataclass(frozen=True)
class Bytes:
    """Bytes of a learner's lasting tensors; batches and activations come on top."""

    networks: int  # actors and critics, their targets and gradients
    optimizers: int
    replay: int  # when it is full, with priorities; rows take up RAM as they are written

    @property
    def total(self) -> int:
        """Return the bytes of all parts."""
        return self.networks + self.optimizers + self.replay


def estimate(
    config: LearningConfig,
    agents: Sequence[AgentSpec],
    *,
    seeds: int = 1,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Bytes:
    """Return the `Bytes` that a `Learner` with these settings would take; nothing is allocated.

    :param config: of the learner
    :param agents: that learn
    :param seeds: number of seeds
    :param device: of the learner
    :param dtype: of the learner
    """
    fleet = fleet_of(config, agents, seeds, device)
    nets = [net for own in build_nets(config, fleet, NOWHERE, dtype).values() for net in own]
    gradients = {id(net.gradient): net.gradient for net in nets}.values()
    targets = [net.target for net in nets if net.target is not None]
    networks = [*(net.online for net in nets), *targets, *gradients]
    moments = [flat for net in nets for flat in net.optimizer.moments.values()]
    shapes = [(len(g.specs), g.obs_size, g.act_size) for g in fleet.groups]
    extras = extra_sizes(config, fleet.groups)
    replay = Replay(config.replay_buffer_size, seeds, shapes, NOWHERE, dtype, extras=extras)
    rows = Batches(fleet, replay, range(seeds), (), config).priorities
    stored = replay.nbytes + (0 if rows is None else rows.nbytes)
    return Bytes(_nbytes(networks), _nbytes(moments), stored)


def _nbytes(flats: Iterable[Flat]) -> int:
    return sum(flat.buffer.nbytes for flat in flats)
