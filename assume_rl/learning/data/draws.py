"""The random draws of an update, and the joint data that they choose."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from assume_rl import keyed
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.critics.critic import Seen
from assume_rl.learning.data.replay import Replay
from assume_rl.learning.groups import Group

MOST_DRAWS = 2**18  # normal draws that are worked out at a time, of all agents


@dataclass(frozen=True)
class Round:
    """Sampled rows of a few iterations, one after the other."""

    now: Seen
    next_obs: tuple[Float[Tensor, "seed _ row _"], ...]
    reward: tuple[Float[Tensor, "seed _ row"], ...]
    terminated: Bool[Tensor, "seed row"]
    noise: tuple[Float[Tensor, "seed _ row _"], ...] | None  # of target actions


class Draws:
    """Keys of batches, by seed, and of target noise, by seed and unit.

    :param smooth: whether target actions are noisy.
    """

    def __init__(
        self,
        config: LearningConfig,
        groups: Sequence[Group],
        seeds: Sequence[int],
        device: torch.device,
        *,
        smooth: bool,
    ) -> None:
        self._config, self._groups, self._smooth = config, groups, smooth
        self._batch_keys = torch.tensor([keyed.key(s, "replay") for s in seeds], device=device)
        self._noise_keys = [
            torch.stack(
                [keyed.keys(s, "target_noise", ids=g.unit_ids, device=device) for s in seeds]
            )
            for g in groups
        ]

    def rounds(self, replay: Replay, update: int, lengths: Sequence[int]) -> Iterator[Round]:
        """Rows of `lengths` iterations each, drawn for the update of that number."""
        rows = self._config.batch_size
        # Filled on the device: nothing is copied there.
        number = torch.full((), update, device=self._batch_keys.device)
        key = keyed.combine(self._batch_keys, number)
        index = keyed.below(replay.size(), key, sum(lengths) * rows)
        start = 0
        for chunk in self._chunks(lengths):
            noise = self._noise(number, start, sum(chunk) * rows)
            first = start
            for length in chunk:
                stop = start + length * rows
                own = slice(start - first, stop - first)
                part = None if noise is None else tuple(z[:, :, own] for z in noise)
                yield self._round(replay, index[:, start:stop], part)
                start = stop

    def _chunks(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """`lengths` in parts whose noise fits into memory, or into cache."""
        seeds = len(self._batch_keys)
        actions = sum(len(g.specs) * g.specs[0].act_size for g in self._groups)
        most = MOST_DRAWS // (seeds * actions * self._config.batch_size)
        chunk: list[int] = []
        for length in lengths:
            if chunk and sum(chunk) + length > most:
                yield chunk
                chunk = []
            chunk.append(length)
        yield chunk

    def _noise(
        self, update: Int[Tensor, ""], start: int, rows: int
    ) -> tuple[Float[Tensor, "seed _ row _"], ...] | None:
        """Clipped noise of rows from `start` on, per group (seed, agent, row, act)."""
        if not self._smooth:
            return None
        config, noise = self._config, []
        for group, keys in zip(self._groups, self._noise_keys, strict=True):
            act = group.specs[0].act_size
            z = keyed.normal(keyed.combine(keys, update), rows * act, start * act)
            scaled = z.to(group.online.buffer.dtype) * config.target_policy_noise
            limit = config.target_noise_clip
            noise.append(scaled.clamp_(-limit, limit).view(*keys.shape, rows, act))
        return tuple(noise)

    def _round(
        self,
        replay: Replay,
        index: Int[Tensor, "seed row"],
        noise: tuple[Float[Tensor, "seed _ row _"], ...] | None,
    ) -> Round:
        parts = [replay.sample(k, index) for k in range(len(self._groups))]
        now = joint(self._groups, [p.obs for p in parts], [p.action for p in parts])
        return Round(
            now,
            tuple(p.next_obs for p in parts),
            tuple(p.reward for p in parts),
            replay.flag("terminated", index),
            noise,
        )


def joint(
    groups: Sequence[Group],
    obs: Sequence[Float[Tensor, "seed _ row _"]],
    action: Sequence[Float[Tensor, "seed _ row _"]],
) -> Seen:
    """What critics see of observations and actions, one tensor (seed, agent, row, _) per group."""
    private = [
        part[..., part.shape[-1] - group.specs[0].unique_size :]
        for group, part in zip(groups, obs, strict=True)
    ]
    columns = [part.transpose(1, 2).flatten(2) for part in (*private, *action)]
    return Seen(tuple(obs), tuple(action), torch.cat(columns, dim=-1))
