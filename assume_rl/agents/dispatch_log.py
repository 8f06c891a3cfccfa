"""Executed steps, kept as tensors until they are turned into rows of `unit_dispatch`."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assume_rl.agents.portfolio import Portfolio
from assume_rl.core.step import generation_cost
from assume_rl.core.types import UnitState


class DispatchLog:
    """Buffers what one operator's units delivered, earned and spent per step."""

    def __init__(self, portfolio: Portfolio) -> None:
        self._own = portfolio
        self._names = np.array(portfolio.fleet.ids, dtype=object)
        self._steps: list[Tensor] = []
        self._power: list[Tensor] = []
        self._cashflow: list[Tensor] = []

    def add(self, state: UnitState, step: int, steps: int) -> None:
        """Keep the last `steps` steps up to and including `step`."""
        window = slice(state.lookback - steps + 1, state.lookback + 1)
        self._steps.append(torch.arange(step - steps + 1, step + 1))
        self._power.append(state.energy[window])
        self._cashflow.append(state.cashflow[window])

    def drain(self) -> Iterator[dict[str, Any]]:
        """All buffered rows as one batch of columns; forgets them."""
        if not self._steps:
            return
        steps, power = torch.cat(self._steps), torch.cat(self._power)
        cost = generation_cost(self._own.profiles.marginal_cost[steps], power)
        cashflow = torch.cat(self._cashflow)
        self._steps, self._power, self._cashflow = [], [], []
        yield {
            "step": np.repeat(steps.numpy(), len(self._names)),
            "unit": np.tile(self._names, len(steps)),
            "power": power.numpy().ravel(),
            "energy_cashflow": cashflow.numpy().ravel(),
            "energy_generation_costs": cost.numpy().ravel(),
        }
