"""Results of bidders whose bids need no memory, until they are worked out many at a time."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.orders import Orders
from assume_rl.core.step import dispatch, execute, initial_state
from assume_rl.core.types import Fleet, Profiles
from assume_rl.episodes.dispatch_log import dispatch_columns, money
from assume_rl.episodes.start_log import StartLog


class RoutineLog:
    """Buffers what single-step auctions brought units without memory (`episodes.routines`).

    :param unit: unit of each order, index into the fleet.
    :param begin: step at which the episode begins.
    """

    def __init__(
        self,
        fleet: Fleet,
        profiles: Profiles,
        unit: Int[Tensor, " slot"],
        step_hours: float,
        begin: int = 0,
    ) -> None:
        self._fleet = fleet
        self._profiles = profiles
        self._unit, self._node = unit, fleet.node[unit]
        self._step_hours = step_hours
        self._starts = StartLog(fleet, step_hours)
        self._results: dict[int, tuple[Tensor, Tensor]] = {}
        self._reported = begin - 1  # last step in the tables

    def add(
        self, step: int, accepted: Float[Tensor, "1 slot"], paid: Float[Tensor, "1 slot"]
    ) -> None:
        """Keep the result for the delivery at `step`; a repeated one changes nothing."""
        self._results.setdefault(step, (accepted, paid))

    def drain(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the rows of `unit_dispatch` and `start_costs` that are new since the last time."""
        results, self._results = self._results, {}
        if not results:
            return
        delivered = torch.tensor(list(results))
        accepted = torch.stack([accepted for accepted, _ in results.values()])
        paid = torch.stack([paid for _, paid in results.values()])
        power, cashflow, revenue = self._deliver(delivered, accepted, paid)
        steps = torch.arange(self._reported + 1, int(delivered.max()) + 1)
        place = delivered - self._reported - 1
        self._reported = int(delivered.max())
        nothing = power.new_zeros((len(steps), power.shape[-1]))
        power, cashflow, revenue = (
            nothing.index_copy(0, place, found) for found in (power, cashflow, revenue)
        )
        columns = dispatch_columns(
            self._fleet, self._profiles, self._step_hours, steps, power, cashflow, revenue
        )
        yield "unit_dispatch", columns
        for rows in self._starts.rows(steps, power):
            yield "start_costs", rows

    def _deliver(
        self, steps: Tensor, accepted: Tensor, paid: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return power, cash flow and revenue (auction, unit) of the only step of each auction."""
        state = initial_state(self._fleet, 0, 0, (len(steps),), keep_prices=False)
        # Only whose order it is matters for the dispatch of units that keep no prices.
        orders = Orders(price=paid, volume=accepted, unit=self._unit, node=self._node)
        state = dispatch(state, orders, accepted, paid, (0,), (1,), self._step_hours)
        state = execute(self._fleet, self._profiles, state, steps, 1)
        cashflow, revenue = money(state)
        return state.energy[:, 0], cashflow[:, 0], revenue[:, 0]
