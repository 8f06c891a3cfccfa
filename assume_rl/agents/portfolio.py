"""What an operator is given at the start of an episode."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Protocol

import torch
from torch import Tensor

from assume_rl.core.bidding.protocol import Strategy
from assume_rl.core.types import Fleet, Members, Profiles
from assume_rl.core.units.fleet import members, select, select_profiles
from assume_rl.learning.networks import ActorStack
from assume_rl.scenario.compile import Compiled, OperatorSpec, Participant


@dataclass(frozen=True)
class EpisodeKey:
    """What keys the draws of one episode."""

    seed: int
    episode: int
    evaluation: bool

    @property
    def phase(self) -> str:
        """Training and evaluation episodes draw from different streams."""
        return "evaluation" if self.evaluation else "training"


class Policy(Protocol):
    """Maps observations to actions; an `ActorStack` is one."""

    @property
    def dtype(self) -> torch.dtype:
        """What observations must be cast to."""
        ...

    def __call__(self, obs: Tensor) -> Tensor:
        """(unit, obs) -> (unit, act)."""
        ...


@dataclass(frozen=True)
class Team:
    """Units of one operator with one strategy in one market; all of them learn, or none does."""

    strategy: Strategy
    unit_ids: tuple[str, ...]
    members: Members
    units: Tensor  # (unit,) the operator's indices
    learns: bool  # its policy comes from a Learning role
    policy: Policy | None = None  # a fixed policy


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


@dataclass(frozen=True)
class Calendar:
    """How steps and seconds relate."""

    start: int  # POSIX seconds of step 0
    step_seconds: int

    @classmethod
    def of(cls, compiled: Compiled) -> "Calendar":
        """The calendar of a scenario; its naive dates are UTC."""
        start = int(compiled.scenario.start.replace(tzinfo=UTC).timestamp())
        return cls(start, compiled.step_seconds)

    @property
    def step_hours(self) -> float:
        """Length of a step in hours."""
        return self.step_seconds / 3600

    def time(self, step: int) -> float:
        """POSIX seconds at which `step` begins."""
        return float(self.start + step * self.step_seconds)


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
            for team in _teams(operator, fleet, participant, policies)
        )
        for market, participants in operator.participants.items()
    }
    profiles = select_profiles(compiled.profiles, operator.units)
    return Portfolio(operator.name, fleet, profiles, teams, compiled.lookback, compiled.horizon)


def _teams(
    operator: OperatorSpec,
    fleet: Fleet,
    participant: Participant,
    policies: Mapping[str, Policy],
) -> Iterator[Team]:
    """Split a participant into units that learn (or follow rules) and units with a fixed policy."""
    local = [operator.units.index(unit) for unit in participant.units]
    learned = participant.strategy.act_size > 0
    fixed = [u for u in local if learned and fleet.ids[u] in policies]
    free = [u for u in local if u not in fixed]
    for units in (free, fixed):
        if units:
            ids = tuple(fleet.ids[u] for u in units)
            policy = _side_by_side(tuple(policies[i] for i in ids)) if units is fixed else None
            learns = learned and units is free
            yield Team(
                participant.strategy,
                ids,
                members(fleet, units),
                torch.tensor(units),
                learns,
                policy,
            )


@dataclass(frozen=True)
class Separate:
    """Policies of different kinds side by side, one per unit."""

    policies: tuple[Policy, ...]

    @property
    def dtype(self) -> torch.dtype:
        """The widest dtype of the parts, so that none loses digits of its observation."""
        return max((p.dtype for p in self.policies), key=lambda dtype: torch.finfo(dtype).bits)

    def __call__(self, obs: Tensor) -> Tensor:
        """(unit, obs) -> (unit, act), each row by its own policy."""
        rows = zip(self.policies, obs.unsqueeze(1), strict=True)
        return torch.cat([policy(row.to(policy.dtype)) for policy, row in rows])


def _side_by_side(policies: tuple[Policy, ...]) -> Policy:
    """One policy for several units: stacked where they are actors of equal shape."""
    actors = [p for p in policies if isinstance(p, ActorStack)]
    shapes = {tuple(w.shape[1:] for w in actor.weights.values()) for actor in actors}
    if len(actors) < len(policies) or len(shapes) > 1:
        return Separate(policies)
    names = actors[0].weights
    weights = {name: torch.cat([actor.weights[name] for actor in actors]) for name in names}
    ids = tuple(unit for actor in actors for unit in actor.unit_ids)
    return replace(actors[0], unit_ids=ids, weights=weights)
