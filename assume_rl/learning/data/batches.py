"""The batches of an update: which transitions are drawn, and the noise that goes with them.

Draws are keyed: batches by seed and number of the update, noise also by agent. So they depend
neither on how a fleet is cut into groups nor on what is computed together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from assume_rl import keyed
from assume_rl.learning.config import LearningConfig, OffPolicyConfig
from assume_rl.learning.critics.base import Seen, joint
from assume_rl.learning.data.priorities import Priorities
from assume_rl.learning.data.replay import Replay
from assume_rl.learning.data.windows import Windows
from assume_rl.learning.fleet import Fleet
from assume_rl.learning.nets.moments import Moments
from assume_rl.learning.processes import ALONE, Processes
from assume_rl.learning.types import MEMORY, Number

MOST_DRAWS = 2**18  # normal draws that are computed at a time, of all agents


@dataclass(frozen=True)
class Sequences:
    """The decisions of windows in order of time, of which the last ones are there.

    Only the last of them may be terminated.
    """

    action: tuple[Float[Tensor, "seed _ row step _"], ...]  # per group
    reward: tuple[Float[Tensor, "seed _ row step"], ...]  # per group
    there: Bool[Tensor, "seed row step"]


Noise = Mapping[str, tuple[Float[Tensor, "seed _ row _"], ...]]
"""Standard normal draws by name, per group (seed, agent, row, act)."""


@dataclass(frozen=True)
class Batch:
    """Rows of joint transitions, in the groups of the fleet.

    With several steps, `reward` is their discounted sum, and the next observation follows the last
    of them.
    """

    now: Seen
    # The rows that actors read of next observations.
    next_obs: tuple[Float[Tensor, "seed _ row _"], ...]
    reward: tuple[Float[Tensor, "seed _ row"], ...]
    terminated: Bool[Tensor, "seed row"]
    truncated: Bool[Tensor, "seed row"]
    discount: Float[Tensor, "seed row"]  # of the value of the next observation
    weight: Float[Tensor, "seed row"] | None  # importance of each row; None: all alike
    index: Int[Tensor, "seed row"]  # where the rows are stored
    extras: Mapping[str, tuple[Float[Tensor, "seed _ row _"], ...]]  # of decisions, per group
    noise: Noise


class Batches:
    """Draws batches for updates from a replay.

    :param fleet: of the learner, as critics see it
    :param replay: holds the transitions
    :param seeds: of the runs
    :param noises: names of the noises that updates need
    :param config: says how rows are drawn
    :param returns: statistics of returns per group, whose deviations rewards are divided by; empty:
        rewards are as they are
    :param processes: that share the rows of batches
    """

    def __init__(
        self,
        fleet: Fleet,
        replay: Replay,
        seeds: Sequence[int],
        noises: Sequence[str],
        config: LearningConfig,
        returns: Sequence[Moments] = (),
        processes: Processes = ALONE,
    ) -> None:
        self._processes = processes
        self._returns = tuple(returns)
        device, chosen = replay.device, config.settings
        self.fleet, self.replay = fleet, replay
        self._gamma, self._size = config.gamma, config.batch_size
        self._draws = chosen if isinstance(chosen, OffPolicyConfig) else OffPolicyConfig()
        # Rewards of sequences are summed where they are learned from.
        self._n_step = 1 if chosen.learns_sequences else self._draws.n_step
        self.priorities: Priorities | None = None
        if self._draws.sampling == "prioritised":
            exponent = self._draws.priority_exponent
            self.priorities = Priorities(replay.capacity, len(seeds), exponent, device)
        self._windows: Windows | None = None
        if replay.keeps(MEMORY):
            self._windows = Windows(replay, config.sequence_length)
        self._keys = torch.tensor([keyed.key(s, "replay") for s in seeds], device=device)
        self._role_keys = torch.tensor([keyed.key(s, "roles") for s in seeds], device=device)
        self._noise_keys = {
            name: [
                torch.stack([keyed.keys(s, name, ids=g.unit_ids, device=device) for s in seeds])
                for g in fleet.groups
            ]
            for name in noises
        }

    def rounds(
        self,
        update: Int[Tensor, ""],
        size: int,
        lengths: Sequence[int],
        progress: Number = 0.0,
    ) -> Iterator[Batch]:
        """Yield rows drawn with replacement, several batches one after the other.

        Priorities count as they are when a round begins. Where several processes learn, each has
        its share of every batch.

        :param update: number of the update
        :param size: rows of a batch
        :param lengths: batches of each round
        :param progress: share of training that is left; drives importance weights
        """
        u = keyed.uniform(keyed.combine(self._keys, update), sum(lengths) * size)
        alike = (u * self.replay.filled).to(torch.int64)
        start = 0
        for chunk in self._chunks(size, lengths):
            first = start
            drawn = self._noise(update, start, sum(chunk) * size)
            for length in chunk:
                stop = start + length * size
                own = slice(start - first, stop - first)
                noise = {
                    name: tuple(self._share(z[:, :, own], length, 2) for z in parts)
                    for name, parts in drawn.items()
                }
                index, weight = alike[:, start:stop], None
                if self.priorities is not None:
                    index, weight = self._by_priority(u[:, start:stop], progress)
                    weight = self._share(weight, length, 1)
                yield self.at(self._share(index, length, 1), weight, noise)
                start = stop

    def latest(self, rows: int) -> Batch:
        """Return the latest `rows` transitions, in the order in which they were stored."""
        number = torch.arange(-rows, 0, device=self.replay.device) + self.replay.count
        index = number % self.replay.capacity
        return self.at(index.expand(len(self._keys), rows), None, {})

    def order(self, update: Int[Tensor, ""], number: int, rows: int) -> Int[Tensor, "seed row"]:
        """Return a random order of `rows` rows for each seed.

        :param update: number of the update
        :param number: of the order within the update
        :param rows: how many
        """
        # Filled on the device: nothing is copied there.
        own = torch.full((), number, device=self._keys.device)
        key = keyed.combine(keyed.combine(self._keys, update), own)
        return keyed.uniform(key, rows).argsort(dim=-1)

    def roles(self, batch: Batch) -> Bool[Tensor, "seed row"]:
        """Return the rows that the first of two networks learns from; the second has the others.

        A row is always the same one's, so that what errors of luck they make is not the same.
        """
        return keyed.uniform(keyed.combine(self._role_keys[:, None], batch.index), 1)[..., 0] < 0.5

    def stored(self, rows: Int[Tensor, " row"]) -> None:
        """Note that rows were written."""
        if self.priorities is not None:
            self.priorities.add(rows)

    def feedback(self, batch: Batch, errors: Sequence[Float[Tensor, "seed _ row"]]) -> None:
        """Set the priorities of a batch by the errors of its values, mean over the agents.

        :param batch: that was learned from
        :param errors: per group (seed, agent, row)
        """
        if self.priorities is not None:
            error = torch.cat([own.abs() for own in errors], dim=1).mean(dim=1)
            batches = error.shape[1] * self._processes.count // self._size
            whole = (self._processes.gathered(own, batches) for own in (batch.index, error))
            self.priorities.feedback(*whole)

    def _share(self, rows: Tensor, length: int, axis: int) -> Tensor:
        """Return the rows of this process of each of several batches, side by side.

        :param rows: of all batches
        :param length: number of batches
        :param axis: of the rows
        """
        if self._processes.count == 1:
            return rows
        own = self._processes.share(rows.shape[axis] // length)
        apart = rows.view(*rows.shape[:axis], length, -1, *rows.shape[axis + 1 :])
        return apart.narrow(axis + 1, own.start, own.stop - own.start).flatten(axis, axis + 1)

    def _by_priority(
        self, u: Float[Tensor, "seed row"], progress: Number
    ) -> tuple[Int[Tensor, "seed row"], Float[Tensor, "seed row"]]:
        """Return rows and their importance, from uniform draws."""
        assert self.priorities is not None
        index, start = self.priorities.draw(u), self._draws.importance_exponent
        exponent = 1.0 + (start - 1.0) * progress
        weight = self.priorities.weights(index, self.replay.filled, exponent)
        return index, weight.to(self.replay.dtype)

    def at(
        self,
        index: Int[Tensor, "seed row"],
        weight: Float[Tensor, "seed row"] | None,
        noise: Noise,
    ) -> Batch:
        """Return the transitions at `index`.

        :param index: rows of the replay
        :param weight: importance of the rows
        :param noise: that goes with them
        """
        groups = self.fleet.groups
        parts = [self.replay.sample(k, index) for k in range(len(groups))]
        last, discount, rewards = self._several_steps(index, [p.reward for p in parts])
        rewards = self._scaled(rewards)
        obs, following = [p.obs for p in parts], [p.next_obs for p in parts]
        if self._windows is not None:
            obs, following = self._in_windows(self._windows, index, last)
        elif last is not index:
            following = [self.replay.part("next_obs", k, last) for k in range(len(groups))]
        return Batch(
            joint(groups, obs, [p.action for p in parts]),
            tuple(following),
            tuple(rewards),
            self.replay.flag("terminated", last),
            self.replay.flag("truncated", last),
            discount,
            weight,
            index,
            {name: tuple(p.extras[name] for p in parts) for name in parts[0].extras},
            noise,
        )

    def sequences(self, batch: Batch) -> Sequences:
        """Return the decisions of the windows that end at a batch's rows, of actors with memory."""
        assert self._windows is not None
        steps = self._windows.steps(batch.index)
        rows, groups = steps.rows.flatten(1), range(len(self.fleet.groups))
        number = torch.arange(steps.rows.shape[-1], device=rows.device)
        actions = [self.replay.part("action", k, rows) for k in groups]
        rewards = self._scaled([self.replay.part("reward", k, rows) for k in groups])
        shape = steps.rows.shape[1:]
        return Sequences(
            tuple(own.view(*own.shape[:2], *shape, -1) for own in actions),
            tuple(own.view(*own.shape[:2], *shape) for own in rewards),
            number >= len(number) - steps.count[..., None],
        )

    def _scaled(
        self, rewards: list[Float[Tensor, "seed _ row"]]
    ) -> list[Float[Tensor, "seed _ row"]]:
        """Return rewards per group, over the deviation of returns where they are normalised."""
        if not self._returns:
            return rewards
        scales = (own.deviation().to(self.replay.dtype) for own in self._returns)
        return [own / scale for own, scale in zip(rewards, scales, strict=True)]

    def _in_windows(
        self, windows: Windows, index: Int[Tensor, "seed row"], last: Int[Tensor, "seed row"]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the windows of observations, and of next ones, per group (seed, agent, row, _).

        :param windows: of the replay
        :param index: rows of the replay
        :param last: those that next observations follow
        """
        steps = windows.steps(index)
        later = steps if last is index else windows.steps(last)
        groups = range(len(self.fleet.groups))
        return (
            [windows.ending(group, steps) for group in groups],
            [windows.following(group, later) for group in groups],
        )

    def _several_steps(
        self, index: Int[Tensor, "seed row"], rewards: list[Float[Tensor, "seed _ row"]]
    ) -> tuple[
        Int[Tensor, "seed row"], Float[Tensor, "seed row"], list[Float[Tensor, "seed _ row"]]
    ]:
        """Return the last of `n_step` transitions, the discount after it, and sums of rewards.

        The sum stops where an episode ends and at the latest transition (Sutton 1988; Mnih et al.
        2016, arXiv:1602.01783).
        """
        last, discount = index, torch.full_like(rewards[0][:, 0], self._gamma)
        goes_on: Tensor | None = None
        for step in range(1, self._n_step):
            ended = self.replay.flag("terminated", last) | self.replay.flag("truncated", last)
            later, there = self.replay.following(index, step)
            goes_on = ~ended & there if goes_on is None else goes_on & ~ended & there
            last = torch.where(goes_on, later, last)
            factor = (discount * goes_on)[:, None]
            rewards = [
                own + factor * self.replay.part("reward", k, last) for k, own in enumerate(rewards)
            ]
            discount = torch.where(goes_on, discount * self._gamma, discount)
        return last, discount, rewards

    def _chunks(self, size: int, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Yield `lengths` in parts whose noise fits into RAM, or into cache."""
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
