"""Cohorts: the parts of the fleet that the batch shell executes together.

An operator executes its units whenever markets that it trades in clear. Hence units of operators
with the same markets share a state, and other operators' units have states of their own. Units
whose bids need no memory have none at all (`episodes.routines`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assume_rl.core.bidding.base import AnyBidder, kind_of
from assume_rl.core.team import Policy
from assume_rl.core.trade import Portfolio
from assume_rl.core.units.fleet import Fleet, members, select, select_profiles
from assume_rl.episodes.routines import memoryless, one_step_each
from assume_rl.episodes.teams import build_teams
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.compile.plan import auctions_of


@dataclass(frozen=True)
class Cohort:
    """Units that are executed together, with memories of equal length."""

    portfolio: Portfolio
    markets: tuple[str, ...]  # that their operators trade in
    routine: bool  # orders need no memory and are made beforehand


@dataclass(frozen=True)
class Trade:
    """The markets and bidders of one unit."""

    unit: int  # index into the scenario's fleet
    markets: tuple[str, ...]  # that its operator trades in
    bidders: Mapping[str, AnyBidder]  # by market that it bids in itself


def build_cohorts(compiled: Compiled, policies: Mapping[str, Policy]) -> tuple[Cohort, ...]:
    """Return the cohorts of all operators that take part in a market.

    :param policies: fixed policies by agent; every other learned bidder learns
    """
    even = {
        market.name
        for market in compiled.markets
        if one_step_each(auctions_of(compiled.plan, market.name), compiled.step_seconds)
    }
    kinds: dict[tuple[tuple[str, ...], bool, bool], list[Trade]] = {}
    for trade in sorted(_trades(compiled), key=lambda trade: trade.unit):
        routine = trade.markets[0] in even and _memoryless(compiled.fleet, trade)
        looks_back = any(bidder.foresight > 0 for bidder in trade.bidders.values())
        kinds.setdefault((trade.markets, routine, looks_back), []).append(trade)
    return tuple(
        _cohort(compiled, trades, policies, routine) for (_, routine, _), trades in kinds.items()
    )


def _trades(compiled: Compiled) -> list[Trade]:
    return [
        Trade(unit, tuple(operator.participants), bidders)
        for operator in compiled.operators
        if operator.participants
        for unit in operator.units
        for bidders in [
            {
                market: part.bidder
                for market, parts in operator.participants.items()
                for part in parts
                if unit in part.units
            }
        ]
    ]


def _cohort(
    compiled: Compiled, trades: Sequence[Trade], policies: Mapping[str, Policy], routine: bool
) -> Cohort:
    units = [trade.unit for trade in trades]
    fleet = select(compiled.fleet, units)
    teams = {
        market: tuple(
            team
            for bidder, alike in _alike(fleet, trades, market)
            for team in build_teams(
                fleet, bidder, alike, compiled.agents[market], policies, compiled.rewarded_with
            )
        )
        for market in trades[0].markets
    }
    portfolio = Portfolio(
        fleet=fleet,
        profiles=select_profiles(compiled.profiles, units),
        teams={market: own for market, own in teams.items() if own},
        step_hours=compiled.step_seconds / 3600,
        lookback=compiled.lookback,
        horizon=compiled.horizon,
        delay=compiled.delay,
        product_types=compiled.product_types(trades[0].markets),
        deliverable=compiled.scenario.config.keeps_reserve,
    )
    return Cohort(portfolio, trades[0].markets, routine)


def _alike(fleet: Fleet, trades: Sequence[Trade], market: str) -> list[tuple[AnyBidder, list[int]]]:
    """Return (bidder, units) per technology and bidder; units are indices into the cohort."""
    found: dict[tuple[int, object], tuple[AnyBidder, list[int]]] = {}
    for index, trade in enumerate(trades):
        if market in trade.bidders:
            block = next(b for b, block in enumerate(fleet.blocks) if index < block.stop)
            bidder = trade.bidders[market]
            found.setdefault((block, kind_of(bidder)), (bidder, []))[1].append(index)
    return list(found.values())


def _memoryless(fleet: Fleet, trade: Trade) -> bool:
    """Return whether a unit needs no memory in its operator's only market."""
    if len(trade.markets) != 1 or not trade.bidders:
        return False
    (bidder,) = trade.bidders.values()
    return memoryless(bidder, members(fleet, [trade.unit]).block)
