"""When a training updates, how it explores, and on which device it learns.

Semantics: docs/scenario-format.md, "Training loop".
"""

import logging
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import torch

from assume_rl.durations import duration_seconds
from assume_rl.errors import ConfigurationError, SettingError
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import Exploration, exploration_at
from assume_rl.learning.schedules import progress

logger = logging.getLogger(__name__)


def posix(time: datetime) -> int:
    """Return POSIX seconds; a naive time is UTC, whatever zone the machine is in."""
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return int(aware.timestamp())


def update_interval(train_freq: str, horizon: int) -> int:
    """Return the seconds between two updates over a horizon, in seconds.

    A `train_freq` that does not divide the horizon is shortened to whole hours so that one more
    update fits: 30 days with 100h give 90h.

    :raises SettingError: it exceeds the horizon
    """
    interval = duration_seconds(train_freq)
    if interval > horizon:
        raise SettingError(
            "learning_config.train_freq",
            f"is {train_freq}, longer than the simulated {horizon / 3600:g} h",
        )
    if horizon % interval == 0:
        return interval
    shorter = horizon // (horizon // interval + 1)
    return shorter // 3600 * 3600 or shorter


def update_times(start: int, end: int, interval: int) -> tuple[int, ...]:
    """Return when updates are due, POSIX seconds: `start + k * interval`, k = 1, 2, ..., to `end`.

    :param start: POSIX seconds of the first instant
    :param end: POSIX seconds of the last instant, which can be that of an update
    :param interval: seconds between two updates
    """
    return tuple(range(start + interval, end + 1, interval))


def most_waiting(openings: Sequence[int], updates: Sequence[int]) -> int:
    """Return the most transitions that wait for an update, each begun by an opening of a market.

    What an episode leaves over waits for the first update of the next one.

    :param openings: seconds since the episode began
    :param updates: likewise, ascending
    """
    counts = [0] * (len(updates) + 1)
    for time in openings:
        counts[bisect_right(updates, time)] += 1
    return max(counts[0] + counts[-1], *counts[1:-1], 0)


@dataclass(frozen=True)
class Plan:
    """The settings of a training, laid out over the calendar of its episodes."""

    config: LearningConfig
    start: int  # POSIX seconds
    end: int
    update_times: tuple[int, ...]  # POSIX seconds, in every episode

    @classmethod
    def of(cls, config: LearningConfig, start: datetime, end: datetime) -> "Plan":
        """Return the plan of `config`; an adjusted `train_freq` is logged.

        :param config: its settings
        :param start: first instant of an episode; naive datetimes are UTC
        :param end: last instant
        """
        first, last = posix(start), posix(end)
        interval = update_interval(config.train_freq, last - first)
        if interval != duration_seconds(config.train_freq):
            logger.warning(
                "learning_config.train_freq %s does not divide the simulated %g h: using %g h",
                config.train_freq,
                (last - first) / 3600,
                interval / 3600,
            )
        return cls(config, first, last, update_times(first, last, interval))

    @property
    def initial_episodes(self) -> int:
        """Return the number of training episodes before the first one with updates."""
        return self.config.initial_episodes

    def progress(
        self, episodes_done: int, now: float | None = None, *, side_by_side: int = 1
    ) -> float:
        """Return the part of training that is left, from 1 to 0.

        :param episodes_done: training episodes before this one
        :param now: POSIX seconds; None: the start of the episode
        :param side_by_side: episodes that are played at once
        """
        now = min(max(self.start if now is None else now, self.start), self.end)
        elapsed = side_by_side * (now - self.start) / (self.end - self.start)
        return progress(
            episodes_done, self.initial_episodes, self.config.training_episodes, elapsed
        )

    def exploration(
        self,
        episodes_done: int,
        now: float | None = None,
        *,
        random_start: bool = True,
        side_by_side: int = 1,
    ) -> Exploration:
        """Return how a training episode explores.

        :param episodes_done: training episodes before this one
        :param now: POSIX seconds; None: the start of the episode
        :param random_start: whether the first episodes act at random
        :param side_by_side: episodes that are played at once
        """
        initial = random_start and episodes_done < self.initial_episodes
        left = self.progress(episodes_done, now, side_by_side=side_by_side)
        return exploration_at(self.config, initial=initial, progress=left)


def device_in_words(name: str) -> str:
    """Return the device called `name`, and why it is this one.

    :raises ConfigurationError: the device is not there
    """
    device = pick_device(name)
    if device.type == "cuda":
        found = torch.cuda.get_device_name(device)
        return f"{device}, {found}" + (" (device: auto takes it)" if name == "auto" else "")
    if name != "auto":
        return f"{device}, as chosen"
    why = "this torch is without CUDA" if torch.version.cuda is None else "torch finds no GPU"
    return f"{device}, since {why}"


def pick_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is CUDA where there is one, otherwise the CPU.

    :raises ConfigurationError: the device is not there
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigurationError(f"unknown device '{name}'; use 'cpu', 'cuda' or 'auto'") from None
    # Others, such as mps, have no float64, which economics and draws need.
    cuda = device.type == "cuda" and torch.cuda.is_available()
    there = device.type == "cpu" or (cuda and (device.index or 0) < torch.cuda.device_count())
    if not there:
        raise ConfigurationError(
            f"device '{name}' is not available on this machine; use 'cpu' or 'auto'"
        )
    return device
