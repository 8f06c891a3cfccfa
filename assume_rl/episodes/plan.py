"""When a Learning role updates, how it explores, which policies it keeps and when it stops.

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
    """POSIX seconds; a naive time is UTC, whatever zone the machine is in."""
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return int(aware.timestamp())


def update_interval(train_freq: str, horizon: int) -> int:
    """Seconds between two updates over a horizon of so many seconds.

    A `train_freq` that does not divide the horizon is shortened to whole hours so that one more
    update fits: 30 days with 100h give 90h. `ConfigurationError` if it exceeds the horizon.
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
    """POSIX seconds of all updates: `start + k * interval`, k = 1, 2, ..., up to and with `end`."""
    return tuple(range(start + interval, end + 1, interval))


@dataclass(frozen=True)
class Plan:
    """The settings of a training, laid out over the calendar of its episodes."""

    config: LearningConfig
    start: int  # POSIX seconds
    end: int
    update_times: tuple[int, ...]  # POSIX seconds, in every episode

    @classmethod
    def of(cls, config: LearningConfig, start: datetime, end: datetime) -> "Plan":
        """Lay out `config`; an adjusted `train_freq` is reported."""
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
        """What is left of training, 1 to 0, at `now` of the episode after `episodes_done` others.

        `now`: POSIX seconds; None: the start of the episode. `side_by_side`: episodes that are
        played at once.
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
        """Exploration of a training episode; `random_start`: whether the first ones are random."""
        initial = random_start and episodes_done < self.initial_episodes
        left = self.progress(episodes_done, now, side_by_side=side_by_side)
        return exploration_at(self.config, initial=initial, progress=left)

    def iterations_before(self, episodes_done: int, updates: int) -> int:
        """Iterations of the whole training before an update, the `updates`-th of its episode."""
        episodes = max(episodes_done - self.initial_episodes, 0)
        return (episodes * len(self.update_times) + updates) * self.config.gradient_steps


def pick_device(name: str) -> torch.device:
    """The device called `name`; "auto" is CUDA where there is one, otherwise the CPU.

    `ConfigurationError` if the device is not there.
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
    """What one episode brought, over all of its deliveries."""

    reward: float  # sum per agent, mean over agents
    profit: float  # EUR, all agents
    regret: float  # EUR, all agents


@dataclass
class Selection:
    """Compares evaluations: which are the best so far, and whether training has settled.

    :param window: evaluations that early stopping looks back on.
    :param threshold: relative change of the mean reward below which training has settled.
    """

    window: int
    threshold: float
    best: dict[str, float] = field(default_factory=lambda: dict(_WORST))
    rewards: list[float] = field(default_factory=list)
    means: list[float] = field(default_factory=list)

    def improved(self, metrics: Mapping[str, float]) -> tuple[str, ...]:
        """Metrics that are better than ever; of equal ones the earliest stays the best.

        `ConfigurationError` if a metric is unknown.
        """
        for name in metrics:
            if name not in SIGN:
                raise ConfigurationError(f"unknown metric '{name}', {nearest(name, SIGN)}")
        merit = {name: SIGN[name] * value for name, value in metrics.items()}
        better = tuple(name for name, value in merit.items() if value > self.best[name])
        self.best |= {name: merit[name] for name in better}
        return better

    def settled(self, reward: float) -> bool:
        """Whether the mean of the last `window` rewards has hardly moved for `window` times."""
        self.rewards.append(reward)
        if len(self.rewards) < self.window:
            return False
        self.means.append(sum(self.rewards[-self.window :]) / self.window)
        if len(self.means) < self.window:
            return False
        low, high = min(self.means[-self.window :]), max(self.means[-self.window :])
        return (high - low) / max(abs(low), 1e-8) < self.threshold

    def state_dict(self) -> dict[str, Any]:
        """Everything that later decisions depend on."""
        return {"best": dict(self.best), "rewards": list(self.rewards), "means": list(self.means)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.best = dict(state["best"])
        self.rewards, self.means = list(state["rewards"]), list(state["means"])
