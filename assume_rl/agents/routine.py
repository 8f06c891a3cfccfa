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
from assume_rl.core.step import initial_state, look
from assume_rl.core.types import Auction, Bids
from assume_rl.core.units import TECHNOLOGIES
from assume_rl.episodes.calendar import Calendar
from assume_rl.episodes.routine_log import RoutineLog
from assume_rl.episodes.routines import memoryless, one_step_each
from assume_rl.episodes.teams import Team


class Routine:
    """The trade of one memoryless operator in its only market.

    :param auctions: all auctions of that market, in order.
    """

    def __init__(
        self, portfolio: Portfolio, calendar: Calendar, market: str, auctions: Sequence[Auction]
    ) -> None:
        self._own = portfolio
        opened = torch.tensor([a.opens // calendar.step_seconds for a in auctions])
        first = auctions[0].first[0]
        parts = [self._orders(team, market, opened, first) for team in portfolio.teams[market]]
        self._price = torch.cat([part.price for part in parts], dim=-1)
        self._volume = torch.cat([part.volume for part in parts], dim=-1)
        self._unit = torch.cat([part.unit for part in parts])
        self._log = RoutineLog(portfolio.fleet, portfolio.profiles, self._unit, calendar.step_hours)

    def _orders(self, team: Team, market: str, opened: Tensor, first: int) -> Bids:
        offset = first - int(opened[0])
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
        self._log.add(auction.first[0], accepted, paid)

    def drain(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what `RoutineLog.drain` does."""
        yield from self._log.drain()


def routine_of(
    portfolio: Portfolio, calendar: Calendar, auctions: dict[str, tuple[Auction, ...]]
) -> Routine | None:
    """The routine of an operator that needs no memory; None if it does."""
    if len(portfolio.teams) != 1:
        return None
    ((market, teams),) = portfolio.teams.items()
    simple = all(memoryless(team.strategy, team.members.block) for team in teams)
    # Units that bid nowhere are executed too.
    idle = any(TECHNOLOGIES[b.technology].has_history(b.params) for b in portfolio.fleet.blocks)
    if idle or not simple or not one_step_each(auctions[market], calendar.step_seconds):
        return None
    return Routine(portfolio, calendar, market, auctions[market])
