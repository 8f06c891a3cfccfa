"""The batches of an update: which transitions are drawn, and the noise that goes with them.

Draws are keyed: batches by seed and number of the update, noise also by agent. So they depend
neither on how a fleet is cut into groups nor on what is worked out together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from assume_rl import keyed
from assume_rl.learning.critics.base import Seen, joint
from assume_rl.learning.data.replay import Replay
from assume_rl.learning.fleet import Fleet

MOST_DRAWS = 2**18  # normal draws that are worked out at a time, of all agents

Noise = Mapping[str, tuple[Float[Tensor, "seed _ row _"], ...]]
"""Standard normal draws by name, per group (seed, agent, row, act)."""


@dataclass(frozen=True)
class Batch:
    """Rows of joint transitions, in the groups of the fleet."""

    now: Seen
    next_obs: tuple[Float[Tensor, "seed _ row _"], ...]
    reward: tuple[Float[Tensor, "seed _ row"], ...]
    terminated: Bool[Tensor, "seed row"]
    truncated: Bool[Tensor, "seed row"]
    extras: Mapping[str, tuple[Float[Tensor, "seed _ row _"], ...]]  # of decisions, per group
    noise: Noise


class Batches:
    """Draws batches for updates from a replay.

    :param fleet: of the learner
    :param replay: holds the transitions
    :param seeds: of the runs
    :param noises: names of the noises that updates need
    """

    def __init__(
        self, fleet: Fleet, replay: Replay, seeds: Sequence[int], noises: Sequence[str]
    ) -> None:
        device = replay.device
        self.fleet, self.replay = fleet, replay
        self._keys = torch.tensor([keyed.key(s, "replay") for s in seeds], device=device)
        self._noise_keys = {
            name: [
                torch.stack([keyed.keys(s, name, ids=g.unit_ids, device=device) for s in seeds])
                for g in fleet.groups
            ]
            for name in noises
        }

    def rounds(self, update: int, size: int, lengths: Sequence[int]) -> Iterator[Batch]:
        """Yield rows drawn uniformly with replacement, several batches one after the other.

        :param update: number of the update
        :param size: rows of a batch
        :param lengths: batches of each round
        """
        # Filled on the device: nothing is copied there.
        number = torch.full((), update, device=self._keys.device)
        key = keyed.combine(self._keys, number)
        index = keyed.below(self.replay.size(), key, sum(lengths) * size)
        start = 0
        for chunk in self._chunks(size, lengths):
            first = start
            drawn = self._noise(number, start, sum(chunk) * size)
            for length in chunk:
                stop = start + length * size
                own = slice(start - first, stop - first)
                noise = {name: tuple(z[:, :, own] for z in parts) for name, parts in drawn.items()}
                yield self.at(index[:, start:stop], noise)
                start = stop

    def latest(self, rows: int) -> Batch:
        """Return the latest `rows` transitions, in the order in which they were stored."""
        first = self.replay.added - rows
        index = torch.arange(first, first + rows, device=self.replay.device) % self.replay.capacity
        return self.at(index.expand(len(self._keys), rows), {})

    def order(self, update: int, number: int, rows: int) -> Int[Tensor, "seed row"]:
        """Return a random order of `rows` rows for each seed.

        :param update: number of the update
        :param number: of the order within the update
        :param rows: how many
        """
        key = keyed.combine(self._keys, torch.full((), update, device=self._keys.device))
        key = keyed.combine(key, torch.full((), number, device=self._keys.device))
        return keyed.uniform(key, rows).argsort(dim=-1)

    def at(self, index: Int[Tensor, "seed row"], noise: Noise) -> Batch:
        """Return the transitions at `index`, with the noise that goes with them."""
        groups = self.fleet.groups
        parts = [self.replay.sample(k, index) for k in range(len(groups))]
        return Batch(
            joint(groups, [p.obs for p in parts], [p.action for p in parts]),
            tuple(p.next_obs for p in parts),
            tuple(p.reward for p in parts),
            self.replay.flag("terminated", index),
            self.replay.flag("truncated", index),
            {name: tuple(p.extras[name] for p in parts) for name in parts[0].extras},
            noise,
        )

    def _chunks(self, size: int, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Yield `lengths` in parts whose noise fits into memory, or into cache."""
        numbers = sum(len(group.specs) * group.act_size for group in self.fleet.groups)
        each = max(len(self._keys) * numbers * size * len(self._noise_keys), 1)
        chunk: list[int] = []
        for length in lengths:
            if chunk and sum(chunk) + length > MOST_DRAWS // each:
                yield chunk
                chunk = []
            chunk.append(length)
        yield chunk

    def _noise(self, update: Int[Tensor, ""], start: int, rows: int) -> Noise:
        """Return the draws of rows from `start` on."""
        found = {}
        for name, keys in self._noise_keys.items():
            parts = []
            for group, own in zip(self.fleet.groups, keys, strict=True):
                act = group.act_size
                z = keyed.normal(keyed.combine(own, update), rows * act, start * act)
                parts.append(z.to(self.replay.dtype).view(*own.shape, rows, act))
            found[name] = tuple(parts)
        return found
