"""Losses of deterministic actor-critic learning; pure functions of Q-values."""

from jaxtyping import Bool, Float
from torch import Tensor


def td_target(
    reward: Float[Tensor, "agent row"],
    gamma: float,
    next_value: Float[Tensor, "agent row"],
    terminated: Bool[Tensor, " row"],
) -> Float[Tensor, "agent row"]:
    """One-step target; only a termination cuts bootstrapping, a truncation does not."""
    return reward + gamma * next_value * ~terminated


def critic_loss(
    q: Float[Tensor, "critic agent row"], target: Float[Tensor, "agent row"]
) -> Float[Tensor, " agent"]:
    """Mean squared error of each agent's critics, summed over its critics."""
    return (q - target).square().mean(dim=-1).sum(dim=0)


def actor_loss(q1: Float[Tensor, "agent row"]) -> Float[Tensor, " agent"]:
    """Negative mean value of the actor's own actions (Silver et al. 2014)."""
    return -q1.mean(dim=-1)
