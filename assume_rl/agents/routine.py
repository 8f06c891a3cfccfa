"""Operators whose bids need no memory: all auctions of an episode are worked out in one batch.

A bidder that follows a rule, has no ramp limits and sells every step in one market only, bids the
same whatever happened before. The core takes an axis of auctions as it takes any other, so its
orders can be worked out once for the whole calendar, and its results many at a time. It still
answers every opening and hears every result like everybody else, and gives the same numbers.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from assume_rl.agents.portfolio import Portfolio
from assume_rl.core.step import dispatch, execute, initial_state, look
from assume_rl.core.types import Auction, Bids
from assume_rl.core.units import TECHNOLOGIES
from assume_rl.episodes.calendar import Calendar
from assume_rl.episodes.dispatch_log import dispatch_columns
from assume_rl.episodes.teams import Team


class Routine:
    """The trade of one memoryless operator in its only market.

    :param auctions: all auctions of that market, in order.
    """

    def __init__(
        self, portfolio: Portfolio, calendar: Calendar, market: str, auctions: Sequence[Auction]
    ) -> None:
        self._own = portfolio
        self._calendar = calendar
        self._first = torch.tensor([auction.first[0] for auction in auctions])
        opened = torch.tensor([a.opens // calendar.step_seconds for a in auctions])
        parts = [self._orders(team, market, opened) for team in portfolio.teams[market]]
        self._price = torch.cat([part.price for part in parts], dim=-1)
        self._volume = torch.cat([part.volume for part in parts], dim=-1)
        self._unit = torch.cat([part.unit for part in parts])
        self._results: dict[int, tuple[Tensor, Tensor]] = {}
        self._reported = -1  # last step in the tables

    def _orders(self, team: Team, market: str, opened: Tensor) -> Bids:
        offset = int(self._first[0] - opened[0])
        own = self._own
        state = initial_state(own.fleet, 1, offset, (len(opened),), keep_prices=False)
        view = look(
            own.fleet, own.profiles, state, opened, (offset,), market, team.members, team.strategy
        )
        nothing = view.marginal_cost.new_empty((*view.previous_power.shape, 0))
        bids = team.strategy.bids(view, nothing)
        return Bids(bids.price, bids.volume, team.units[bids.unit])

    def bids(self, auction: Auction) -> Bids:
        """The orders for one auction."""
        return Bids(self._price[auction.number], self._volume[auction.number], self._unit)

    def settle(self, auction: Auction, accepted: Tensor, paid: Tensor) -> None:
        """Keep a result; a repeated one changes nothing."""
        self._results.setdefault(auction.number, (accepted, paid))

    def drain(self) -> Iterator[dict[str, Any]]:
        """Rows of `unit_dispatch` since the last time, up to the last result."""
        results, self._results = self._results, {}
        if not results:
            return
        numbers = torch.tensor(list(results))
        accepted = torch.stack([accepted for accepted, _ in results.values()])
        paid = torch.stack([paid for _, paid in results.values()])
        power, cashflow = self._deliver(numbers, accepted, paid)
        delivered = self._first[numbers]
        steps = torch.arange(self._reported + 1, int(delivered.max()) + 1)
        place = delivered - self._reported - 1
        self._reported = int(delivered.max())
        shape = (len(steps), power.shape[-1])
        yield dispatch_columns(
            self._own.fleet,
            self._own.profiles,
            steps,
            power.new_zeros(shape).index_copy(0, place, power),
            power.new_zeros(shape).index_copy(0, place, cashflow),
        )

    def _deliver(self, numbers: Tensor, accepted: Tensor, paid: Tensor) -> tuple[Tensor, Tensor]:
        """(auction, unit): power and cash flow of the only step of each auction."""
        own = self._own
        bids = Bids(self._price[numbers], self._volume[numbers], self._unit)
        state = initial_state(own.fleet, 0, 0, (len(numbers),), keep_prices=False)
        hours = self._calendar.step_hours
        state = dispatch(state, bids, accepted, paid, (0,), (1,), hours)
        state = execute(own.fleet, own.profiles, state, self._first[numbers], 1)
        return state.energy[:, 0], state.cashflow[:, 0]


def routine_of(
    portfolio: Portfolio, calendar: Calendar, auctions: dict[str, tuple[Auction, ...]]
) -> Routine | None:
    """The routine of an operator that needs no memory; None if it does."""
    if len(portfolio.teams) != 1:
        return None
    ((market, teams),) = portfolio.teams.items()
    simple = all(_memoryless(team) for team in teams)
    if not simple or not auctions[market] or not _one_step_each(auctions[market], calendar):
        return None
    return Routine(portfolio, calendar, market, auctions[market])


def _memoryless(team: Team) -> bool:
    strategy, block = team.strategy, team.members.block
    history = TECHNOLOGIES[block.technology].has_history(block.params)
    looks_back = strategy.foresight > 0 or strategy.needs_operating_time or history
    return strategy.act_size == 0 and not looks_back


def _one_step_each(auctions: Sequence[Auction], calendar: Calendar) -> bool:
    """Every auction sells one step of its own, and that step is executed as it clears."""
    seconds = calendar.step_seconds
    alike = {(a.length, a.first[0] - a.opens // seconds) for a in auctions}
    executed = all(a.closes // seconds == a.first[0] for a in auctions)
    steps = {a.first[0] for a in auctions}
    return alike == {((1,), next(iter(alike))[1])} and executed and len(steps) == len(auctions)
