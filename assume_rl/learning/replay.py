"""A ring of joint transitions of all groups and seeds, on the training device."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from assume_rl.learning.types import Joint

_PARTS = ("obs", "action", "reward", "next_obs")
_FLAGS = ("terminated", "truncated")


@dataclass(frozen=True)
class Sampled:
    """One group's part of sampled transitions, agents first."""

    obs: Float[Tensor, "seed agent row obs"]
    action: Float[Tensor, "seed agent row act"]
    reward: Float[Tensor, "seed agent row"]
    next_obs: Float[Tensor, "seed agent row obs"]


class Replay:
    """Remembers the latest `capacity` joint transitions; all seeds hold the same number.

    :param shapes: (agents, obs, act) of each group.
    """

    def __init__(
        self,
        capacity: int,
        seeds: int,
        shapes: Sequence[tuple[int, int, int]],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.capacity, self.dtype, self.device = capacity, dtype, device
        self.pos = 0
        self._size = 0
        self._shapes = tuple(shapes)

        def ring(*shape: int, dtype: torch.dtype = dtype) -> Tensor:
            # Not zeroed: memory is taken up only as rows are written, and no such row is read.
            return torch.empty(shape, dtype=dtype, device=device)

        # Rows of one agent lie side by side: what is sampled is laid out for batched products.
        self._rings = [
            {
                "obs": ring(seeds, agents, capacity, obs),
                "action": ring(seeds, agents, capacity, act),
                "reward": ring(seeds, agents, capacity),
                "next_obs": ring(seeds, agents, capacity, obs),
            }
            for agents, obs, act in shapes
        ]
        self._flags = {name: ring(seeds, capacity, dtype=torch.bool) for name in _FLAGS}
        self._first_rows = [
            (torch.arange(seeds * agents, device=device) * capacity).view(seeds, agents, 1)
            for agents, _, _ in shapes
        ]

    def size(self) -> int:
        """Transitions that can be sampled, of each seed."""
        return self._size

    @property
    def nbytes(self) -> int:
        """Bytes of a full replay."""
        rings = [ring for group in self._rings for ring in group.values()]
        return sum(ring.nbytes for ring in (*rings, *self._flags.values()))

    def add(self, joint: Joint) -> None:
        """Store rows behind the latest one; of more rows than the ring has, the last ones."""
        count = joint.terminated.shape[1]
        kept = min(count, self.capacity)
        index = (self.pos + torch.arange(count - kept, count, device=self.device)) % self.capacity
        for rings, part in zip(self._rings, joint.groups, strict=True):
            for name in _PARTS:
                rows = getattr(part, name)[:, count - kept :].to(self.device, self.dtype)
                rings[name].index_copy_(2, index, rows.transpose(1, 2))
        for name, ring in self._flags.items():
            ring.index_copy_(1, index, getattr(joint, name)[:, count - kept :].to(self.device))
        self.pos = (self.pos + count) % self.capacity
        self._size = min(self._size + count, self.capacity)

    def sample(self, group: int, index: Int[Tensor, "seed row"]) -> Sampled:
        """One group's part of the transitions at `index`."""
        rows = self._first_rows[group] + index[:, None]
        flat = rows.flatten()
        found = {
            name: ring.flatten(0, 2).index_select(0, flat).view(*rows.shape, *ring.shape[3:])
            for name, ring in self._rings[group].items()
        }
        return Sampled(**found)

    def flag(self, name: str, index: Int[Tensor, "seed row"]) -> Bool[Tensor, "seed row"]:
        """`terminated` or `truncated` of the transitions at `index`."""
        return self._flags[name].gather(1, index)

    def state_dict(self) -> dict[str, Any]:
        """Everything stored; groups of equal sizes that follow each other are one."""
        shapes = []
        for blocks in self._of_equal_sizes():
            own = [self._rings[k] for k in blocks]
            shapes.append(
                {n: torch.cat([r[n][:, :, : self._size] for r in own], dim=1) for n in _PARTS}
            )
        flags = {name: ring[:, : self._size].clone() for name, ring in self._flags.items()}
        return {"pos": self.pos, "shapes": shapes, **flags}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what a replay of the same agents stored, if it is not more than fits here."""
        stored = state["terminated"].shape[1]
        if stored > self.capacity:
            raise ValueError(f"{stored} transitions do not fit into {self.capacity} rows")
        for blocks, saved in zip(self._of_equal_sizes(), state["shapes"], strict=True):
            for name in _PARTS:
                parts = saved[name].split([self._shapes[k][0] for k in blocks], dim=1)
                for k, part in zip(blocks, parts, strict=True):
                    self._rings[k][name][:, :, :stored].copy_(part)
        for name, ring in self._flags.items():
            ring[:, :stored].copy_(state[name])
        self._size, self.pos = stored, int(state["pos"]) % self.capacity

    def _of_equal_sizes(self) -> Iterator[list[int]]:
        sizes = [shape[1:] for shape in self._shapes]
        for _, blocks in itertools.groupby(range(len(sizes)), key=sizes.__getitem__):
            yield list(blocks)
