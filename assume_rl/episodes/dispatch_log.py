"""Executed steps, kept as tensors until they are turned into rows of `unit_dispatch`."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assume_rl.core.step import generation_cost
from assume_rl.core.types import Fleet, Profiles, UnitState


class DispatchLog:
    """Buffers what units delivered, earned and spent per step."""

    def __init__(self, fleet: Fleet, profiles: Profiles) -> None:
        self._fleet = fleet
        self._profiles = profiles
        self._entries: list[tuple[int, int, UnitState]] = []

    def add(self, state: UnitState, step: int, steps: int) -> None:
        """Keep the last `steps` steps up to and including `step`."""
        self._entries.append((step, steps, state))

    def drain(self) -> Iterator[dict[str, Any]]:
        """All buffered rows as one batch of columns; forgets them."""
        entries, self._entries = self._entries, []
        if not entries:
            return
        power = _recent([(state.energy, state.lookback, n) for _, n, state in entries])
        cashflow = _recent([(_money(state), state.lookback, n) for _, n, state in entries])
        steps = torch.cat([torch.arange(step - n + 1, step + 1) for step, n, _ in entries])
        yield dispatch_columns(self._fleet, self._profiles, steps, power, cashflow)


def dispatch_columns(
    fleet: Fleet, profiles: Profiles, steps: Tensor, power: Tensor, cashflow: Tensor
) -> dict[str, Any]:
    """Columns of `unit_dispatch`; `power` MW and `cashflow` EUR are (step, unit)."""
    cost = generation_cost(profiles.marginal_cost[steps], power)
    names = np.array(fleet.ids, dtype=object)
    return {
        "step": np.repeat(steps.numpy(), len(names)),
        "unit": np.tile(names, len(steps)),
        "power": power.numpy().ravel(),
        "energy_cashflow": cashflow.numpy().ravel(),
        "energy_generation_costs": cost.numpy().ravel(),
    }


def _money(state: UnitState) -> Tensor:
    if state.cashflow is None:
        raise ValueError("the dispatch is recorded from a state that keeps cash flows")
    return state.cashflow


def _recent(windows: list[tuple[Tensor, int, int]]) -> Tensor:
    """(step, unit): the last n steps up to now of each window."""
    return torch.cat([window[now - n + 1 : now + 1] for window, now, n in windows])
