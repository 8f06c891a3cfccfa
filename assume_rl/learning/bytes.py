"""Estimates of the bytes that a learner takes, made before they are allocated."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from assume_rl.errors import ConfigurationError
from assume_rl.learning.build import build_nets, extra_sizes, fleet_of
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.data.batches import Batches
from assume_rl.learning.data.replay import Replay
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.types import AgentSpec

_DRAW = 3 * 8  # a uniform number, the row it chooses, and one between them
NOWHERE = torch.device("meta")  # tensors there have shapes and no data


@dataclass(frozen=True)
class Bytes:
    """Bytes of a learner's lasting tensors and of an update's batches; activations come on top."""

    networks: int  # actors and critics, their targets and gradients
    optimizers: int
    replay: int  # when it is full, with priorities; rows take up RAM as they are written
    batches: int  # the draws of a whole update, and the rows of one batch; none on-policy

    @property
    def total(self) -> int:
        """Return the bytes of all parts."""
        return self.networks + self.optimizers + self.replay + self.batches

    @property
    def of_networks(self) -> int:
        """Return the bytes of networks, and of what their optimisers keep."""
        return self.networks + self.optimizers


def estimate(
    config: LearningConfig,
    agents: Sequence[AgentSpec],
    *,
    seeds: int = 1,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    copies: int = 1,
) -> Bytes:
    """Return the `Bytes` that a `Learner` with these settings would take; nothing is allocated.

    :param config: of the learner
    :param agents: that learn
    :param seeds: number of seeds
    :param device: of the learner
    :param dtype: of the learner
    :param copies: of the market that episodes are played in, each of which adds to an update
    :raises ConfigurationError: no computer has so much
    """
    try:
        return _estimate(config, agents, seeds, device, dtype, copies)
    except (RuntimeError, OverflowError, TypeError) as error:  # of torch: sizes beyond 64 bits
        raise ConfigurationError(
            f"{len(agents)} learners with critic {config.critic} need more than 2**63 bytes; set "
            "smaller sizes in learning_config"
        ) from error


MUCH = 2e9
"""Bytes that another critic must save for it to be named, beside half of all."""


def costly_critic(config: LearningConfig, agents: Sequence[AgentSpec]) -> tuple[str, ...]:
    """Return a warning where critics that join what all agents see take most of the memory.

    :param config: of the learner
    :param agents: that learn
    """
    if config.critic != "concat" or not agents:
        return ()
    pooled = config.model_copy(update={"critic": "pooled"})
    now, then = (estimate(own, agents, device=torch.device("cpu")) for own in (config, pooled))
    if now.total < 2 * then.total or now.total - then.total < MUCH:
        return ()
    return (
        f"learning_config.critic: {len(agents)} learners with critic concat take about "
        f"{now.total / 1e9:.1f} GB of memory per seed, with critic pooled {then.total / 1e9:.1f} "
        "GB: set critic: pooled",
    )


def _estimate(
    config: LearningConfig,
    agents: Sequence[AgentSpec],
    seeds: int,
    device: torch.device,
    dtype: torch.dtype,
    copies: int,
) -> Bytes:
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
    own = 0 if config.settings.on_policy else _batches(config, replay.nbytes, seeds, copies)
    return Bytes(_nbytes(networks), _nbytes(moments), stored, own)


def _batches(config: LearningConfig, replay: int, seeds: int, copies: int) -> int:
    """Return the bytes of an update's draws, all of which there are at once, and of one batch."""
    iterations = math.ceil(copies * config.gradient_steps * config.update_ratio)
    row = math.ceil(replay / config.replay_buffer_size)  # of all seeds
    return config.batch_size * (iterations * seeds * _DRAW + row)


def _nbytes(flats: Iterable[Flat]) -> int:
    return sum(flat.buffer.nbytes for flat in flats)
