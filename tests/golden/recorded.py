"""Reading recorded runs, and running the same scenario here."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from assume_rl.agents.world import World
from assume_rl.envs.record import play_recorded
from assume_rl.episodes.teams import Policy
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario


class Tables:
    """A sink that keeps all rows as data frames."""

    def __init__(self) -> None:
        self._parts: dict[str, list[pd.DataFrame]] = defaultdict(list)

    def write(self, table: str, columns: dict[str, Any]) -> None:
        self._parts[table].append(pd.DataFrame(columns))

    def __getitem__(self, table: str) -> pd.DataFrame:
        return pd.concat(self._parts[table], ignore_index=True)


Shell = Callable[[Compiled], Tables]


class Replay:
    """Takes recorded actions one after the other and keeps what it was shown."""

    dtype = torch.float64

    def __init__(self, actions: np.ndarray) -> None:
        # The record multiplied float32 actions by float32 price limits.
        self.actions = torch.tensor(actions, dtype=torch.float32)
        self.seen: list[Tensor] = []

    def __call__(self, obs: Tensor) -> Tensor:
        number = len(self.seen)
        self.seen.append(obs[0])
        return self.actions[min(number, len(self.actions) - 1)].unsqueeze(0)


class Watched:
    """A policy that keeps what it was shown and what it did."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.dtype = policy.dtype
        self.seen: list[Tensor] = []

    def __call__(self, obs: Tensor) -> Tensor:
        self.seen.append(obs[0])
        return self.policy(obs)


def compiled(folder: Path, case: str | None = None, **overrides: Any) -> Compiled:
    return compile_scenario(load_scenario(folder, case, overrides=overrides))


def run(scenario: Compiled, policies: Mapping[str, Policy] | None = None) -> Tables:
    """One episode on fixed policies, all tables kept."""
    tables = Tables()
    world = World(scenario, seed=42, policies=policies or {})
    asyncio.run(world.run_episode(sink=tables))
    return tables


def run_batch(scenario: Compiled) -> Tables:
    """One episode on the batch shell, all tables kept."""
    tables = Tables()
    play_recorded(scenario, seed=42, policies={}, sink=tables)
    return tables


def read(path: Path, dates: tuple[str, ...] = ()) -> pd.DataFrame:
    return pd.read_csv(path, parse_dates=list(dates))


def assert_close(ours: Any, theirs: Any, tolerance: float, what: str) -> None:
    """Every |difference| <= tolerance * max(1, |theirs|); blank cells are not facts."""
    a, b = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    assert a.shape == b.shape, f"{what}: {a.shape} rows here, {b.shape} recorded"
    assert len(b) > 0, f"{what}: nothing to compare"
    error = np.abs(a - b) / np.maximum(1.0, np.abs(b))
    known = ~np.isnan(b)
    assert not np.isnan(a[known]).any(), f"{what}: values missing here"
    worst = int(np.nanargmax(np.where(known, error, -1.0)))
    assert error[known].max() <= tolerance, (
        f"{what}: row {worst}: {a.flat[worst]} here, {b.flat[worst]} recorded"
    )


def aligned(ours: pd.DataFrame, theirs: pd.DataFrame, keys: list[str]) -> tuple[Any, Any]:
    """Both tables sorted by `keys`, which must be the same rows."""
    a = ours.sort_values(keys, kind="stable").reset_index(drop=True)
    b = theirs.sort_values(keys, kind="stable").reset_index(drop=True)
    assert len(a) == len(b), f"{len(a)} rows here, {len(b)} recorded"
    for key in keys:
        assert (a[key].to_numpy() == b[key].to_numpy()).all(), f"rows differ in {key}"
    return a, b
