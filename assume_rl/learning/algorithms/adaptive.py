"""Learning rates that follow how far policies move (`learning_rate_schedule: kl_adaptive`).

As in rl_games (Makoviichuk and Makoviychuk 2021, https://github.com/Denys88/rl_games) and skrl
(Serrano-Munoz et al. 2023, arXiv:2202.03825): above twice the divergence that is aimed at the rate
is divided by 1.5, below half of it multiplied by 1.5. Each agent has rates of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.learning.algorithms.base import Work
from assume_rl.learning.config import KlAdaptive
from assume_rl.learning.nets.net import Net
from assume_rl.learning.schedules import initial_rate, rate_schedule

FACTOR = 1.5
BAND = 2.0  # times the divergence that is aimed at, and its reciprocal: within these the rate stays


def adapts(work: Work) -> bool:
    """Return whether a network has a learning rate that follows the divergence."""
    return paced(work.nets)


def paced(nets: Mapping[str, tuple[Net[Any], ...]]) -> bool:
    """Return whether one of these networks has a learning rate that follows the divergence."""
    return any(net.pace is not None for own in nets.values() for net in own)


def adapt(work: Work, kl: Sequence[Float[Tensor, "seed _"]]) -> None:
    """Change the learning rates that follow the divergence of policies.

    A network that agents share follows the mean over its agents.

    :param work: of the update
    :param kl: divergence from the policy that acted, per group; NaN: not measured
    """
    work.log.adapted = True
    for name, nets in work.nets.items():
        chosen = rate_schedule(work.config, name)
        if isinstance(chosen, KlAdaptive):
            for net in nets:
                _adapt(net, [kl[g] for g in net.form.groups], chosen, work, name)


def _adapt(
    net: Net[Any], kl: Sequence[Float[Tensor, "seed _"]], chosen: KlAdaptive, work: Work, name: str
) -> None:
    assert net.pace is not None
    measured = torch.cat(list(kl), dim=-1)
    if net.pace.shape != measured.shape:
        measured = measured.nanmean(dim=-1).view_as(net.pace)
    initial = initial_rate(work.config, name)
    net.pace.copy_(adapted(net.pace * initial, measured, chosen) / initial)


def adapted(
    rate: Float[Tensor, "*owner"], kl: Float[Tensor, "*owner"], chosen: KlAdaptive
) -> Float[Tensor, "*owner"]:
    """Return the learning rates that follow from divergences.

    :param rate: until now
    :param kl: divergences; NaN leaves a rate as it is
    :param chosen: the divergence that is aimed at, and bounds
    """
    lower, higher = (rate / FACTOR).clamp(min=chosen.least), (rate * FACTOR).clamp(max=chosen.most)
    found = torch.where(kl > BAND * chosen.kl, lower, rate)
    return torch.where(kl < chosen.kl / BAND, higher, found)
