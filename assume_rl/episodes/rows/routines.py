"""A log of results of memoryless bidders, until many are settled at once."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.orders import Orders
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Position, Result, begin, settle
from assume_rl.core.units.base import ENERGY
from assume_rl.episodes.rows.dispatch import Columns, dispatch_columns, money
from assume_rl.episodes.rows.starts import StartLog

# The only step of a single-step auction, as if it were the first one of an episode.
STEP = Auction(market="", number=0, opens=0, closes=0, first=(0,), length=(1,))


class RoutineLog:
    """A buffer of the results of single-step auctions of memoryless units (`episodes.routines`).

    :param portfolio: whose series begin with the episode.
    :param unit: unit of each order, index into the fleet.
    """

    def __init__(self, portfolio: Portfolio, unit: Int[Tensor, " slot"]) -> None:
        self._own = replace(portfolio, lookback=0, horizon=0, delay=0)
        self._unit, self._node = unit, portfolio.fleet.node[unit]
        self._starts = StartLog(portfolio.fleet, portfolio.step_hours)
        self._results: dict[int, tuple[Tensor, Tensor]] = {}
        self._stacked: list[tuple[Tensor, Tensor, Tensor]] = []
        self._reported = -1  # last step in the tables

    def add(
        self, step: int, accepted: Float[Tensor, "1 slot"], paid: Float[Tensor, "1 slot"]
    ) -> None:
        """Keep the result for the delivery at `step`; a repeated one changes nothing.

        :param step: of the calendar
        :param accepted: MW
        :param paid: EUR/MWh
        """
        self._results.setdefault(step, (accepted, paid))

    def add_all(
        self,
        steps: Int[Tensor, " auction"],
        accepted: Float[Tensor, "auction 1 slot"],
        paid: Float[Tensor, "auction 1 slot"],
    ) -> None:
        """Keep the results for the deliveries at `steps`, none of them twice; otherwise as `add`.

        :param accepted: MW
        :param paid: EUR/MWh
        """
        self._stacked.append((steps, accepted, paid))

    def drain(self) -> Iterator[tuple[str, Columns]]:
        """Yield the rows since the last call, up to the last result, table by table."""
        results, self._results = self._results, {}
        stacked, self._stacked = self._stacked, []
        if results:
            accepted, paid = (torch.stack(own) for own in zip(*results.values(), strict=True))
            stacked.append((torch.tensor(list(results)), accepted, paid))
        if not stacked:
            return
        delivered, accepted, paid = (torch.cat(own) for own in zip(*stacked, strict=True))
        power, cashflow, revenue = self._deliver(delivered, accepted, paid)
        first, self._reported = self._reported + 1, int(delivered.max())
        steps = torch.arange(first, self._reported + 1)
        if not delivered.equal(steps):  # in some steps nothing was cleared
            nothing = power.new_zeros((len(steps), power.shape[-1]))
            power, cashflow, revenue = (
                nothing.index_copy(0, delivered - first, found)
                for found in (power, cashflow, revenue)
            )
        earned = {"energy_cashflow": cashflow, "revenue": revenue}
        yield "unit_dispatch", dispatch_columns(self._own, steps, power, earned)
        for rows in self._starts.rows(steps, power):
            yield "start_costs", rows

    def _deliver(
        self, steps: Tensor, accepted: Tensor, paid: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return power, cash flow and revenue (auction, unit) of the only step of each auction."""
        fresh = begin(self._own, (len(steps),))
        position = Position(fresh.state, steps, 0, fresh.executed)
        result = Result(
            auction=STEP,
            # Units that keep no prices need only the unit of each order.
            orders=Orders(price=paid, volume=accepted, unit=self._unit, node=self._node),
            accepted=accepted,
            paid=paid,
            price=paid,
            asked=(),
            slots=(),
        )
        position, _, _ = settle(self._own, position, [result])
        cashflow, revenue = money(position.state)
        return position.state.energy[:, 0], cashflow[ENERGY][:, 0], revenue[:, 0]
