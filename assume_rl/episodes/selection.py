"""The results of episodes, the best evaluations so far, and when training has settled.

Semantics: docs/scenario-format.md, "Training loop".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assume_rl.errors import ConfigurationError, nearest

SIGN = {"reward": 1.0, "profit": 1.0, "regret": -1.0, "exploitability": -1.0}
"""Whether more of a metric is better."""
_WORST = dict.fromkeys(SIGN, -math.inf)


@dataclass(frozen=True)
class Scores:
    """The results of one episode, over all of its deliveries."""

    reward: float  # sum per agent, mean over agents
    profit: float  # EUR, all agents
    regret: float  # EUR, all agents
    exploitability: float | None = None  # EUR, of an evaluation, where it is known and cheap
    movement: float | None = None  # of policies since the evaluation before: mean change
    version: int | None = None  # of a training episode: updates that its latest policies had had
    staleness: int | None = None  # likewise: updates that policies were behind at most

    @property
    def merits(self) -> dict[str, float]:
        """Return the metrics that policies are kept by, where they are known."""
        found = {name: getattr(self, name) for name in SIGN}
        return {name: value for name, value in found.items() if value is not None}


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
        """Return the metrics that are better than ever; of equal ones the earliest stays the best.

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
        """Return whether the mean of the last `window` rewards moved little, `window` times."""
        self.rewards.append(reward)
        if len(self.rewards) < self.window:
            return False
        self.means.append(sum(self.rewards[-self.window :]) / self.window)
        if len(self.means) < self.window:
            return False
        low, high = min(self.means[-self.window :]), max(self.means[-self.window :])
        return (high - low) / max(abs(low), 1e-8) < self.threshold

    def state_dict(self) -> dict[str, Any]:
        """Return everything that later decisions depend on."""
        return {"best": dict(self.best), "rewards": list(self.rewards), "means": list(self.means)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`."""
        self.best = dict(state["best"])
        self.rewards, self.means = list(state["rewards"]), list(state["means"])
