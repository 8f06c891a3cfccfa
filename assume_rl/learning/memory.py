"""How much memory a learner takes, worked out before any of it is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.critics import CRITICS
from assume_rl.learning.critics.critic import Critic, Fleet
from assume_rl.learning.data.replay import Replay
from assume_rl.learning.groups import Group, block_of, create_groups, group_positions
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.types import AgentSpec

NOWHERE = torch.device("meta")  # tensors there have shapes and no memory


@dataclass(frozen=True)
class Memory:
    """Bytes of a learner's lasting tensors; batches and activations come on top."""

    networks: int  # actors and critics, their targets and gradients
    optimizers: int
    replay: int  # when it is full; rows take up memory as they are written

    @property
    def total(self) -> int:
        """All of it."""
        return self.networks + self.optimizers + self.replay


def estimate(
    config: LearningConfig,
    agents: Sequence[AgentSpec],
    *,
    seeds: int = 1,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Memory:
    """What a `Learner` with these settings would take on `device`; nothing is allocated."""
    kind, variant = CRITICS[config.critic], ALGORITHMS[config.algorithm]
    positions = group_positions(agents, block_of(device, seeds, own_nets=kind.own_nets))
    groups = create_groups(agents, positions, seeds=seeds, device=NOWHERE, dtype=dtype)
    fleet = Fleet(tuple(agents), positions, seeds)
    critics = kind.create(fleet, variant.critics, NOWHERE, dtype)
    holders: list[Group | Critic] = [*groups, *critics]
    gradients = {id(h.gradient): h.gradient for h in holders}.values()
    networks = [flat for h in holders for flat in (h.online, h.target)]
    moments = [flat for h in holders for flat in h.adam.moments().values()]
    shapes = [(len(g.specs), g.specs[0].obs_size, g.specs[0].act_size) for g in groups]
    replay = Replay(config.replay_buffer_size, seeds, shapes, NOWHERE, dtype)
    return Memory(_nbytes([*networks, *gradients]), _nbytes(moments), replay.nbytes)


def _nbytes(flats: Sequence[Flat]) -> int:
    return sum(flat.buffer.nbytes for flat in flats)
