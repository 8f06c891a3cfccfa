"""The plan of a training: updates, exploration, choice of the best policies, early stopping.

Semantics: docs/scenario-format.md, "Training loop".
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import torch

from assume_rl.durations import duration_seconds
from assume_rl.errors import ConfigurationError, nearest
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import Exploration, exploration_at
from assume_rl.learning.schedules import progress

logger = logging.getLogger(__name__)

_WORST = {"reward": -math.inf, "profit": -math.inf, "regret": -math.inf}
SIGN = {"reward": 1.0, "profit": 1.0, "regret": -1.0}


def posix(time: datetime) -> int:
    """Return POSIX seconds; a naive time is UTC, independent of the machine's time zone."""
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return int(aware.timestamp())


def update_interval(train_freq: str, horizon: int) -> int:
    """Return the seconds between two updates in a simulation of `horizon` seconds.

    A `train_freq` that does not divide the horizon is shortened to whole hours so that one more
    update fits: 30 days with 100h give 90h.

    :raises ConfigurationError: it exceeds the horizon
    """
    interval = duration_seconds(train_freq)
    if interval > horizon:
        raise ConfigurationError(
            f"learning_config.train_freq is {train_freq}, longer than the simulated "
            f"{horizon / 3600:g} h"
        )
    if horizon % interval == 0:
        return interval
    shorter = horizon // (horizon // interval + 1)
    return shorter // 3600 * 3600 or shorter


def update_times(start: int, end: int, interval: int) -> tuple[int, ...]:
    """Return the times of all updates: `start + k * interval`, k = 1, 2, ..., not after `end`.

    :param start: of the simulation, POSIX seconds
    :param end: of the simulation, POSIX seconds
    :param interval: seconds
    """
    return tuple(range(start + interval, end + 1, interval))


@dataclass(frozen=True)
class Plan:
    """The settings of a training with the times of its updates."""

    config: LearningConfig
    start: int  # POSIX seconds
    end: int
    update_times: tuple[int, ...]  # POSIX seconds, in every episode

    @classmethod
    def of(cls, config: LearningConfig, start: datetime, end: datetime) -> "Plan":
        """Return the `Plan` of a training; log a warning if `train_freq` was adjusted.

        :param config: settings
        :param start: first instant of the calendar
        :param end: last instant of the calendar
        :raises ConfigurationError: `train_freq` exceeds the calendar
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
        """Training episodes before the first one with updates."""
        return self.config.episodes_collecting_initial_experience

    def progress(
        self, episodes_done: int, now: float | None = None, *, side_by_side: int = 1
    ) -> float:
        """Return the remaining share of training, from 1 down to 0.

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
        """Return the `Exploration` of a training episode.

        :param episodes_done: training episodes before this one
        :param now: POSIX seconds; None: the start of the episode
        :param random_start: whether actions of the initial episodes are random
        :param side_by_side: episodes that are played at once
        """
        initial = random_start and episodes_done < self.initial_episodes
        left = self.progress(episodes_done, now, side_by_side=side_by_side)
        return exploration_at(self.config, initial=initial, progress=left)

    def iterations_before(self, episodes_done: int, updates: int) -> int:
        """Return the iterations of the whole training before an update.

        :param episodes_done: training episodes before this one
        :param updates: of this episode before this one
        """
        episodes = max(episodes_done - self.initial_episodes, 0)
        return (episodes * len(self.update_times) + updates) * self.config.gradient_steps


def pick_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is CUDA where available, otherwise the CPU.

    :raises ConfigurationError: the device is unknown or not available
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


@dataclass(frozen=True)
class Scores:
    """The scores of one episode, over all of its deliveries."""

    reward: float  # sum per agent, mean over agents
    profit: float  # EUR, all agents
    regret: float  # EUR, all agents


@dataclass
class Selection:
    """The comparison of evaluations: the best so far, and whether training has settled.

    :param window: number of latest evaluations that early stopping reads
    :param threshold: relative change of the mean reward below which training has settled.
    """

    window: int
    threshold: float
    best: dict[str, float] = field(default_factory=lambda: dict(_WORST))
    rewards: list[float] = field(default_factory=list)
    means: list[float] = field(default_factory=list)

    def improved(self, metrics: Mapping[str, float]) -> tuple[str, ...]:
        """Return the metrics that exceed all before; of equal ones the earliest stays the best.

        :raises ConfigurationError: a metric is unknown
        """
        for name in metrics:
            if name not in SIGN:
                raise ConfigurationError(f"unknown metric '{name}', {nearest(name, SIGN)}")
        merit = {name: SIGN[name] * value for name, value in metrics.items()}
        better = tuple(name for name, value in merit.items() if value > self.best[name])
        self.best |= {name: merit[name] for name in better}
        return better

    def settled(self, reward: float) -> bool:
        """Return whether the last `window` moving means differ by less than the threshold.

        :param reward: of the latest evaluation
        """
        self.rewards.append(reward)
        if len(self.rewards) < self.window:
            return False
        self.means.append(sum(self.rewards[-self.window :]) / self.window)
        if len(self.means) < self.window:
            return False
        low, high = min(self.means[-self.window :]), max(self.means[-self.window :])
        return (high - low) / max(abs(low), 1e-8) < self.threshold

    def state_dict(self) -> dict[str, Any]:
        """Return the state that later comparisons depend on."""
        return {"best": dict(self.best), "rewards": list(self.rewards), "means": list(self.means)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, as `state_dict` returned it."""
        self.best = dict(state["best"])
        self.rewards, self.means = list(state["rewards"]), list(state["means"])
