"""Executed steps, kept as tensors until they are turned into rows of result tables."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assume_rl.core.settlement import generation_cost, running_cost
from assume_rl.core.types import Fleet, Profiles, UnitState
from assume_rl.episodes.start_log import StartLog


class DispatchLog:
    """Buffers what units delivered, earned and spent per step."""

    def __init__(self, fleet: Fleet, profiles: Profiles, step_hours: float) -> None:
        self._fleet = fleet
        self._profiles = profiles
        self._step_hours = step_hours
        self._starts = StartLog(fleet, step_hours)
        self._entries: list[tuple[int, int, UnitState]] = []

    def add(self, state: UnitState, step: int, steps: int) -> None:
        """Keep the last `steps` steps up to and including `step`."""
        self._entries.append((step, steps, state))

    def drain(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the buffered rows of `unit_dispatch` and `start_costs`; forget them."""
        entries, self._entries = self._entries, []
        if not entries:
            return
        power = _recent([(state.energy, state.lookback, n) for _, n, state in entries])
        cashflow = _recent([(money(state)[0], state.lookback, n) for _, n, state in entries])
        revenue = _recent([(money(state)[1], state.lookback, n) for _, n, state in entries])
        steps = torch.cat([torch.arange(step - n + 1, step + 1) for step, n, _ in entries])
        columns = dispatch_columns(
            self._fleet, self._profiles, self._step_hours, steps, power, cashflow, revenue
        )
        yield "unit_dispatch", columns
        for rows in self._starts.rows(steps, power):
            yield "start_costs", rows


def dispatch_columns(
    fleet: Fleet,
    profiles: Profiles,
    step_hours: float,
    steps: Tensor,
    power: Tensor,
    cashflow: Tensor,
    revenue: Tensor,
) -> dict[str, Any]:
    """Return the columns of `unit_dispatch`, a row per step and unit.

    :param step_hours: length of a step, h
    :param steps: (step), steps of the calendar
    :param power: (step, unit), MW delivered
    :param cashflow: (step, unit), EUR, see `UnitState`
    :param revenue: (step, unit), EUR, see `UnitState`
    """
    marginal_cost = profiles.marginal_cost[steps]
    names = np.array(fleet.ids, dtype=object)
    return {
        "step": np.repeat(steps.numpy(), len(names)),
        "unit": np.tile(names, len(steps)),
        "power": power.numpy().ravel(),
        "revenue": revenue.numpy().ravel(),
        "cost": running_cost(marginal_cost, power, step_hours).numpy().ravel(),
        "energy_cashflow": cashflow.numpy().ravel(),
        "energy_generation_costs": generation_cost(marginal_cost, power).numpy().ravel(),
    }


def money(state: UnitState) -> tuple[Tensor, Tensor]:
    """Return `cashflow` and `revenue` of a state that keeps them.

    :raises ValueError: it keeps none.
    """
    if state.cashflow is None or state.revenue is None:
        raise ValueError("the dispatch is recorded from a state that keeps money")
    return state.cashflow, state.revenue


def _recent(windows: list[tuple[Tensor, int, int]]) -> Tensor:
    """(step, unit): the last n steps up to now of each window."""
    return torch.cat([window[now - n + 1 : now + 1] for window, now, n in windows])
