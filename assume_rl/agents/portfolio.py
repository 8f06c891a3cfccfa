"""What an operator is given at the start of an episode."""

from collections.abc import Mapping
from dataclasses import dataclass

from assume_rl.core.types import Fleet, Profiles
from assume_rl.core.units.fleet import select, select_profiles
from assume_rl.episodes.teams import Policy, Team, build_teams
from assume_rl.scenario.compile import Compiled, OperatorSpec


@dataclass(frozen=True)
class Portfolio:
    """What an operator is given: its units, their series and who bids how in which market."""

    name: str
    fleet: Fleet
    profiles: Profiles
    teams: Mapping[str, tuple[Team, ...]]  # by market
    lookback: int
    horizon: int

    @property
    def remembers_prices(self) -> bool:
        """Whether any strategy looks at past prices."""
        return any(t.strategy.foresight > 0 for teams in self.teams.values() for t in teams)

    @property
    def remembers_downtime(self) -> bool:
        """Whether any reward charges starts by their downtime."""
        return any(t.strategy.needs_downtime for teams in self.teams.values() for t in teams)


def build_portfolios(compiled: Compiled, policies: Mapping[str, Policy]) -> tuple[Portfolio, ...]:
    """One portfolio per unit operator; units named in `policies` act on a fixed policy."""
    return tuple(_portfolio(compiled, operator, policies) for operator in compiled.operators)


def _portfolio(
    compiled: Compiled, operator: OperatorSpec, policies: Mapping[str, Policy]
) -> Portfolio:
    fleet = select(compiled.fleet, operator.units)
    teams = {
        market: tuple(
            team
            for participant in participants
            for team in build_teams(
                fleet,
                participant.strategy,
                [operator.units.index(unit) for unit in participant.units],
                policies,
            )
        )
        for market, participants in operator.participants.items()
    }
    profiles = select_profiles(compiled.profiles, operator.units)
    return Portfolio(operator.name, fleet, profiles, teams, compiled.lookback, compiled.horizon)
