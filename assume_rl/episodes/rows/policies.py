"""A log of actions and rewards under fixed policies, until they become rows of `rl_params`."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assume_rl.core.money import Reward
from assume_rl.episodes.calendar import EpisodeKey


class PolicyLog:
    """A buffer of actions and rewards of one operator's units with fixed policies."""

    def __init__(self, key: EpisodeKey) -> None:
        self._key = key
        self._rows: dict[tuple[str, ...], list[tuple[int, Tensor, Reward]]] = defaultdict(list)

    def add(self, unit_ids: tuple[str, ...], step: int, action: Tensor, got: Reward) -> None:
        """Keep actions and rewards of one delivery.

        :param unit_ids: names of the agents
        :param step: calendar step of the first delivery
        :param action: (unit, act)
        :param got: rewards, (unit)
        """
        self._rows[unit_ids].append((step, action, got))

    def drain(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield rows per set of units, step by step, and clear the buffer."""
        rows, self._rows = self._rows, defaultdict(list)
        for unit_ids, entries in rows.items():
            steps = np.array([step for step, _, _ in entries])
            action = torch.cat([a for _, a, _ in entries]).double().numpy()
            columns: dict[str, Any] = {
                "step": np.repeat(steps, len(unit_ids)),
                "unit": np.tile(np.array(unit_ids, dtype=object), len(steps)),
                "evaluation_mode": np.ones(len(action), dtype=bool),
                "episode": np.full(len(action), self._key.episode),
            }
            for name in ("reward", "profit", "regret"):
                columns[name] = torch.cat([getattr(got, name) for _, _, got in entries]).numpy()
            for i in range(action.shape[1]):
                columns[f"actions_{i}"] = action[:, i]
                columns[f"exploration_noise_{i}"] = np.zeros(len(action))
            yield "rl_params", columns
