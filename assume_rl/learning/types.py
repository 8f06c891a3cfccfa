"""The values that learning is written in: it knows transitions, not markets."""

from dataclasses import dataclass, fields, replace

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class AgentSpec:
    """What the learner must know of one agent."""

    unit_id: str
    obs_size: int
    act_size: int
    unique_size: int  # private entries, the last of the observation: shown to rivals' critics
    features: tuple[tuple[str, int, str], ...] = ()  # name, size, scaling: for the policy manifest

    @property
    def shape(self) -> tuple[int, int, int]:
        """Agents of equal shape are trained as one group, or as several blocks of them."""
        return (self.obs_size, self.act_size, self.unique_size)


@dataclass(frozen=True)
class Transitions:
    """One group's part of joint transitions; actions lie in [-1, 1] but for first experience."""

    obs: Float[Tensor, "seed row agent obs"]
    action: Float[Tensor, "seed row agent act"]
    reward: Float[Tensor, "seed row agent"]
    next_obs: Float[Tensor, "seed row agent obs"]


@dataclass(frozen=True)
class Joint:
    """What all agents saw, did, earned and saw next, row by row; groups in the learner's order.

    `terminated`: nothing follows, values are not bootstrapped. `truncated`: something follows that
    was not simulated further; values are bootstrapped from the next observation, which is real.
    """

    groups: tuple[Transitions, ...]
    terminated: Bool[Tensor, "seed row"]
    truncated: Bool[Tensor, "seed row"]


@dataclass(frozen=True)
class UpdateMetrics:
    """What one update call did. Agents in the order of the specs; NaN where no actor stepped."""

    critic_loss: Float[Tensor, "iteration *seed agent"]
    critic_total_grad_norm: Float[Tensor, "iteration *seed agent"]  # before clipping
    critic_max_grad_norm: Float[Tensor, "iteration *seed agent"]  # largest of one weight or bias
    actor_loss: Float[Tensor, "iteration *seed agent"]
    actor_total_grad_norm: Float[Tensor, "iteration *seed agent"]
    actor_max_grad_norm: Float[Tensor, "iteration *seed agent"]
    learning_rate: float

    def of_seed(self, k: int) -> "UpdateMetrics":
        """The k-th seed's, without the axis of seeds."""
        names = [field.name for field in fields(self) if field.name != "learning_rate"]
        return replace(self, **{name: getattr(self, name)[:, k] for name in names})
