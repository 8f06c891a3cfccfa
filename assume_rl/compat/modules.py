"""Single-agent faces of the stacked networks: torch modules with the field's parameter names."""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softsign

from assume_rl.learning.config import ACTOR_HIDDEN
from assume_rl.learning.nets.stack import critic_hidden


class Actor(nn.Module):
    """Linear-256-ReLU-Linear-128-ReLU-Linear-softsign, layers `FC1` to `FC3`."""

    def __init__(self, obs_dim: int, act_dim: int, float_type: torch.dtype) -> None:
        super().__init__()
        sizes = (obs_dim, *ACTOR_HIDDEN, act_dim)
        self.FC1, self.FC2, self.FC3 = _layers(sizes, float_type)

    def forward(self, obs: Float[Tensor, "... obs"]) -> Float[Tensor, "... act"]:
        """Action in (-1, 1)."""
        x = torch.relu(self.FC1(obs))
        x = torch.relu(self.FC2(x))
        return softsign(self.FC3(x))


class CriticTD3(nn.Module):
    """Twin critics of one agent among `n_agents`.

    The observation part of the input is the agent's own observation, then the unique parts of the
    other agents in order; the action part is the actions of all agents in order.
    """

    def __init__(
        self,
        n_agents: int,
        obs_dim: int,
        act_dim: int,
        float_type: torch.dtype,
        unique_obs_len: int = 16,
    ) -> None:
        super().__init__()
        entries = obs_dim + unique_obs_len * (n_agents - 1) + act_dim * n_agents
        sizes = (entries, *critic_hidden(n_agents), 1)
        self.q1_layers = nn.ModuleList(_layers(sizes, float_type))
        self.q2_layers = nn.ModuleList(_layers(sizes, float_type))

    def forward(
        self, obs: Float[Tensor, "... obs"], actions: Float[Tensor, "... act"]
    ) -> tuple[Float[Tensor, "... 1"], Float[Tensor, "... 1"]]:
        """Both Q-values."""
        x = torch.cat([obs, actions], dim=-1)
        return _chain(self.q1_layers, x), _chain(self.q2_layers, x)

    def q1_forward(
        self, obs: Float[Tensor, "... obs"], actions: Float[Tensor, "... act"]
    ) -> Float[Tensor, "... 1"]:
        """The first Q-value alone."""
        return _chain(self.q1_layers, torch.cat([obs, actions], dim=-1))


def _layers(sizes: Sequence[int], float_type: torch.dtype) -> list[nn.Linear]:
    pairs = itertools.pairwise(sizes)
    layers = [nn.Linear(rows, columns, dtype=float_type) for rows, columns in pairs]
    for layer in layers:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return layers


def _chain(layers: nn.ModuleList, x: Tensor) -> Tensor:
    first, *rest = layers
    x = first(x)
    for layer in rest:
        x = layer(torch.relu(x))
    return x
