"""Reports of a Learning role, as columns of the result tables."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from assume_rl.agents.learning.experience import Frame
from assume_rl.agents.messages import Acted, Rewarded
from assume_rl.learning.types import AgentSpec, UpdateMetrics


def rl_params(
    frames: Sequence[Frame], specs: Sequence[AgentSpec], episode: int, evaluation: bool
) -> list[dict[str, Any]]:
    """Return rows of the table `rl_params`, one set of columns per length of action.

    :param frames: records of some deliveries
    :param specs: the agents
    :param episode: its number
    :param evaluation: whether it is an evaluation
    """
    sizes = dict.fromkeys(spec.act_size for spec in specs)
    tables = []
    for size in sizes:
        units = [spec.unit_id for spec in specs if spec.act_size == size]
        rows = [
            (frame.time, frame.rewarded[unit], frame.acted[unit], frame.behind.get(unit, 0))
            for frame in frames
            for unit in units
            if unit in frame.rewarded and unit in frame.acted
        ]
        if rows:
            tables.append(_rl_params(rows, size, episode, evaluation))
    return tables


def _rl_params(
    rows: list[tuple[float, Rewarded, Acted, int]], size: int, episode: int, evaluation: bool
) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "datetime": np.array([time for time, *_ in rows]).astype("datetime64[s]"),
        "unit": np.array([got.unit_id for _, got, *_ in rows], dtype=object),
    }
    for name in ("reward", "regret", "profit"):
        columns[name] = np.array([getattr(got, name) for _, got, *_ in rows])
    action = torch.stack([acted.action for _, _, acted, _ in rows]).double().cpu().numpy()
    noise = torch.stack([acted.noise for _, _, acted, _ in rows]).double().cpu().numpy()
    for i in range(size):
        columns[f"actions_{i}"] = action[:, i]
        columns[f"exploration_noise_{i}"] = noise[:, i]
    behind = np.array([late for *_, late in rows])
    if behind.any():
        columns["versions_behind"] = behind
    columns["evaluation_mode"] = np.full(len(rows), evaluation)
    columns["episode"] = np.full(len(rows), episode)
    return columns


def rl_grad_params(
    metrics: UpdateMetrics, unit_ids: Sequence[str], *, first: int, episode: int
) -> dict[str, Any]:
    """Return rows of the table `rl_grad_params`, iteration by iteration.

    :param metrics: of one seed
    :param unit_ids: of the agents
    :param first: number of the first iteration
    :param episode: number of the episode
    """
    iterations, agents = metrics.iterations, len(unit_ids)
    rows = iterations * agents
    columns: dict[str, Any] = {
        "step": np.repeat(np.arange(first, first + iterations), agents),
        "unit": np.tile(np.array(unit_ids, dtype=object), iterations),
        "learning_rate": np.full(rows, metrics.learning_rate),
        "evaluation_mode": np.full(rows, False),
        "episode": np.full(rows, episode),
    }
    for name, values in metrics.values.items():
        columns[name] = values.detach().double().cpu().flatten().numpy()
    return columns
