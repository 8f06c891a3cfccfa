"""A ring of joint transitions of agents of one shape, as the field knows it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from assume_rl.learning.data.replay import Replay
from assume_rl.learning.types import Joint, Transitions

Array = np.ndarray | Tensor
Rows = dict[str, Tensor]  # (row, ...), by argument of `ReplayBuffer.add`


@dataclass(frozen=True)
class ReplayBufferSamples:
    """Sampled transitions: `obs, actions, next_obs, rewards = buffer.sample(n)`.

    Iteration, `len` and indices know these four, in that order, as the field does; `terminated` and
    `truncated` are attributes only.
    """

    observations: Float[Tensor, "row agent obs"]
    actions: Float[Tensor, "row agent act"]
    next_observations: Float[Tensor, "row agent obs"]
    rewards: Float[Tensor, "row agent"]
    terminated: Bool[Tensor, " row"]
    truncated: Bool[Tensor, " row"]

    def __iter__(self) -> Iterator[Tensor]:
        """Yield observations, actions, next observations and rewards."""
        return iter((self.observations, self.actions, self.next_observations, self.rewards))

    def __len__(self) -> int:
        """Return 4, whatever the number of rows."""
        return 4

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Tensor, ...]: ...
    def __getitem__(self, index: int | slice) -> Tensor | tuple[Tensor, ...]:
        """Return one of the four, or some of them."""
        return tuple(self)[index]


class ReplayBuffer:
    """Remembers the latest `buffer_size` joint transitions of `n_rl_units` agents of one shape.

    Rows are consecutive in time, within an `add` and from one to the next: adding k times one row
    leaves the same contents as adding k rows once. The ring wraps exactly at capacity.
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
        self._shapes = {
            "obs": (n_rl_units, obs_dim),
            "actions": (n_rl_units, act_dim),
            "reward": (n_rl_units,),
            "next_obs": (n_rl_units, obs_dim),
            "terminated": (),
            "truncated": (),
        }
        self._waiting: Rows | None = None  # the last row, as long as its successor is not known

    @property
    def pos(self) -> int:
        """Return the index of the row that is written next."""
        return self._replay.pos

    def size(self) -> int:
        """Return the number of transitions that can be sampled."""
        return self._replay.size()

    def to_torch(self, array: Array, copy: bool = True) -> Tensor:
        """Return the array as a tensor of this buffer's device and dtype.

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
        terminated: Array | bool | None = None,
        truncated: Array | bool | None = None,
    ) -> None:
        """Store one row or several, which happened after those of the last call.

        Without `next_obs`, a row's next observation is that of the row after it; the last one waits
        for the next call, and cannot be sampled before. So no row is followed by one of another
        episode, mark the last row of an episode: one that is terminated needs no successor, one
        that is truncated is left out, since its own was not given.

        :param obs: (agent, obs) of one row, (row, agent, obs) of several; likewise all others
        :param actions: (agent, act)
        :param reward: (agent,)
        :param next_obs: (agent, obs)
        :param terminated: a flag per row, by default False
        :param truncated: likewise
        :raises ValueError: a shape is not the buffer's, or numbers of rows differ
        """
        given = {"obs": obs, "actions": actions, "reward": reward, "next_obs": next_obs}
        flags = {"terminated": terminated, "truncated": truncated}
        rows = {
            name: self._rows(name, self.to_torch(values, copy=False))
            for name, values in given.items()
            if values is not None
        }
        count = len(rows["obs"])
        for name, flag in flags.items():
            marked = torch.zeros(count) if flag is None else torch.as_tensor(flag)
            rows[name] = self._rows(name, marked.to(device=self.device, dtype=torch.bool))
        for name, part in rows.items():
            if len(part) != count:
                raise ValueError(f"{name} has {len(part)} rows, obs has {count}")
        if count == 0:
            return
        if self._waiting is not None:
            self._store(self._waiting | {"next_obs": rows["obs"][:1]})
            self._waiting = None
        if next_obs is None:
            rows = self._followed(rows)
        self._store(rows)

    def sample(
        self,
        batch_size: int,
        *,
        generator: Generator | None = None,
        indices: Int[Tensor, " row"] | None = None,
    ) -> ReplayBufferSamples:
        """Return transitions drawn uniformly with replacement, or those at `indices`.

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
        """Return everything stored, as tensors."""
        return {**self._replay.state_dict(), "waiting": self._waiting}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load the state of a buffer of the same shapes, if it is not more than fits here."""
        self._replay.load_state_dict(state)
        waiting = state["waiting"]
        self._waiting = waiting and {name: part.to(self.device) for name, part in waiting.items()}

    def _rows(self, name: str, part: Tensor) -> Tensor:
        """Return values (row, ...), also of one row that has no axis of rows."""
        shape, own = tuple(part.shape), self._shapes[name]
        if shape == own:
            return part.unsqueeze(0)
        if len(shape) != len(own) + 1 or shape[1:] != own:
            raise ValueError(f"{name} has shape {shape}, expected {own}, or rows of it")
        return part

    def _followed(self, rows: Rows) -> Rows:
        """Return the rows whose next observation is known, and let the last one wait if it must."""
        terminated, obs = rows["terminated"], rows["obs"]
        ended = terminated | rows["truncated"]
        if not bool(ended[-1]):
            self._waiting = {name: part[-1:].clone() for name, part in rows.items()}
        keep = terminated | ~ended
        keep[-1] = terminated[-1]
        following = obs.roll(-1, dims=0).masked_fill(ended[:, None, None], 0.0)
        return {name: part[keep] for name, part in (rows | {"next_obs": following}).items()}

    def _store(self, rows: Rows) -> None:
        group = Transitions(
            obs=rows["obs"][None],
            action=rows["actions"][None],
            reward=rows["reward"][None],
            next_obs=rows["next_obs"][None],
        )
        self._replay.add(Joint((group,), rows["terminated"][None], rows["truncated"][None]))
