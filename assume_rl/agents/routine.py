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
from assume_rl.core.orders import Orders, auction_of, join
from assume_rl.core.step import initial_state, look
from assume_rl.core.types import Auction
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
        teams, fleet = portfolio.teams[market], portfolio.fleet
        parts = [self._made(team, market, opened, first) for team in teams]
        self._orders = join(parts, [team.units for team in teams], fleet.node)
        self._log = RoutineLog(fleet, portfolio.profiles, self._orders.unit, calendar.step_hours)

    def _made(self, team: Team, market: str, opened: Tensor, first: int) -> Orders:
        offset = first - int(opened[0])
        own = self._own
        state = initial_state(own.fleet, 1, offset, (len(opened),), keep_prices=False)
        view = look(
            own.fleet, own.profiles, state, opened, (offset,), market, team.members, team.strategy
        )
        nothing = view.marginal_cost.new_zeros((*view.previous_power.shape, 0))
        return team.strategy.bids(view, nothing)

    def orders(self, auction: Auction) -> Orders:
        """The orders for one auction."""
        return auction_of(self._orders, auction.number)

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
