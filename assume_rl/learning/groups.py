"""Agents of equal shape as one tensor axis: their networks, optimisers and critic inputs."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
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
    actor = initial_actors(specs, seed)
    actor = replace(actor, weights=_leaves(actor.weights, device, dtype))
    critic = initial_critics(specs, agents, critics, seed)
    critic = replace(critic, weights=_leaves(critic.weights, device, dtype))
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
    return CriticColumns(
        others=torch.tensor(others, dtype=torch.int64, device=device),
        own=torch.tensor(own, dtype=torch.int64, device=device),
    )


def joint_order(
    agents: Sequence[AgentSpec], sizes: Sequence[int], device: torch.device
) -> Int[Tensor, " column"] | None:
    """Columns that bring group-major data, `sizes` per agent, into the order of the agents.

    None if they are in that order already, as for agents that all have one shape.
    """
    by_group = [p for positions in group_positions(agents) for p in positions]
    spans = dict(zip(by_group, _spans([sizes[p] for p in by_group]), strict=True))
    order = [c for p in range(len(agents)) for c in spans[p]]
    if order == sorted(order):
        return None
    return torch.tensor(order, dtype=torch.int64, device=device)


def _spans(sizes: Sequence[int]) -> list[range]:
    ends = list(itertools.accumulate(sizes, initial=0))
    return [range(start, stop) for start, stop in itertools.pairwise(ends)]


def _leaves(weights: Weights, device: torch.device, dtype: torch.dtype) -> Weights:
    return {n: w.to(device, dtype, copy=True).requires_grad_() for n, w in weights.items()}


def _optimizer(weights: Weights) -> AdamW:
    """AdamW (Loshchilov and Hutter 2019) with its state in place from the start.

    It works entry by entry, so one optimiser of stacked weights equals one per agent.
    """
    parameters = list(weights.values())
    optimizer = AdamW(parameters, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, fused=True)
    for p in parameters:
        optimizer.state[p] = {
            "step": torch.zeros((), dtype=torch.float32, device=p.device),
            "exp_avg": torch.zeros_like(p, requires_grad=False),
            "exp_avg_sq": torch.zeros_like(p, requires_grad=False),
        }
    return optimizer
