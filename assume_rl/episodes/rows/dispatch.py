"""A log of executed steps, kept as tensors until they become rows of result tables."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assume_rl.core.money import generation_cost
from assume_rl.core.trade import Executed, Portfolio, UnitState, columns_of
from assume_rl.core.units import calls
from assume_rl.core.units.fleet import side_by_side
from assume_rl.episodes.rows.starts import StartLog

Columns = dict[str, Any]

TABLES = frozenset({"unit_dispatch", "start_costs"})


class DispatchLog:
    """A buffer of the power, revenue and cost of units per step.

    :param portfolio: whose series begin with the episode.
    """

    def __init__(self, portfolio: Portfolio) -> None:
        self._own = portfolio
        self._starts = StartLog(portfolio.fleet, portfolio.step_hours)
        self._entries: list[Executed] = []

    def add(self, executed: Executed) -> None:
        """Keep executed steps."""
        self._entries.append(executed)

    def drain(self) -> Iterator[tuple[str, Columns]]:
        """Yield all buffered rows as one batch of columns per table, and clear the buffer."""
        entries, self._entries = self._entries, []
        if not entries:
            return
        steps = torch.cat([torch.arange(e.step - e.steps + 1, e.step + 1) for e in entries])
        cashflows, revenue = zip(*(money(e.state) for e in entries), strict=True)
        tables = {"power": [e.state.energy for e in entries], "revenue": revenue}
        for kind in cashflows[0]:
            tables[f"{kind}_cashflow"] = [cashflow[kind] for cashflow in cashflows]
        rows = {
            name: torch.cat([_recent(t, e) for t, e in zip(windows, entries, strict=True)])
            for name, windows in tables.items()
        }
        more = [columns_of(self._own, e.state) for e in entries]
        extra = {
            name: torch.cat([_recent(m[name], e) for m, e in zip(more, entries, strict=True)])
            for name in more[0]
        }
        power = rows.pop("power")
        yield "unit_dispatch", dispatch_columns(self._own, steps, power, {**rows, **extra})
        for columns in self._starts.rows(steps, power):
            yield "start_costs", columns


def dispatch_columns(
    portfolio: Portfolio, steps: Tensor, power: Tensor, more: Mapping[str, Tensor]
) -> Columns:
    """Return the columns of `unit_dispatch`, a row per step and unit.

    :param steps: (step), since the episode began
    :param power: (step, unit), MW delivered
    :param more: (step, unit), further columns, of money as `UnitState` has it; NaN where a unit has
        none
    """
    series = portfolio.profiles.marginal_cost[steps]
    cost, running = [], []
    for block in portfolio.fleet.blocks:
        own = slice(block.start, block.stop)
        technology, given, done = block.technology, series[:, own], power[:, own]
        cost.append(calls.marginal_cost(technology, block.params, given, done))
        running.append(calls.running_cost(technology, block.params, given, done))
    names = np.array(portfolio.fleet.ids, dtype=object)
    return {
        "step": np.repeat(steps.numpy(), len(names)),
        "unit": np.tile(names, len(steps)),
        "power": power.numpy().ravel(),
        "cost": (side_by_side(running) * portfolio.step_hours).numpy().ravel(),
        "energy_generation_costs": generation_cost(side_by_side(cost), power).numpy().ravel(),
        **{name: values.numpy().ravel() for name, values in more.items()},
    }


def money(state: UnitState) -> tuple[Mapping[str, Tensor], Tensor]:
    """Return `cashflow` by product type and `revenue` of a state that keeps them.

    :raises ValueError: it keeps none.
    """
    if state.cashflow is None or state.revenue is None:
        raise ValueError("the dispatch is recorded from a state that keeps money")
    return state.cashflow, state.revenue


def _recent(window: Tensor, executed: Executed) -> Tensor:
    """Return the executed steps of a window, (step, unit)."""
    now = executed.state.lookback
    return window[now - executed.steps + 1 : now + 1]
