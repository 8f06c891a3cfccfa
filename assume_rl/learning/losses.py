"""Losses of deterministic actor-critic learning, with their gradients; pure functions of values."""

from jaxtyping import Bool, Float
from torch import Tensor


def td_target(
    reward: Float[Tensor, "seed agent row"],
    gamma: float,
    next_value: Float[Tensor, "seed agent row"],
    terminated: Bool[Tensor, "seed row"],
) -> Float[Tensor, "seed agent row"]:
    """One-step target; only a termination cuts bootstrapping, a truncation does not."""
    return reward + gamma * next_value * ~terminated[:, None]


def critic_loss(
    q: Float[Tensor, "critic seed agent row"], target: Float[Tensor, "seed agent row"]
) -> tuple[Float[Tensor, "seed agent"], Float[Tensor, "critic seed agent row"]]:
    """Mean squared error of each agent's critics, summed over its critics; gradient at `q`."""
    error = q - target
    return error.square().mean(dim=-1).sum(dim=0), error * (2.0 / q.shape[-1])


def actor_loss(
    q1: Float[Tensor, "seed agent row"], slope: Float[Tensor, "seed agent row act"]
) -> tuple[Float[Tensor, "seed agent"], Float[Tensor, "seed agent row act"]]:
    """Negative mean value of the actor's own actions (Silver et al. 2014); gradient at those.

    :param slope: gradient of `q1` at the actions.
    """
    return -q1.mean(dim=-1), slope * (-1.0 / q1.shape[-1])
