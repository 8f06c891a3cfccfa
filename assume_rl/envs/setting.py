"""What does not change while copies of a market are played."""

from collections.abc import Mapping
from dataclasses import dataclass

from assume_rl.core.types import Auction, Tick
from assume_rl.envs.cohorts import Cohort, auctions_of, build_cohorts
from assume_rl.envs.markets import Market, Part, build_markets
from assume_rl.envs.support import several_markets
from assume_rl.envs.windows import Window, window_plan, windows_of
from assume_rl.episodes.teams import Policy
from assume_rl.errors import ConfigurationError
from assume_rl.scenario.compile import Compiled


@dataclass(frozen=True)
class Setting:
    """A scenario as the batch shell plays it."""

    compiled: Compiled
    plan: tuple[Tick, ...]
    window: Window | None  # None: the whole calendar
    cohorts: tuple[Cohort, ...]
    sold: tuple[int, ...]  # last step that an episode delivers, per cohort; -1: none
    markets: Mapping[str, Market]
    learners: tuple[Part, ...]  # teams that learn; all in one market
    learners_market: str  # empty: nobody learns
    decisions: frozenset[int]  # positions of the plan at which copies wait for actions

    @property
    def step_hours(self) -> float:
        """Length of a step in hours."""
        return self.compiled.step_seconds / 3600

    def team(self, part: Part) -> int:
        """Position of a learning part among the learner teams."""
        return next(i for i, own in enumerate(self.learners) if own is part)

    def auctions(self, market: str) -> tuple[Auction, ...]:
        """A market's auctions in an episode."""
        return auctions_of(self.plan, market)


def build_setting(
    compiled: Compiled, policies: Mapping[str, Policy], window: int | None
) -> Setting:
    """Lay out a scenario; learners without a policy in `policies` are those to be trained.

    :raises ConfigurationError: learners in several markets, or a window that cannot be played.
    """
    cohorts = build_cohorts(compiled, policies)
    markets = build_markets(compiled, cohorts)
    plan = compiled.plan if window is None else window_plan(compiled, window)
    found = {
        name: own
        for name, market in markets.items()
        if (own := tuple(part for part in market.parts if part.team.learns))
    }
    if len(found) > 1:
        raise ConfigurationError(f"{several_markets(list(found))}; the batch engine supports one")
    name = next(iter(found), "")
    return Setting(
        compiled=compiled,
        plan=plan,
        window=None if window is None else windows_of(compiled, window),
        cohorts=cohorts,
        sold=tuple(_sold(cohort, plan, window or compiled.steps) for cohort in cohorts),
        markets=markets,
        learners=found.get(name, ()),
        learners_market=name,
        decisions=_decisions(plan, name),
    )


def _sold(cohort: Cohort, plan: tuple[Tick, ...], steps: int) -> int:
    """Return the last step below `steps` that a market of the cohort's operators delivers."""
    ends = [a.last for market in cohort.markets for a in auctions_of(plan, market)]
    return min(max(ends, default=-1), steps - 1)


def _decisions(plan: tuple[Tick, ...], market: str) -> frozenset[int]:
    """Ticks at which the learners' market opens; every tick where nobody learns."""
    return frozenset(
        i
        for i, tick in enumerate(plan)
        if not market or any(auction.market == market for auction in tick.opening)
    )
