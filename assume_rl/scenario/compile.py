"""Validated scenario to tensors: fleet, profiles, forecasts, operators, markets, auction plan."""

import dataclasses
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from assume_rl.core.bidding.protocol import Strategy
from assume_rl.core.clearing import RULES, MarketSpec
from assume_rl.core.types import Auction, Fleet, Tick
from assume_rl.scenario.fleet import build_fleet, build_profiles
from assume_rl.scenario.mechanisms import params_of
from assume_rl.scenario.plan import auction_plan, steps_of
from assume_rl.scenario.strategies import create_strategy
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.types import Compiled, OperatorSpec, Participant, Scenario

__all__ = [
    "Compiled",
    "OperatorSpec",
    "Participant",
    "compile_scenario",
    "to_device",
]

T = TypeVar("T")


def compile_scenario(scenario: Scenario, device: torch.device | str = "cpu") -> Compiled:
    """Tensors (on `device`), operators, markets and auction plan of `scenario`."""
    fleet = build_fleet(scenario)
    names = dict.fromkeys(n for unit in scenario.units for n in _strategy_names(scenario, unit))
    strategies = {name: create_strategy(name, scenario) for name in names}
    plan = auction_plan(scenario.config)
    return Compiled(
        scenario=scenario,
        fleet=to_device(fleet, device),
        profiles=to_device(build_profiles(scenario), device),
        operators=_operators(scenario, fleet, strategies),
        markets=_markets(scenario),
        plan=plan,
        steps=steps_of(scenario.config),
        step_seconds=scenario.config.time_step,
        lookback=_lookback(scenario, strategies.values(), plan),
        horizon=_horizon(plan, scenario.config.time_step),
        learners=_learners(scenario, strategies),
    )


def _strategy_names(scenario: Scenario, unit: Any) -> list[str]:
    """Names of the strategies that a unit uses in the markets that exist."""
    return [n for market, n in unit.bidding.items() if market in scenario.config.markets_config]


def _learners(scenario: Scenario, strategies: dict[str, Strategy]) -> tuple[str, ...]:
    return tuple(
        unit.id
        for unit in scenario.units
        if any(strategies[name].act_size > 0 for name in _strategy_names(scenario, unit))
    )


def _markets(scenario: Scenario) -> tuple[MarketSpec[Any], ...]:
    return tuple(
        MarketSpec(
            name=name,
            operator=market.operator,
            rule=RULES[market.market_mechanism],
            params=params_of(RULES[market.market_mechanism], market.param_dict),
            min_price=market.minimum_bid_price,
            max_price=market.maximum_bid_price,
            max_volume=market.maximum_bid_volume,
            product_type=market.product_type,
        )
        for name, market in scenario.config.markets_config.items()
    )


def _operators(
    scenario: Scenario, fleet: Fleet, strategies: dict[str, Strategy]
) -> tuple[OperatorSpec, ...]:
    """Unit operators in order of first appearance, each with its units in fleet order."""
    owned: dict[str, list[int]] = {}
    for index, unit in enumerate(scenario.units):
        owned.setdefault(unit.unit_operator, []).append(index)
    return tuple(
        OperatorSpec(name, tuple(units), _participants(scenario, fleet, units, strategies))
        for name, units in owned.items()
    )


def _participants(
    scenario: Scenario, fleet: Fleet, units: list[int], strategies: dict[str, Strategy]
) -> dict[str, tuple[Participant, ...]]:
    """By market, an operator's units grouped by technology and strategy."""
    rows = scenario.units
    grouped: dict[str, dict[tuple[int, str], list[int]]] = {}
    for market in scenario.config.markets_config:
        for index in (i for i in units if market in rows[i].bidding):
            block = next(b for b, block in enumerate(fleet.blocks) if index < block.stop)
            name = strategies[rows[index].bidding[market]].name
            grouped.setdefault(market, {}).setdefault((block, name), []).append(index)
    by_name = {strategy.name: strategy for strategy in strategies.values()}
    return {
        market: tuple(Participant(by_name[name], tuple(ids)) for (_, name), ids in groups.items())
        for market, groups in grouped.items()
    }


def _lookback(scenario: Scenario, strategies: Iterable[Strategy], plan: tuple[Tick, ...]) -> int:
    """Steps of the past that are looked back on: by a strategy, or by the next execution."""
    used = list(strategies)
    timed = any(s.needs_operating_time for s in used)
    memory = [table.memory(scenario.of(name), timed) for name, table in UNIT_TABLES.items()]
    executed = max([1, *_clearing_gaps(plan)]) + max(memory)
    return max([executed, *(strategy.foresight for strategy in used)]) + 1


def _clearing_gaps(plan: tuple[Tick, ...]) -> list[int]:
    """Steps between neighbouring clearings of a market, from the first step of the calendar on.

    The longest is the most that an execution or a late delivery reaches back.
    """
    cleared: dict[str, list[int]] = {}
    gaps = []
    for tick in plan:
        for auction in tick.closing:
            cleared.setdefault(auction.market, [-1]).append(tick.step)
            gaps.append(tick.step - min(auction.first))
    return gaps + [b - a for steps in cleared.values() for a, b in pairwise(steps)]


def _horizon(plan: tuple[Tick, ...], step_seconds: int) -> int:
    """Steps from an opening to the end of its furthest delivery, and one to spare."""

    def reach(auction: Auction) -> int:
        ends = (first + length for first, length in zip(auction.first, auction.length, strict=True))
        return max(ends) - auction.opens // step_seconds

    return max(reach(auction) for tick in plan for auction in tick.opening) + 1


def to_device(value: T, device: torch.device | str) -> T:
    """`value` with every tensor in it on `device`."""
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
