"""One gradient step of all critics, and one of all actors, of a fleet of groups.

Agents are a tensor axis: there are loops over groups of equal shape, none over agents.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from assume_rl.learning.groups import Group
from assume_rl.learning.losses import actor_loss, critic_loss, td_target
from assume_rl.learning.networks import ActorStack, Weights

MAX_GRAD_NORM = 1.0


@dataclass(frozen=True)
class Batch:
    """Sampled transitions of one group, agents first."""

    obs: Float[Tensor, "agent row obs"]
    action: Float[Tensor, "agent row act"]
    reward: Float[Tensor, "agent row"]
    next_obs: Float[Tensor, "agent row obs"]
    terminated: Bool[Tensor, " row"]


@dataclass(frozen=True)
class JointOrder:
    """Columns that bring group-major joint data into agent order; None: it is in that order."""

    uniques: Int[Tensor, " unique"] | None
    actions: Int[Tensor, " act"] | None


@dataclass(frozen=True)
class GradientStep:
    """What one step of a group's networks did, per agent."""

    loss: Float[Tensor, " agent"]
    total_norm: Float[Tensor, " agent"]  # before clipping
    max_norm: Float[Tensor, " agent"]  # largest norm of one weight or bias


def target_actions(
    actor: ActorStack,
    next_obs: Float[Tensor, "agent row obs"],
    noise: Float[Tensor, "agent row act"] | None,
) -> Float[Tensor, "agent row act"]:
    """Actions of target actors, smoothed by `noise` and kept in [-1, 1]."""
    action = actor.rows(next_obs)
    return action if noise is None else (action + noise).clamp(-1.0, 1.0)


def critic_steps(
    groups: Sequence[Group],
    batches: Sequence[Batch],
    order: JointOrder,
    gamma: float,
    noise: Sequence[Float[Tensor, "_ row _"]] | None,
) -> list[GradientStep]:
    """One step of every agent's critics towards the one-step targets of its target networks."""
    with torch.no_grad():
        following = joint(
            [
                target_actions(g.actor_target, b.next_obs, None if noise is None else noise[k])
                for k, (g, b) in enumerate(zip(groups, batches, strict=True))
            ],
            order.actions,
        )
        next_uniques = joint_uniques(groups, [b.next_obs for b in batches], order)
        targets = []
        for group, batch in zip(groups, batches, strict=True):
            x = critic_input(group, batch.next_obs, next_uniques, following)
            value = group.critic_target(x).amin(dim=0)
            targets.append(td_target(batch.reward, gamma, value, batch.terminated))
    uniques = joint_uniques(groups, [b.obs for b in batches], order)
    actions = joint([b.action for b in batches], order.actions)
    steps = []
    for group, batch, target in zip(groups, batches, targets, strict=True):
        q = group.critic(critic_input(group, batch.obs, uniques, actions))
        loss = critic_loss(q, target)
        step = _descend(group.critic_optimizer, group.critic.weights, loss, group.critic.critics)
        steps.append(step)
    return steps


def actor_steps(
    groups: Sequence[Group], batches: Sequence[Batch], order: JointOrder
) -> list[GradientStep]:
    """One step of every actor up its first critic, the others' actions as they were taken."""
    uniques = joint_uniques(groups, [b.obs for b in batches], order)
    actions = joint([b.action for b in batches], order.actions)
    steps = []
    for group, batch in zip(groups, batches, strict=True):
        own = group.actor.rows(batch.obs)
        everybody = actions.expand(len(group.specs), *actions.shape)
        columns = group.columns.own.expand(-1, actions.shape[0], -1)
        x = critic_input(group, batch.obs, uniques, everybody.scatter(-1, columns, own))
        loss = actor_loss(group.critic.q1(x))
        steps.append(_descend(group.actor_optimizer, group.actor.weights, loss, 1))
    return steps


def joint(
    parts: Sequence[Float[Tensor, "_ row _"]], order: Int[Tensor, " column"] | None
) -> Float[Tensor, "row column"]:
    """All agents' entries side by side, in agent order."""
    flat = [part.transpose(0, 1).flatten(1) for part in parts]
    columns = torch.cat(flat, dim=1) if len(flat) > 1 else flat[0]
    return columns if order is None else columns.index_select(1, order)


def joint_uniques(
    groups: Sequence[Group], observations: Sequence[Float[Tensor, "_ row _"]], order: JointOrder
) -> Float[Tensor, "row column"]:
    """The private entries (the last of an observation) of all agents."""
    parts = [
        obs[..., obs.shape[-1] - group.specs[0].unique_size :]
        for group, obs in zip(groups, observations, strict=True)
    ]
    return joint(parts, order.uniques)


def critic_input(
    group: Group,
    obs: Float[Tensor, "agent row obs"],
    uniques: Float[Tensor, "row unique"],
    actions: Float[Tensor, "row act"] | Float[Tensor, "agent row act"],
) -> Float[Tensor, "agent row entry"]:
    """Own observation, the others' unique parts in order, the actions of all agents in order."""
    others = group.columns.others
    parts = [obs]
    if others.shape[1] > 0:
        parts.append(uniques[:, others].transpose(0, 1))
    parts.append(actions.expand(obs.shape[0], *actions.shape[-2:]))
    return torch.cat(parts, dim=-1)


def _descend(
    optimizer: torch.optim.Optimizer,
    weights: Weights,
    loss: Float[Tensor, " agent"],
    nets: int,
) -> GradientStep:
    """Step down the sum of the losses, each agent's gradient clipped on its own.

    :param nets: networks per agent; stacked net-major, so net c of agent i is row c * agents + i.
    """
    parameters = list(weights.values())
    gradients = torch.autograd.grad(loss.sum(), parameters)
    agents = loss.shape[0]
    norms = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients])
    per_agent = norms.view(-1, agents)  # every weight and bias of every network of the agent
    total = torch.linalg.vector_norm(per_agent, dim=0)
    # The epsilon is that of torch.nn.utils.clip_grad_norm_.
    share = (MAX_GRAD_NORM / (total + 1e-6)).clamp(max=1.0).repeat(nets)
    factors = (share.view(-1, 1, 1), share.view(-1, 1)) * (len(parameters) // 2)
    for parameter, gradient, factor in zip(parameters, gradients, factors, strict=True):
        parameter.grad = gradient.mul_(factor)
    optimizer.step()
    return GradientStep(loss.detach(), total, per_agent.amax(dim=0))
