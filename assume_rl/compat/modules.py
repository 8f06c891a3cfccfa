"""Single-agent faces of the stacked networks: torch modules with the field's parameter names."""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softsign

from assume_rl.learning.nets.stack import critic_hidden
from assume_rl.learning.nets.trunks import CELLS, TRUNKS


class Actor(nn.Module):
    """Linear-256-ReLU-Linear-128-ReLU-Linear-softsign, layers `FC1` to `FC3`."""

    def __init__(self, obs_dim: int, act_dim: int, float_type: torch.dtype) -> None:
        super().__init__()
        sizes = (obs_dim, *TRUNKS["mlp"].hidden, act_dim)
        self.FC1, self.FC2, self.FC3 = _layers(sizes, float_type)

    def forward(self, obs: Float[Tensor, "... obs"]) -> Float[Tensor, "... act"]:
        """Return the action, in (-1, 1)."""
        x = torch.relu(self.FC1(obs))
        x = torch.relu(self.FC2(x))
        return softsign(self.FC3(x))


class LSTMActor(nn.Module):
    """LSTM cells over an observation's time series, then Linear-128-ReLU-Linear-softsign.

    The cells are `LSTM1` and `LSTM2`, the layers `FC1` and `FC2`. The cells begin at zero with each
    observation.

    :param obs_dim: entries of an observation: time series one after the other, then private ones
    :param act_dim: entries of an action
    :param float_type: of the parameters
    :param unique_obs_dim: private entries
    :param num_timeseries_obs_dim: number of time series
    """

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        float_type: torch.dtype,
        unique_obs_dim: int,
        num_timeseries_obs_dim: int,
    ) -> None:
        super().__init__()
        self.num_timeseries_obs_dim = num_timeseries_obs_dim
        self.steps = (obs_dim - unique_obs_dim) // num_timeseries_obs_dim
        first, second = CELLS
        (hidden,) = TRUNKS["lstm"].hidden
        self.LSTM1 = nn.LSTMCell(num_timeseries_obs_dim, first, dtype=float_type)
        self.LSTM2 = nn.LSTMCell(first, second, dtype=float_type)
        entries = self.steps * second + unique_obs_dim
        self.FC1 = nn.Linear(entries, hidden, dtype=float_type)
        self.FC2 = nn.Linear(hidden, act_dim, dtype=float_type)

    def forward(self, obs: Float[Tensor, "... obs"]) -> Float[Tensor, "... act"]:
        """Return the action, in (-1, 1)."""
        rows = obs.reshape(-1, obs.shape[-1])
        split = self.num_timeseries_obs_dim * self.steps
        series = rows[:, :split].view(-1, self.num_timeseries_obs_dim, self.steps)
        first = second = None
        seen = []
        for entries in series.unbind(-1):
            first = self.LSTM1(entries, first)
            second = self.LSTM2(first[0], second)
            seen.append(second[0])
        x = torch.relu(self.FC1(torch.cat([*seen, rows[:, split:]], dim=-1)))
        return softsign(self.FC2(x)).view(*obs.shape[:-1], -1)


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
        """Return both Q-values."""
        x = torch.cat([obs, actions], dim=-1)
        return _chain(self.q1_layers, x), _chain(self.q2_layers, x)

    def q1_forward(
        self, obs: Float[Tensor, "... obs"], actions: Float[Tensor, "... act"]
    ) -> Float[Tensor, "... 1"]:
        """Return the first Q-value alone."""
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
