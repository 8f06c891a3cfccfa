"""Compile a scenario to fleet, profiles, forecasts, operators, markets and auction plan."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from assume_rl.core.bidding.base import AnyBidder, kind_of
from assume_rl.core.bidding.ladder import rungs_of
from assume_rl.core.time import Auction, Tick
from assume_rl.core.units.fleet import Fleet
from assume_rl.learning.types import NO_SCALES, Scales
from assume_rl.scenario.compile.agents import (
    after_reserve,
    agent_names,
    energy_agents,
    shared_policies,
)
from assume_rl.scenario.compile.bidders import Bidders, bidder_of, create_bidder
from assume_rl.scenario.compile.fleet import build_fleet, build_profiles
from assume_rl.scenario.compile.forecasts import ranges, scaled_as
from assume_rl.scenario.compile.markets import market_spec
from assume_rl.scenario.compile.plan import auction_plan, steps_of
from assume_rl.scenario.tables.base import Unit
from assume_rl.scenario.types import Compiled, OperatorSpec, Participant, Scenario

__all__ = [
    "Compiled",
    "OperatorSpec",
    "Participant",
    "compile_scenario",
    "to_device",
]

T = TypeVar("T")

NOT_KNOWN: Mapping[str, Scales] = MappingProxyType({})


def compile_scenario(
    scenario: Scenario,
    device: torch.device | str = "cpu",
    scales: Mapping[str, Scales] = NOT_KNOWN,
) -> Compiled:
    """Return the `Compiled` scenario.

    :param scenario: validated
    :param device: of its tensors
    :param scales: by agent, what numbers stand for that policies see and decide; where settings
        ask for it, they are kept, otherwise numbers stand for what the calendar says
    """
    fleet = build_fleet(scenario)
    plan = auction_plan(scenario.config)
    bidders = {
        (market, name): create_bidder(name, market, scenario)
        for unit in scenario.units
        for market, name in unit.bidding.items()
        if market in scenario.config.markets_config
    }
    agents = agent_names(scenario, bidders)
    shared = shared_policies(scenario, bidders, agents)
    rewarded_with = energy_agents(scenario, bidders, agents, plan)
    by_unit = scaled_as(scenario, agents, scales)
    profiles = build_profiles(scenario, by_unit)
    known = {agent: own.rungs for agent, own in scales.items()}
    operators = _operators(
        scenario, fleet, Bidding(bidders, agents, known, after_reserve(rewarded_with, shared))
    )
    return Compiled(
        scenario=scenario,
        fleet=to_device(fleet, device),
        profiles=to_device(profiles, device),
        operators=operators,
        markets=tuple(market_spec(scenario, name) for name in scenario.config.markets_config),
        plan=plan,
        steps=steps_of(scenario.config),
        step_seconds=scenario.config.time_step,
        lookback=_lookback(fleet, bidders.values(), plan),
        horizon=_horizon(plan, scenario.config.time_step),
        delay=_delay(plan),
        agents=agents,
        scales={
            agent: replace(ranges(profiles.forecasts.get(market), unit, own), rungs=rungs)
            for market, agent, unit, rungs in _learners(fleet, agents, operators)
            for own in [by_unit.get(market, {}).get(fleet.ids[unit], NO_SCALES)]
        },
        shared=shared,
        rewarded_with=rewarded_with,
    )


@dataclass(frozen=True)
class Bidding:
    """How units bid."""

    bidders: Bidders
    agents: Mapping[str, Mapping[str, str]]  # names of learning units, by market and unit
    rungs: Mapping[str, tuple[float, ...]]  # EUR/MWh, ladders of seen prices by agent
    after_reserve: frozenset[str]  # agents that sell what their units' reserve leaves

    def bidder(self, scenario: Scenario, market: str, unit: Unit) -> AnyBidder:
        """Return the bidder that a unit's row names, as what else is known of the unit makes it."""
        name, agent = unit.bidding[market], self.agents[market].get(unit.id, "")
        rungs = self.rungs.get(agent, ())
        after = agent in self.after_reserve
        if not rungs and not after:
            return self.bidders[market, name]
        return create_bidder(name, market, scenario, rungs, after_reserve=after)


def _learners(
    fleet: Fleet, agents: Mapping[str, Mapping[str, str]], operators: Sequence[OperatorSpec]
) -> Iterator[tuple[str, str, int, tuple[float, ...]]]:
    """Yield market, name, index into the fleet and rungs (EUR/MWh) of each agent."""
    for operator in operators:
        for market, participants in operator.participants.items():
            for participant in participants:
                rungs = rungs_of(participant.bidder)
                for unit in participant.units:
                    if fleet.ids[unit] in agents[market]:
                        yield market, agents[market][fleet.ids[unit]], unit, rungs


def _operators(scenario: Scenario, fleet: Fleet, bidding: Bidding) -> tuple[OperatorSpec, ...]:
    """Return unit operators in order of first appearance, each with its units in fleet order."""
    owned: dict[str, list[int]] = {}
    for index, unit in enumerate(scenario.units):
        owned.setdefault(unit.unit_operator, []).append(index)
    return tuple(
        OperatorSpec(name, tuple(units), _participants(scenario, fleet, name, units, bidding))
        for name, units in owned.items()
    )


def _participants(
    scenario: Scenario, fleet: Fleet, operator: str, units: list[int], bidding: Bidding
) -> dict[str, tuple[Participant, ...]]:
    """Return an operator's participants by market: its units grouped by technology and bidder."""
    rows = scenario.units
    grouped: dict[str, dict[tuple[int, object], tuple[AnyBidder, list[int]]]] = {}
    for market in scenario.config.markets_config:
        for index in (i for i in units if market in rows[i].bidding):
            block = next(b for b, block in enumerate(fleet.blocks) if index < block.stop)
            own = bidding.bidder(scenario, market, rows[index])
            bidder = bidder_of(scenario, operator, market, own)
            groups = grouped.setdefault(market, {})
            groups.setdefault((block, kind_of(bidder)), (bidder, []))[1].append(index)
    return {
        market: tuple(Participant(bidder, tuple(ids)) for bidder, ids in groups.values())
        for market, groups in grouped.items()
    }


def _lookback(fleet: Fleet, bidders: Iterable[AnyBidder], plan: tuple[Tick, ...]) -> int:
    """Return the number of past steps that a bidder or the next execution reads."""
    used = list(bidders)
    timed = any("operating_time" in bidder.needs for bidder in used)
    needed = [block.technology.lookback(block.params, timed) for block in fleet.blocks]
    executed = max([1, *_clearing_gaps(plan)]) + _delay(plan) + max(needed, default=0)
    return max([executed, *(bidder.foresight for bidder in used)]) + 1


def _clearing_gaps(plan: tuple[Tick, ...]) -> list[int]:
    """Return the steps between neighbouring clearings of a market, from the calendar's start on.

    The longest is the furthest that an execution or a late delivery reaches back.
    """
    cleared: dict[str, list[int]] = {}
    gaps = []
    for tick in plan:
        for auction in tick.closing:
            cleared.setdefault(auction.market, [-1]).append(tick.step)
            gaps.append(tick.step - min(auction.first))
    return gaps + [b - a for steps in cleared.values() for a, b in pairwise(steps)]


def _delay(plan: tuple[Tick, ...]) -> int:
    """Return the steps that execution stays behind the clock.

    The smallest number such that no clearing sells a step that an earlier clearing executed.
    """
    delay, before = 0, None
    for tick in plan:
        if before is not None:
            delay = max([delay, *(before - min(a.first) + 1 for a in tick.closing)])
        if tick.closing:
            before = tick.step
    return delay


def _horizon(plan: tuple[Tick, ...], step_seconds: int) -> int:
    """Return the most steps from an opening to the end of its furthest delivery, plus one."""

    def reach(auction: Auction) -> int:
        ends = (first + length for first, length in zip(auction.first, auction.length, strict=True))
        return max(ends) - auction.opens // step_seconds

    return max(reach(auction) for tick in plan for auction in tick.opening) + 1


def to_device(value: T, device: torch.device | str) -> T:
    """Return `value` with every tensor in it on `device`."""
    if isinstance(value, Tick | Scenario):  # large, and without tensors
        return cast("T", value)
    moved: Any = value
    if isinstance(value, Tensor):
        moved = value.to(device)
    elif isinstance(value, dict):
        moved = {key: to_device(item, device) for key, item in value.items()}
    elif isinstance(value, tuple):
        moved = tuple(to_device(item, device) for item in value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value)]
        moved = type(value)(**{name: to_device(getattr(value, name), device) for name in names})
    return cast("T", moved)
