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
    extras: Mapping[str, Float[Tensor, "seed agent row _"]]


class Replay:
    """Holds the latest `capacity` joint transitions; all seeds hold the same number.

    :param capacity: rows
    :param seeds: number of seeds
    :param shapes: (agents, obs, act) of each group
    :param device: of the rows
    :param dtype: of the rows
    :param extras: of decisions and outcomes, which are stored too: sizes by name, of each group
    """

    def __init__(
        self,
        capacity: int,
        seeds: int,
        shapes: Sequence[tuple[int, int, int]],
        device: torch.device,
        dtype: torch.dtype,
        extras: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        extras = extras or {}
        self._extras = tuple(extras)
        self.capacity, self.dtype, self.device = capacity, dtype, device
        self.added = 0  # transitions of each seed that were ever added
        self.count = torch.zeros((), dtype=torch.int64, device=device)  # the same, on the device
        self._shapes = tuple(
            (*shape, *(sizes[k] for sizes in extras.values())) for k, shape in enumerate(shapes)
        )

        def ring(*shape: int, dtype: torch.dtype = dtype) -> Tensor:
            # Not zeroed: RAM is taken up only as rows are written, and no such row is read.
            return torch.empty(shape, dtype=dtype, device=device)

        # Rows of one agent lie side by side: what is sampled is laid out for batched products.
        self._rings = [
            {
                "obs": ring(seeds, agents, capacity, obs),
                "action": ring(seeds, agents, capacity, act),
                "reward": ring(seeds, agents, capacity),
                "next_obs": ring(seeds, agents, capacity, obs),
                **{name: ring(seeds, agents, capacity, sizes[k]) for name, sizes in extras.items()},
            }
            for k, (agents, obs, act) in enumerate(shapes)
        ]
        self._flags = {name: ring(seeds, capacity, dtype=torch.bool) for name in _FLAGS}
        # Copies of the market that a row was stored with: the next row of its own is so far away.
        self._strides = ring(capacity, dtype=torch.int64)
        self._first_rows = [
            (torch.arange(seeds * agents) * capacity).view(seeds, agents, 1).to(device)
            for agents, _, _ in shapes
        ]

    def keeps(self, extra: str) -> bool:
        """Return whether an extra is stored."""
        return extra in self._extras

    def size(self) -> int:
        """Return the number of transitions that can be sampled, of each seed."""
        return min(self.added, self.capacity)

    @property
    def filled(self) -> Int[Tensor, ""]:
        """Return `size` on the device, where the number is not waited for."""
        return self.count.clamp(max=self.capacity)

    @property
    def pos(self) -> int:
        """Return the index of the row that is written next."""
        return self.added % self.capacity

    @property
    def nbytes(self) -> int:
        """Return the bytes of a full replay."""
        rings = [ring for group in self._rings for ring in group.values()]
        return sum(ring.nbytes for ring in (*rings, *self._flags.values(), self._strides))

    def add(self, joint: Joint) -> Int[Tensor, " row"]:
        """Store rows behind the latest one; return where they are.

        Of more rows than the ring has, the last ones are stored.
        """
        count = joint.terminated.shape[1]
        kept = min(count, self.capacity)
        index = self._index(self.added + count - kept, self.added + count)
        for rings, part in zip(self._rings, joint.groups, strict=True):
            values = {name: getattr(part, name) for name in _PARTS}
            values |= {name: part.extras[name] for name in self._extras}
            for name, value in values.items():
                rows = value[:, count - kept :].to(self.device, self.dtype)
                rings[name].index_copy_(2, index, rows.transpose(1, 2))
        for name, ring in self._flags.items():
            ring.index_copy_(1, index, getattr(joint, name)[:, count - kept :].to(self.device))
        self._strides.index_fill_(0, index, joint.copies)
        self.seek(self.added + count)
        return index

    def cut(self, copies: int = 1) -> None:
        """Truncate the latest transition unless it is terminated; nothing stored follows it.

        :param copies: of the market that it is of, each of which has one
        """
        if self.added:
            last = self._index(max(self.added - copies, 0), self.added)
            self._flags["truncated"][:, last] = ~self._flags["terminated"][:, last]

    def following(
        self, index: Int[Tensor, "seed row"], steps: int
    ) -> tuple[Int[Tensor, "seed row"], Bool[Tensor, "seed row"]]:
        """Return where the transition `steps` later in the same market is, and if there is one.

        It says nothing of episodes that end in between.
        """
        distance = self._strides[index] * steps
        age = (self.count - 1 - index) % self.capacity
        return (index + distance) % self.capacity, age >= distance

    def preceding(
        self, index: Int[Tensor, "seed row"], steps: int
    ) -> tuple[Int[Tensor, "seed row"], Bool[Tensor, "seed row"]]:
        """Return where the transition `steps` before in the same market is, if it is still there.

        It says nothing of episodes that begin in between. Where the number of copies has changed
        in between, there is none.
        """
        stride = self._strides[index]
        earlier = (index - stride * steps) % self.capacity
        age = (self.count - 1 - index) % self.capacity + stride * steps
        # Rows that were never written may hold anything: they are not looked at.
        there = age < self.filled
        alike = self._strides[torch.where(there, earlier, index)] == stride
        return earlier, there & alike

    def sample(self, group: int, index: Int[Tensor, "seed row"]) -> Sampled:
        """Return one group's part of the transitions at `index`."""
        found = {name: self.part(name, group, index) for name in self._rings[group]}
        extras = {name: found.pop(name) for name in self._extras}
        return Sampled(**found, extras=extras)

    def part(
        self, name: str, group: int, index: Int[Tensor, "seed row"]
    ) -> Float[Tensor, "seed agent row *entry"]:
        """Return one part of a group's transitions, such as `reward`.

        :param name: of the part
        :param group: by position in the fleet
        :param index: rows of each seed
        """
        ring = self._rings[group][name]
        rows = self._first_rows[group] + index[:, None]
        found = ring.flatten(0, 2).index_select(0, rows.flatten())
        return found.view(*rows.shape, *ring.shape[3:])

    def last_entry(self, name: str, index: Int[Tensor, "seed row"]) -> Float[Tensor, "seed row"]:
        """Return the last entry of a part of the first agent.

        :param name: of the part
        :param index: rows of each seed
        """
        return self._rings[0][name][:, 0, :, -1].gather(1, index)

    def flag(self, name: str, index: Int[Tensor, "seed row"]) -> Bool[Tensor, "seed row"]:
        """Return `terminated` or `truncated` of the transitions at `index`."""
        return self._flags[name].gather(1, index)

    def rows(self, seed: int, first: int) -> dict[str, Any]:
        """Return copies of one seed's transitions from number `first` (counted from the start) on.

        Those that are no longer there are left out. Groups of equal sizes that follow each other
        are one, so that it does not matter how a fleet is cut into groups.
        """
        start = max(first, self.added - self.size())
        index = self._index(start, self.added)
        shapes = []
        for blocks in self._of_equal_sizes():
            own = [self._rings[k] for k in blocks]
            shapes.append(
                {n: torch.cat([r[n][seed].index_select(1, index) for r in own]) for n in own[0]}
            )
        flags = {name: ring[seed].index_select(0, index) for name, ring in self._flags.items()}
        strides = self._strides.index_select(0, index)
        return {"first": start, "shapes": shapes, "strides": strides, **flags}

    def put_rows(self, seed: int, saved: Mapping[str, Any]) -> None:
        """Write `rows` of one seed back to where they were, then `seek`."""
        first, count = int(saved["first"]), len(saved["terminated"])
        index = self._index(first, first + count)
        for blocks, shape in zip(self._of_equal_sizes(), saved["shapes"], strict=True):
            for name in self._rings[blocks[0]]:
                parts = shape[name].split([self._shapes[k][0] for k in blocks])
                for k, part in zip(blocks, parts, strict=True):
                    self._rings[k][name][seed].index_copy_(1, index, part.to(self.device))
        for name, ring in self._flags.items():
            ring[seed].index_copy_(0, index, saved[name].to(self.device))
        self._strides.index_copy_(0, index, saved["strides"].to(self.device))

    def seek(self, added: int) -> None:
        """Continue as if `added` transitions had been added; the latest ones were put back."""
        self.added = added
        self.count.fill_(added)

    def state_dict(self) -> dict[str, Any]:
        """Return everything stored, seed by seed."""
        seeds = range(len(self._flags["terminated"]))
        return {"added": self.added, "seeds": [self.rows(k, 0) for k in seeds]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the transitions of a replay of the same agents, if they fit."""
        stored, added = len(state["seeds"][0]["terminated"]), int(state["added"])
        if stored > self.capacity:
            raise ValueError(f"{stored} transitions do not fit into {self.capacity} rows")
        if stored < min(added, self.capacity):  # from a smaller ring: count what is left anew
            state = {"added": stored, "seeds": [{**own, "first": 0} for own in state["seeds"]]}
        for seed, saved in enumerate(state["seeds"]):
            self.put_rows(seed, saved)
        self.seek(state["added"])

    def _index(self, first: int, end: int) -> Int[Tensor, " row"]:
        """Return the rows of the transitions with these numbers, counted from the very first."""
        return torch.arange(first, end, device=self.device) % self.capacity

    def _of_equal_sizes(self) -> Iterator[list[int]]:
        sizes = [shape[1:] for shape in self._shapes]
        for _, blocks in itertools.groupby(range(len(sizes)), key=sizes.__getitem__):
            yield list(blocks)
