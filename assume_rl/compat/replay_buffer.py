"""A ring of joint transitions of agents of one shape, as the field knows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from assume_rl.learning.data.replay import Replay
from assume_rl.learning.types import Joint, Transitions

Array = np.ndarray | Tensor


@dataclass(frozen=True)
class ReplayBufferSamples:
    """Sampled transitions."""

    observations: Float[Tensor, "row agent obs"]
    actions: Float[Tensor, "row agent act"]
    next_observations: Float[Tensor, "row agent obs"]
    rewards: Float[Tensor, "row agent"]
    terminated: Bool[Tensor, " row"]
    truncated: Bool[Tensor, " row"]


class ReplayBuffer:
    """Remembers the latest `buffer_size` joint transitions of `n_rl_units` agents of one shape.

    Rows of an `add` are consecutive in time. The ring wraps exactly at capacity, and adding k times
    one row leaves the same contents as adding k rows once (where `next_obs` is given).
    """

    def __init__(
        self,
        buffer_size: int,
        obs_dim: int,
        act_dim: int,
        n_rl_units: int,
        device: torch.device | str,
        float_type: torch.dtype,
    ) -> None:
        self.buffer_size = buffer_size
        self.device = torch.device(device)
        self.float_type = float_type
        shapes = [(n_rl_units, obs_dim, act_dim)]
        self._replay = Replay(buffer_size, 1, shapes, self.device, float_type)

    @property
    def pos(self) -> int:
        """Row that is written next."""
        return self._replay.pos

    def size(self) -> int:
        """Transitions that can be sampled."""
        return self._replay.size()

    def to_torch(self, array: Array, copy: bool = True) -> Tensor:
        """The array as a tensor of this buffer's device and dtype.

        `copy=False` shares memory with `array` where device and dtype already agree.
        """
        tensor = torch.as_tensor(array)
        return tensor.to(device=self.device, dtype=self.float_type, copy=copy)

    def add(
        self,
        obs: Array,
        actions: Array,
        reward: Array,
        *,
        next_obs: Array | None = None,
        terminated: Array | None = None,
        truncated: Array | None = None,
    ) -> None:
        """Store rows: `obs` and `next_obs` (row, agent, obs), `actions` (row, agent, act), `reward`
        (row, agent), flags (row,), which default to False.

        Without `next_obs`, a row is followed by the next row of the same call. The last row then
        has no successor: it is stored only if it is terminated, since nothing follows it anyway.
        """
        rows = {"obs": obs, "action": actions, "reward": reward}
        parts = {name: self.to_torch(array, copy=False) for name, array in rows.items()}
        following = parts["obs"].roll(-1, dims=0) if next_obs is None else next_obs
        parts["next_obs"] = self.to_torch(following, copy=False)
        flags = {
            "terminated": self._flags(terminated, len(obs)),
            "truncated": self._flags(truncated, len(obs)),
        }
        complete = next_obs is not None or len(obs) == 0 or bool(flags["terminated"][-1])
        end = len(obs) if complete else len(obs) - 1
        own = {name: part[None, :end] for name, part in parts.items()}
        group = Transitions(own["obs"], own["action"], own["reward"], own["next_obs"])
        ends = {name: flag[None, :end] for name, flag in flags.items()}
        self._replay.add(Joint((group,), ends["terminated"], ends["truncated"]))

    def sample(
        self,
        batch_size: int,
        *,
        generator: Generator | None = None,
        indices: Int[Tensor, " row"] | None = None,
    ) -> ReplayBufferSamples:
        """Transitions drawn uniformly with replacement, or those at `indices`.

        `generator`: a CPU generator; None: torch's default one. `ValueError` if nothing is stored.
        """
        if self.size() == 0:
            raise ValueError("the replay buffer holds no transition to sample")
        if indices is None:
            indices = torch.randint(self.size(), (batch_size,), generator=generator)
        index = indices.to(self.device)[None]
        group = self._replay.sample(0, index)
        return ReplayBufferSamples(
            observations=group.obs[0].transpose(0, 1),
            actions=group.action[0].transpose(0, 1),
            next_observations=group.next_obs[0].transpose(0, 1),
            rewards=group.reward[0].transpose(0, 1),
            terminated=self._replay.flag("terminated", index)[0],
            truncated=self._replay.flag("truncated", index)[0],
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything stored, as tensors."""
        return self._replay.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what a buffer of the same shapes stored, if it is not more than fits here."""
        self._replay.load_state_dict(state)

    def _flags(self, flags: Array | None, rows: int) -> Tensor:
        if flags is None:
            return torch.zeros(rows, dtype=torch.bool, device=self.device)
        return torch.as_tensor(flags).to(device=self.device, dtype=torch.bool)
