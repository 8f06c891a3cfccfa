"""Operators whose bids need no memory: orders for all auctions of an episode in one batch.

The bids of an operator that follows a rule, has no ramp limits and sells every step in one market
only do not depend on earlier results. The core takes any leading axes, also one of auctions, so its
orders can be computed once for the whole calendar, and its results many at a time. It still answers
every opening and receives every result like other bidders, with the same numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from assume_rl.core.orders import Orders, auction_of, join
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio
from assume_rl.episodes.calendar import Calendar
from assume_rl.episodes.routines import has_memory, memoryless, one_step_each, standing_orders
from assume_rl.episodes.rows.routines import RoutineLog


class Routine:
    """The trade of one memoryless operator in its only market.

    :param portfolio: of the operator
    :param calendar: converts seconds to steps
    :param market: its name
    :param auctions: all auctions of that market, in order
    """

    def __init__(
        self, portfolio: Portfolio, calendar: Calendar, market: str, auctions: Sequence[Auction]
    ) -> None:
        opened = torch.tensor([a.opens // calendar.step_seconds for a in auctions])
        teams = portfolio.teams[market]
        parts = [standing_orders(portfolio, team, auctions[0], opened) for team in teams]
        units = [team.members.units.index for team in teams]
        self._orders = join(parts, units, portfolio.fleet.node)
        self._log = RoutineLog(portfolio, self._orders.unit)

    def orders(self, auction: Auction) -> Orders:
        """Return the orders for one auction."""
        return auction_of(self._orders, auction.number)

    def settle(self, auction: Auction, accepted: Tensor, paid: Tensor) -> None:
        """Keep a result; a repeated one changes nothing.

        :param auction: that was cleared
        :param accepted: (product slot), MW
        :param paid: (product slot), EUR/MWh
        """
        self._log.add(auction.first[0], accepted, paid)

    def drain(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the rows since the last call, up to the last result, table by table."""
        yield from self._log.drain()


def routine_of(
    portfolio: Portfolio, calendar: Calendar, auctions: Mapping[str, tuple[Auction, ...]]
) -> Routine | None:
    """Return the `Routine` of an operator that needs no memory; None if it needs one.

    :param portfolio: of the operator
    :param calendar: converts seconds to steps
    :param auctions: all auctions of each market, in order
    """
    if len(portfolio.teams) != 1:
        return None
    ((market, teams),) = portfolio.teams.items()
    simple = all(memoryless(team.bidder, team.members.block) for team in teams)
    # Units without a bidder are executed too.
    idle = any(has_memory(block) for block in portfolio.fleet.blocks)
    if idle or not simple or not one_step_each(auctions[market], calendar.step_seconds):
        return None
    return Routine(portfolio, calendar, market, auctions[market])
