"""The parts of an environment that do not change between its steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from assume_rl.core.team import Policy
from assume_rl.core.time import Auction, Tick
from assume_rl.envs.cohorts import Cohort, build_cohorts
from assume_rl.envs.markets import Market, Part, build_markets
from assume_rl.envs.windows import Window, window_plan, windows_of
from assume_rl.errors import ConfigurationError
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.compile.plan import auctions_of, out_of_step


@dataclass(frozen=True)
class Setting:
    """A scenario prepared for the batch shell."""

    compiled: Compiled
    plan: tuple[Tick, ...]
    window: Window | None  # None: the whole calendar
    cohorts: tuple[Cohort, ...]
    sold: tuple[int, ...]  # last step that an episode delivers, per cohort; -1: none
    markets: Mapping[str, Market]
    learners: tuple[Part, ...]  # teams that learn, market by market
    decisions: frozenset[int]  # positions of the plan at which copies wait for actions
    curves: bool = False  # whether what reward curves are worked out from is kept

    @property
    def step_hours(self) -> float:
        """Return the length of a step in hours."""
        return self.compiled.step_seconds / 3600

    def team(self, part: Part) -> int:
        """Return the position of a learning part among the learner teams."""
        return next(i for i, own in enumerate(self.learners) if own is part)

    @cached_property
    def learners_markets(self) -> tuple[str, ...]:
        """Return the markets in which teams learn."""
        return tuple(dict.fromkeys(part.market for part in self.learners))

    @cached_property
    def in_turns(self) -> bool:
        """Return whether learners decide in turns: some of their markets open after others."""
        opens = [tuple(a.opens for a in self.auctions(m)) for m in self.learners_markets]
        return len(set(opens)) > 1

    @property
    def device(self) -> torch.device:
        """Return the device of all tensors."""
        return self.compiled.fleet.owner.device

    @property
    def routine(self) -> bool:
        """Return whether no order depends on events, so that all are known beforehand."""
        return all(cohort.routine for cohort in self.cohorts)

    def auctions(self, market: str) -> tuple[Auction, ...]:
        """Return a market's auctions in an episode."""
        return auctions_of(self.plan, market)


def build_setting(
    compiled: Compiled, policies: Mapping[str, Policy], window: int | None, *, curves: bool = False
) -> Setting:
    """Return the `Setting` of a scenario.

    :param compiled: the scenario
    :param policies: fixed policies by agent; agents without one are trained
    :param window: steps of an episode; None: the whole calendar
    :param curves: whether what reward curves are worked out from is kept
    :raises ConfigurationError: agents learn in markets that cannot be learned in together, or the
        window cannot be played
    """
    cohorts = build_cohorts(compiled, policies)
    markets = build_markets(compiled, cohorts)
    plan = compiled.plan if window is None else window_plan(compiled, window)
    learners = tuple(
        part for market in markets.values() for part in market.parts if part.team.learns
    )
    problem = out_of_step(plan, tuple(dict.fromkeys(part.market for part in learners)))
    if problem is not None:
        raise ConfigurationError(problem)
    return Setting(
        compiled=compiled,
        plan=plan,
        window=None if window is None else windows_of(compiled, window),
        cohorts=cohorts,
        sold=tuple(_sold(cohort, plan, window or compiled.steps) for cohort in cohorts),
        markets=markets,
        learners=learners,
        decisions=_decisions(plan, learners),
        curves=curves,
    )


def _sold(cohort: Cohort, plan: tuple[Tick, ...], steps: int) -> int:
    """Return the last step below `steps` that a market of the cohort's operators delivers."""
    ends = [a.last for market in cohort.markets for a in auctions_of(plan, market)]
    return min(max(ends, default=-1), steps - 1)


def _decisions(plan: tuple[Tick, ...], learners: Sequence[Part]) -> frozenset[int]:
    """Return the ticks at which learners' markets open; all ticks where no team learns."""
    markets = {part.market for part in learners}
    return frozenset(
        i
        for i, tick in enumerate(plan)
        if not markets or any(auction.market in markets for auction in tick.opening)
    )
