"""The fleet as the batch shell steps it: units that remember and are executed alike.

An operator executes its units whenever markets that it trades in clear. Hence units of operators
with the same markets share a state, whoever owns them, and other operators' have states of their
own. Units whose bids need no memory have none at all (`episodes.routines`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assume_rl.core.bidding.protocol import Strategy
from assume_rl.core.types import Auction, Fleet, Profiles, Tick
from assume_rl.core.units.fleet import members, select, select_profiles
from assume_rl.episodes.routines import memoryless, one_step_each
from assume_rl.episodes.teams import Policy, Team, build_teams
from assume_rl.scenario.compile import Compiled


@dataclass(frozen=True)
class Cohort:
    """Units that are executed together, whose memory reaches equally far."""

    fleet: Fleet
    profiles: Profiles
    markets: tuple[str, ...]  # that their operators trade in
    teams: Mapping[str, tuple[Team, ...]]  # by market
    routine: bool  # orders need no memory and are worked out beforehand

    @property
    def remembers_prices(self) -> bool:
        """Whether any strategy looks at past prices."""
        return any(t.strategy.foresight > 0 for teams in self.teams.values() for t in teams)

    @property
    def remembers_downtime(self) -> bool:
        """Whether any reward charges starts by their downtime."""
        return any(t.strategy.needs_downtime for teams in self.teams.values() for t in teams)


@dataclass(frozen=True)
class Trade:
    """What one unit does where."""

    unit: int  # index into the scenario's fleet
    markets: tuple[str, ...]  # that its operator trades in
    strategies: Mapping[str, Strategy]  # by market that it bids in itself


def build_cohorts(compiled: Compiled, policies: Mapping[str, Policy]) -> tuple[Cohort, ...]:
    """The units of all operators that trade anywhere; those in `policies` act on a fixed one."""
    even = {
        market.name
        for market in compiled.markets
        if one_step_each(auctions_of(compiled.plan, market.name), compiled.step_seconds)
    }
    kinds: dict[tuple[tuple[str, ...], bool, bool], list[Trade]] = {}
    for trade in sorted(_trades(compiled), key=lambda trade: trade.unit):
        routine = trade.markets[0] in even and _memoryless(compiled.fleet, trade)
        looks_back = any(s.foresight > 0 for s in trade.strategies.values())
        kinds.setdefault((trade.markets, routine, looks_back), []).append(trade)
    return tuple(
        _cohort(compiled, trades, policies, routine) for (_, routine, _), trades in kinds.items()
    )


def auctions_of(plan: Sequence[Tick], market: str) -> tuple[Auction, ...]:
    """All auctions of a market, in order."""
    return tuple(a for tick in plan for a in tick.opening if a.market == market)


def _trades(compiled: Compiled) -> list[Trade]:
    return [
        Trade(unit, tuple(operator.participants), strategies)
        for operator in compiled.operators
        if operator.participants
        for unit in operator.units
        for strategies in [
            {
                market: part.strategy
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
            for strategy, members_ in _alike(fleet, trades, market)
            for team in build_teams(fleet, strategy, members_, policies)
        )
        for market in trades[0].markets
    }
    profiles = select_profiles(compiled.profiles, units)
    bidding = {market: own for market, own in teams.items() if own}
    return Cohort(fleet, profiles, trades[0].markets, bidding, routine)


def _alike(fleet: Fleet, trades: Sequence[Trade], market: str) -> list[tuple[Strategy, list[int]]]:
    """Units of one technology with one strategy; indices into the cohort's fleet."""
    found: dict[tuple[int, str], list[int]] = {}
    strategies = {s.name: s for trade in trades for s in trade.strategies.values()}
    for index, trade in enumerate(trades):
        if market in trade.strategies:
            block = next(b for b, block in enumerate(fleet.blocks) if index < block.stop)
            found.setdefault((block, trade.strategies[market].name), []).append(index)
    return [(strategies[name], units) for (_, name), units in found.items()]


def _memoryless(fleet: Fleet, trade: Trade) -> bool:
    """Whether a unit follows a rule in its operator's only market and never looks back."""
    if len(trade.markets) != 1 or not trade.strategies:
        return False
    (strategy,) = trade.strategies.values()
    return memoryless(strategy, members(fleet, [trade.unit]).block)
