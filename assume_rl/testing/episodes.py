"""The contract between the two shells: with the same policies they give the same episode."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.agents.world import World
from assume_rl.core.team import MixedPolicy, Policy, PolicyWithMemory
from assume_rl.envs.record import play_recorded
from assume_rl.scenario.compile.compiled import Compiled

Array = NDArray[np.float64]

# What tells the rows of each table apart.
KEYS = {
    "market_meta": ["market_id", "product_start", "product_end"],
    "market_orders": ["market_id", "start_time", "end_time", "bid_id"],
    "market_dispatch": ["market_id", "datetime", "unit_id"],
    "grid_flows": ["market_id", "datetime", "line"],
    "unit_dispatch": ["time", "unit"],
    "start_costs": ["time", "unit"],
    "rl_params": ["datetime", "unit"],
}


def assert_same_episode(
    compiled: Compiled,
    policies: Mapping[str, Policy] | None = None,
    *,
    seed: int = 0,
    tolerance: float = 1e-9,
) -> None:
    """Play one episode on each shell and compare all tables, and the policies' observations.

    :param compiled: scenario
    :param policies: by unit id, of all units that could learn; with float64 networks the shells
        agree to rounding.
    :param seed: of the episode
    :param tolerance: largest difference, absolute, or relative where values are above 1
    :raises AssertionError: names the table and column that differ, or nobody has an order
    """
    ours, theirs = _watched(policies or {}), _watched(policies or {})
    agents, batch = Frames(), Frames()
    asyncio.run(World(compiled, seed=seed, policies=ours).run_episode(0, sink=agents))
    play_recorded(compiled, seed=seed, policies=theirs, sink=batch)
    assert len(agents.table("market_orders")), "nobody has an order, so that nothing is compared"
    for table, keys in KEYS.items():
        _same_table(table, keys, agents, batch, tolerance)
    for unit, watched in ours.items():
        shown, seen = torch.stack(watched.seen), torch.stack(theirs[unit].seen)
        _close(shown.numpy(), seen.numpy(), tolerance, f"observations of '{unit}'")


class Frames:
    """A sink that keeps all rows as data frames."""

    def __init__(self) -> None:
        self._parts: dict[str, list[pd.DataFrame]] = defaultdict(list)

    def write(self, table: str, columns: dict[str, Any]) -> None:
        """Keep the rows."""
        self._parts[table].append(pd.DataFrame(columns))

    def table(self, name: str) -> pd.DataFrame:
        """Return all rows of a table; of one without rows, its keys."""
        parts = self._parts[name]
        if not parts:
            return pd.DataFrame(columns=KEYS.get(name))
        return pd.concat(parts, ignore_index=True)


class Watched:
    """A policy that keeps its observations."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.seen: list[Tensor] = []

    @property
    def dtype(self) -> torch.dtype:
        """Return the dtype that observations must be cast to."""
        return self._policy.dtype

    def __call__(self, obs: Tensor) -> Tensor:
        """Return the actions of observations: (..., unit, obs) -> (..., unit, act)."""
        self.seen.append(obs.flatten())
        return self._policy(obs)

    @property
    def memory_size(self) -> int:
        """Return the length of a unit's memory."""
        policy = self._policy
        return policy.memory_size if isinstance(policy, PolicyWithMemory) else 0

    def step(self, obs: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return the actions of observations, and the memory at the next decision.

        :param obs: (..., unit, obs)
        :param memory: (..., unit, entry)
        """
        assert isinstance(self._policy, PolicyWithMemory)
        self.seen.append(obs.flatten())
        return self._policy.step(obs, memory)

    @property
    def mixed(self) -> bool:
        """Return whether it draws its actions."""
        return isinstance(self._policy, MixedPolicy) and self._policy.mixed

    def draw(self, obs: Tensor, memory: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same as `step`, of actions that are drawn.

        :param obs: (..., unit, obs)
        :param memory: (..., unit, entry)
        :param z: standard normal draws (..., unit, act)
        """
        assert isinstance(self._policy, MixedPolicy)
        self.seen.append(obs.flatten())
        return self._policy.draw(obs, memory, z)


def _watched(policies: Mapping[str, Policy]) -> dict[str, Watched]:
    return {unit: Watched(policy) for unit, policy in policies.items()}


def _same_table(
    name: str, keys: list[str], agents: Frames, batch: Frames, tolerance: float
) -> None:
    ours, theirs = agents.table(name), batch.table(name)
    assert len(ours) == len(theirs), (
        f"{name}: {len(ours)} rows of the message shell, {len(theirs)} of the batch shell"
    )
    if ours.empty:
        return
    ours, theirs = ours.sort_values(keys), theirs.sort_values(keys)
    unlike = sorted(map(str, set(ours) ^ set(theirs)))
    assert not unlike, f"{name}: columns that only one shell writes: {', '.join(unlike)}"
    for column in ours:
        a, b = ours[column].to_numpy(), theirs[column].to_numpy()
        if a.dtype.kind == "f":
            _close(a, b, tolerance, f"{name}.{column}")
        else:
            same = (a == b) | (pd.isna(a) & pd.isna(b))  # a column that some markets leave empty
            assert same.all(), f"{name}.{column} differs between the shells"


def _close(ours: Array, theirs: Array, tolerance: float, what: str) -> None:
    assert (np.isnan(ours) == np.isnan(theirs)).all(), f"{what}: values missing on one shell"
    gap = np.nan_to_num(np.abs(ours - theirs) / np.maximum(1.0, np.abs(ours)))
    assert gap.max() <= tolerance, f"{what} differ between the shells by up to {gap.max():.2g}"
