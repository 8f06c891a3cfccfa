"""A ring of joint transitions on the training device."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

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
        self.pos = 0
        self._size = 0

        def ring(*shape: int, dtype: torch.dtype = float_type) -> Tensor:
            # Not zeroed: memory is taken up only as rows are written, and no such row is read.
            return torch.empty((buffer_size, *shape), dtype=dtype, device=self.device)

        self._ring = {
            "observations": ring(n_rl_units, obs_dim),
            "actions": ring(n_rl_units, act_dim),
            "next_observations": ring(n_rl_units, obs_dim),
            "rewards": ring(n_rl_units),
            "terminated": ring(dtype=torch.bool),
            "truncated": ring(dtype=torch.bool),
        }

    def size(self) -> int:
        """Transitions that can be sampled."""
        return self._size

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
        rows = {
            "observations": self.to_torch(obs, copy=False),
            "actions": self.to_torch(actions, copy=False),
            "rewards": self.to_torch(reward, copy=False),
            "terminated": self._flags(terminated, len(obs)),
            "truncated": self._flags(truncated, len(obs)),
        }
        rows["next_observations"] = (
            rows["observations"].roll(-1, dims=0)
            if next_obs is None
            else self.to_torch(next_obs, copy=False)
        )
        complete = next_obs is not None or len(obs) == 0 or bool(rows["terminated"][-1])
        self._write({n: r if complete else r[:-1] for n, r in rows.items()})

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
        if self._size == 0:
            raise ValueError("the replay buffer holds no transition to sample")
        if indices is None:
            indices = torch.randint(self._size, (batch_size,), generator=generator)
        index = indices.to(self.device)
        return ReplayBufferSamples(**{n: r.index_select(0, index) for n, r in self._ring.items()})

    def state_dict(self) -> dict[str, Tensor]:
        """Everything stored, as tensors."""
        stored = {name: ring[: self._size].clone() for name, ring in self._ring.items()}
        return {"pos": torch.tensor(self.pos), **stored}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over what a buffer of the same capacity and shapes stored."""
        stored = len(state["rewards"])
        if stored > self.buffer_size:
            raise ValueError(f"{stored} transitions do not fit into {self.buffer_size} rows")
        for name, ring in self._ring.items():
            ring[:stored].copy_(state[name])
        self._size, self.pos = stored, int(state["pos"]) % self.buffer_size

    def _flags(self, flags: Array | None, rows: int) -> Tensor:
        if flags is None:
            return torch.zeros(rows, dtype=torch.bool, device=self.device)
        return torch.as_tensor(flags).to(device=self.device, dtype=torch.bool)

    def _write(self, rows: Mapping[str, Tensor]) -> None:
        """Write rows behind the latest one; of more rows than the ring has, the last ones."""
        count = len(rows["rewards"])
        kept = min(count, self.buffer_size)
        index = (
            self.pos + torch.arange(count - kept, count, device=self.device)
        ) % self.buffer_size
        for name, ring in self._ring.items():
            ring.index_copy_(0, index, rows[name][count - kept :])
        self.pos = (self.pos + count) % self.buffer_size
        self._size = min(self._size + count, self.buffer_size)
