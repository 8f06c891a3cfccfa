"""Agents of equal shape as one tensor axis: their networks, optimisers and critic inputs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.optim import AdamW

from assume_rl.learning.networks import (
    ActorStack,
    CriticStack,
    Weights,
    initial_actors,
    initial_critics,
)
from assume_rl.learning.types import AgentSpec


@dataclass(frozen=True)
class CriticColumns:
    """What the critics of one group read from the joint data of all agents."""

    others: Int[Tensor, "agent unique"]  # columns of `joint_uniques` that are not the agent's own
    own: Int[Tensor, "agent 1 act"]  # columns of `joint_actions` that are the agent's own


@dataclass(frozen=True)
class Group:
    """Agents that train together. Weights, targets and optimisers are written in place."""

    specs: tuple[AgentSpec, ...]
    positions: tuple[int, ...]  # among all agents
    columns: CriticColumns
    actor: ActorStack
    actor_target: ActorStack
    critic: CriticStack
    critic_target: CriticStack
    actor_optimizer: AdamW
    critic_optimizer: AdamW


def group_positions(agents: Sequence[AgentSpec]) -> tuple[tuple[int, ...], ...]:
    """Positions of the agents of each shape; shapes in order of first appearance."""
    shapes = dict.fromkeys(a.shape for a in agents)
    return tuple(tuple(i for i, a in enumerate(agents) if a.shape == s) for s in shapes)


def create_group(
    agents: Sequence[AgentSpec],
    positions: Sequence[int],
    *,
    critics: int,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Group:
    """Fresh networks of the agents at `positions`; targets are copies."""
    specs = tuple(agents[p] for p in positions)
    actor, critic = initial_actors(specs, seed), initial_critics(specs, agents, critics, seed)
    for weights in (actor.weights, critic.weights):
        weights.update(_leaves(weights, device, dtype))
    return Group(
        specs=specs,
        positions=tuple(positions),
        columns=critic_columns(agents, positions, device),
        actor=actor,
        actor_target=actor.clone(),
        critic=critic,
        critic_target=critic.clone(),
        actor_optimizer=_optimizer(actor.weights),
        critic_optimizer=_optimizer(critic.weights),
    )


def critic_columns(
    agents: Sequence[AgentSpec], positions: Sequence[int], device: torch.device
) -> CriticColumns:
    """Columns for the critics of the agents at `positions`."""
    uniques = _spans([a.unique_size for a in agents])
    actions = _spans([a.act_size for a in agents])
    others = [[c for j, span in enumerate(uniques) if j != i for c in span] for i in positions]
    own = [[list(actions[i])] for i in positions]
    as_index = {"dtype": torch.int64, "device": device}
    return CriticColumns(torch.tensor(others, **as_index), torch.tensor(own, **as_index))


def joint_order(
    agents: Sequence[AgentSpec], sizes: Sequence[int], device: torch.device
) -> Int[Tensor, " column"] | None:
    """Columns that bring group-major joint data into agent order; None if it is in that order."""
    spans = _spans(sizes)
    ...
