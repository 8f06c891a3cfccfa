"""A scenario as validated plain data (`Scenario`) and as tensors (`Compiled`)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from assume_rl.core.bidding.base import AnyBidder
from assume_rl.core.clearing import MarketSpec
from assume_rl.core.time import Auction, Tick
from assume_rl.core.units.fleet import Fleet, Profiles
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.types import Scales
from assume_rl.scenario.config.cases import CONFIG_FILE
from assume_rl.scenario.config.schema import StudyCase
from assume_rl.scenario.found_plugins import Plugin
from assume_rl.scenario.network import Network
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.tables.base import Series, Unit, UnitTable
from assume_rl.scenario.tables.operators import Operators


def usual_simulation(folder: Path, case: str) -> str:
    """Return the name in result tables of a study case that has no `simulation_id`."""
    return f"{folder.resolve().name}_{case}"


@dataclass(frozen=True)
class Scenario:
    """One study case of a folder: plain validated data, no tensors."""

    folder: Path
    name: str
    case: str
    config: StudyCase
    units_by_kind: Mapping[str, tuple[Unit, ...]]  # by key of UNIT_TABLES, as in their files
    index: pd.DatetimeIndex  # the calendar: start to end date, both included, naive UTC
    series: Series
    operators: Operators  # portfolio strategies, of operators that have one
    warnings: tuple[str, ...]
    networks: Mapping[str, Network] = field(default_factory=dict)  # of markets that have one
    # Changes of the tables by dotted key; changed settings are in `config`.
    overrides: Mapping[str, Any] = field(default_factory=dict)
    plugins: tuple[Plugin, ...] = ()  # that it names or uses
    changed: frozenset[str] = frozenset()  # dotted keys of the settings that overrides changed
    # Settings as a file has them, overrides applied, paths with the folder; none: no file was read.
    written: Mapping[str, Any] = field(default_factory=dict)

    @property
    def units(self) -> tuple[Unit, ...]:
        """Return all units, in the order of the fleet: kind by kind, as in their files."""
        return tuple(unit for _, unit in self.each())

    @cached_property
    def most_orders(self) -> int:
        """Return the greatest number of orders per product in the table of any unit."""
        return max((unit.orders for unit in self.units), default=1)

    def of(self, kind: str) -> tuple[Unit, ...]:
        """Return the units of a kind, a key of `UNIT_TABLES`."""
        return self.units_by_kind.get(kind, ())

    def each(self) -> Iterator[tuple[UnitTable[Any], Unit]]:
        """Yield every unit with its kind, in the order of the fleet."""
        for name, table in UNIT_TABLES.items():
            for unit in self.of(name):
                yield table, unit

    def with_units(self, kind: str, units: Iterable[Unit]) -> "Scenario":
        """Return the scenario with other units of a kind."""
        return replace(self, units_by_kind={**self.units_by_kind, kind: tuple(units)})

    def place(self, key: str) -> str:
        """Return where a setting is from, as messages name it: its override, or file and case.

        :param key: parts by dots
        """
        written = f"{CONFIG_FILE}, {self.case}.{key}"
        return f"override {key}" if self.overridden(key) else written

    def overridden(self, key: str) -> bool:
        """Return whether an override has set a setting, or a section that it is in.

        :param key: parts by dots
        """
        return any(f"{key}.".startswith(f"{own}.") for own in self.changed)

    @property
    def simulation_id(self) -> str:
        """Return the name of the run in result tables."""
        return self.config.simulation_id or usual_simulation(self.folder, self.case)

    @cached_property
    def learning(self) -> LearningConfig:
        """Return the learning settings, the defaults where the study case has none."""
        return self.config.learning_config or LearningConfig()

    @property
    def start(self) -> datetime:
        """Return the first instant of the calendar (naive, UTC)."""
        return self.config.start_date

    @property
    def step(self) -> timedelta:
        """Return the length of a step."""
        return timedelta(seconds=self.config.time_step)


@dataclass(frozen=True)
class Participant:
    """An operator's units that share a bidder in one market; all in one block of the fleet."""

    bidder: AnyBidder
    units: tuple[int, ...]  # indices into the fleet


@dataclass(frozen=True)
class OperatorSpec:
    """A unit operator: the owner of units and their bids."""

    name: str
    units: tuple[int, ...]  # indices into the fleet, ascending
    participants: dict[str, tuple[Participant, ...]]  # by market, only markets it bids in


@dataclass(frozen=True)
class Compiled:
    """A scenario as the input of the core: tensors, operators, markets and auction plan."""

    scenario: Scenario
    fleet: Fleet
    profiles: Profiles
    operators: tuple[OperatorSpec, ...]  # in order of first appearance
    markets: tuple[MarketSpec[Any], ...]  # in order of the configuration
    plan: tuple[Tick, ...]
    steps: int  # of the calendar, which includes the end date
    step_seconds: int
    lookback: int  # steps of the past that the state of units keeps
    horizon: int  # steps of the future that can be sold
    delay: int  # steps that execution stays behind the clock, see `core.trade.Portfolio`
    agents: Mapping[str, Mapping[str, str]]  # names of learning units, by market and unit
    scales: Mapping[str, Scales]  # what numbers of each agent stand for
    shared: Mapping[str, str]  # policy of each agent that shares one
    # Agents that learn to hold reserve: those of the same unit that sell energy in what is left,
    # whose rewards are theirs as well.
    rewarded_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def auctions(self) -> tuple[Auction, ...]:
        """Return all auctions, in the order in which they open."""
        return tuple(auction for tick in self.plan for auction in tick.opening)

    @property
    def learners(self) -> tuple[str, ...]:
        """Return the names of all agents: market by market, units in fleet order."""
        return tuple(dict.fromkeys(a for own in self.agents.values() for a in own.values()))

    def product_types(self, markets: Iterable[str]) -> tuple[str, ...]:
        """Return the product types of some markets, each once."""
        types = {spec.name: spec.product_type for spec in self.markets}
        return tuple(dict.fromkeys(types[market] for market in markets))

    def policy(self, agent: str) -> str:
        """Return the name of an agent's policy: its own, unless it shares one."""
        return self.shared.get(agent, agent)

    def agent(self, market: str, unit: int) -> str:
        """Return the name of the agent that a learning unit is in a market.

        :param market: name of the market
        :param unit: index into the fleet
        """
        return self.agents[market][self.fleet.ids[unit]]
