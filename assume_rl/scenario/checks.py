"""Checks that need the whole scenario: names in one file that must exist in another."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from assume_rl.core.bidding import BIDDERS, operator_learns, parameters
from assume_rl.core.bidding.base import AnyBidder, LearnedBidder, WithoutForecasts
from assume_rl.core.clearing.rule import ticks_within
from assume_rl.core.units.base import RESERVE
from assume_rl.errors import ConfigurationError, SettingError, nearest
from assume_rl.scenario.compile.agents import agent_names, learning_markets
from assume_rl.scenario.compile.bidders import (
    Bidders,
    check_strategy,
    find_bidder,
    strategy_of,
)
from assume_rl.scenario.compile.capabilities import (
    at_odds,
    undeliverable,
    unpriced,
    unsuited,
    untraded,
)
from assume_rl.scenario.compile.forecasts import check_forecasts
from assume_rl.scenario.compile.plan import market_problems
from assume_rl.scenario.config.cases import CONFIG_FILE
from assume_rl.scenario.config.mechanisms import check_mechanism
from assume_rl.scenario.config.schema import Market
from assume_rl.scenario.problems import Problems, cell, some
from assume_rl.scenario.tables.base import CO2, Unit, UnitTable
from assume_rl.scenario.tables.csv_file import LARGEST
from assume_rl.scenario.tables.demands import contradiction, inelastic
from assume_rl.scenario.tables.operators import FILE
from assume_rl.scenario.tables.read import BIDDING, FORECAST
from assume_rl.scenario.text_file import is_there
from assume_rl.scenario.types import Scenario

MOST_NAMED = 255
"""Bytes of the name of a file, of most file systems."""


def check_scenario(scenario: Scenario, problems: Problems) -> None:
    """Note in `problems` every name, column and parameter that does not fit the others."""
    config = scenario.config
    if not config.markets_config and not problems.errors:
        problems.error(f"{CONFIG_FILE}, {scenario.case}.markets_config", "there is no market")
    for name in config.markets_config:
        where = f"{CONFIG_FILE}, {scenario.case}.markets_config.{name}"
        _check_market(where, name, scenario, problems)
    _check_simulation_id(scenario, problems)
    _check_ids(scenario, problems)
    complete = not problems.errors  # else units may be missing only because they could not be read
    bidders = _check_bidders(scenario, problems)
    if not problems.errors:  # else a market may be missing only because it was refused
        _check_prices(scenario, bidders, problems)
    _check_operators(scenario, bidders, problems)
    _check_unused(scenario, bidders, problems)
    _check_params(scenario, bidders, problems)
    _check_fuels(scenario, problems)
    _check_demand(scenario, problems)
    _check_nodes(scenario, problems)
    check_forecasts(scenario, problems)
    if complete:
        _check_costs(scenario, problems)
        _check_policies(scenario, bidders, problems)
        _check_sides(scenario, problems)
        _check_learning(scenario, bidders, problems)


def _check_nodes(scenario: Scenario, problems: Problems) -> None:
    """Warn of units whose node is no bus of a market with a network."""
    for market, network in scenario.networks.items():
        first = next(iter(network.zone_of.values()))
        for table, unit in scenario.each():
            if market in unit.bidding and unit.node not in network.zone_of:
                what = f"'{unit.node}' is no bus of market {market}: it counts as in '{first}'"
                problems.warn(
                    cell(getattr(scenario.config, table.file) or "", unit.id, "node"), what
                )


def _check_market(where: str, name: str, scenario: Scenario, problems: Problems) -> None:
    """Note problems of mechanism, product type, reserve, ticks and timing of one market."""
    market = scenario.config.markets_config[name]
    check_mechanism(where, market, problems)
    if (problem := untraded(market.product_type)) is not None:
        problems.error(f"{where}.product_type", problem)
    else:
        for key, what in chain(unsuited(market), undeliverable(name, scenario.config)):
            problems.error(f"{where}.{key}", what)
    for key, what in _tick_problems(market):
        problems.error(f"{where}.{key}", what)
    for key, what in market_problems(market, scenario.config):
        problems.error(f"{where}.{key}", what)


def _tick_problems(market: Market) -> Iterator[tuple[str, str]]:
    """Yield key and sentence of ticks of which no multiple is within the limits of orders."""
    least, most, size = market.minimum_bid_price, market.maximum_bid_price, market.price_tick
    if size is not None:
        low, high = ticks_within(least, most, size)
        if low > high:
            yield "price_tick", f"no multiple of {size:g} EUR/MWh lies in [{least:g}, {most:g}]"
    if market.volume_tick is not None and market.volume_tick > market.maximum_bid_volume:
        yield "volume_tick", f"is above maximum_bid_volume, {market.maximum_bid_volume:g} MW"


def _check_simulation_id(scenario: Scenario, problems: Problems) -> None:
    """Note a simulation id that cannot be the name of one folder, which results are written to."""
    name = scenario.simulation_id
    if len(name.encode()) > MOST_NAMED - len("_seed_") - 20:
        problems.error(
            f"{CONFIG_FILE}, {scenario.case}.simulation_id", "is too long for the name of a folder"
        )
    if name in (".", "..") or not name.strip() or not {"/", "\\", "\0"}.isdisjoint(name):
        problems.error(
            f"{CONFIG_FILE}, {scenario.case}.simulation_id",
            f"{name!r} is not the name of a folder: write one without '/' and '\\'",
        )


def _check_ids(scenario: Scenario, problems: Problems) -> None:
    """Note unit ids that several tables have; within a table that is checked when it is read."""
    labels: dict[str, list[str]] = {}
    for table, unit in scenario.each():
        labels.setdefault(unit.id, []).append(table.label)
        if len(found := labels[unit.id]) > 1:
            file = scenario.config.file(table.file) or ""
            kinds = f"{', '.join(found[:-1])} and {found[-1]}"
            problems.error(cell(file, unit.id), f"the name belongs to several units: {kinds}")


def _units(scenario: Scenario) -> Iterable[tuple[str, UnitTable[Any], Unit]]:
    """Yield (file, kind, unit) of every unit."""
    for table, unit in scenario.each():
        yield scenario.config.file(table.file) or "", table, unit


def _check_bidders(scenario: Scenario, problems: Problems) -> Bidders:
    """Return the existing bidders by market and name; note cells that name none."""
    found: dict[tuple[str, str], AnyBidder] = {}
    for file, table, unit in _units(scenario):
        if not unit.bidding:
            problems.warn(cell(file, unit.id), "takes part in no market")
        for column, concern in unit.concerns().items():
            problems.warn(cell(file, unit.id, column), concern)
        for market, name in unit.bidding.items():
            where = cell(file, unit.id, f"{BIDDING}{market}")
            try:
                bidder = find_bidder(name, table.technology, market, scenario)
            except SettingError as error:
                problems.error(scenario.place(error.key), error.what)
            except ConfigurationError as error:
                planned = str(error).startswith("not supported")
                # For a market that does not exist the name of any bidder of the format is accepted.
                if not (planned and market not in scenario.config.markets_config):
                    problems.error(where, str(error))
            else:
                found[market, name] = bidder
        own = {m: found[m, name] for m, name in unit.bidding.items() if (m, name) in found}
        if (problem := at_odds(tuple(own.values()))) is not None:
            problems.error(cell(file, unit.id), problem)
    return found


def _check_prices(scenario: Scenario, bidders: Bidders, problems: Problems) -> None:
    """Note bidders that read prices which no market of the scenario makes."""
    markets = scenario.config.markets_config
    traded = {market.product_type for market in markets.values()}
    for file, _, unit in _units(scenario):
        for market, name in unit.bidding.items():
            if market not in markets:
                continue
            problem = unpriced(bidders[market, name], markets[market].product_type, traded)
            if problem is not None:
                where = cell(file, unit.id, f"{BIDDING}{market}")
                problems.error(where, f"the strategy '{name}' {problem}")


def _check_operators(scenario: Scenario, bidders: Bidders, problems: Problems) -> None:
    """Note portfolio strategies that do not exist, do not fit, or have no units."""
    file = scenario.config.file(FILE) or ""
    for operator, strategies in scenario.operators.items():
        units = [(t, unit) for t, unit in scenario.each() if unit.unit_operator == operator]
        if not units:
            owners = (unit.unit_operator for unit in scenario.units)
            problems.warn(cell(file, operator), f"owns no unit; {nearest(operator, owners)}")
        if operator in {unit.id for unit in scenario.units} and any(
            map(operator_learns, strategies.values())
        ):
            what = "a unit has the same name, and so would the policies of both"
            problems.error(cell(file, operator), what)
        for market in strategies:
            own = ((t, bidders.get((market, unit.bidding.get(market, "")))) for t, unit in units)
            try:
                strategy_of(scenario, operator, market)
                for table, bidder in own:
                    if bidder is not None:
                        check_strategy(scenario, operator, market, bidder, table.technology)
            except SettingError as error:
                problems.error(scenario.place(error.key), error.what)
            except ConfigurationError as error:
                problems.error(cell(file, operator, f"{BIDDING}{market}"), str(error))


def _check_unused(scenario: Scenario, bidders: Bidders, problems: Problems) -> None:
    """Note columns that nothing reads in some units, once for all units of a file."""
    users: dict[tuple[str, str, str], list[str]] = {}
    for file, _, unit in _units(scenario):
        own = [bidders[pair] for pair in unit.bidding.items() if pair in bidders]
        unused = unit.unused(frozenset(need for bidder in own for need in bidder.needs))
        if own and all(isinstance(bidder, WithoutForecasts) for bidder in own):
            unused |= {f"{FORECAST}{key}": "no bidder reads it" for key in unit.forecast}
        for column, why in unused.items():
            users.setdefault((file, column, why), []).append(unit.id)
    for (file, column, why), units in users.items():
        problems.warn(cell(file, column=column), f"of {some(units)}: {why}")


def _check_params(scenario: Scenario, bidders: Bidders, problems: Problems) -> None:
    """Note parameters that no bidder has, or no bidder in use."""
    given = scenario.config.bidding_strategy_params
    known, used = parameters(), {bidder.name for bidder in bidders.values()}
    unread = {n: entry.params(given).unread for n, entry in BIDDERS.items() if n in used}
    used |= {name for own in scenario.operators.values() for name in own.values()}
    for key in given:
        why = [unread[name].get(key) for name in known.get(key, ()) if name in unread]
        where = f"{CONFIG_FILE}, {scenario.case}.bidding_strategy_params.{key}"
        if key not in known:
            problems.error(where, f"unknown key; {nearest(key, known)}")
        elif used.isdisjoint(known[key]):
            problems.warn(where, f"no bidder in use reads this key, only {some(known[key])}")
        elif why and all(why):
            problems.warn(where, f"no bidder in use reads this key: {why[0]}")


def _check_costs(scenario: Scenario, problems: Problems) -> None:
    """Note units whose marginal cost is infinite, or too large to be added up."""
    for file, table, unit in _units(scenario):
        with np.errstate(all="ignore"):
            most = np.abs(table.marginal_cost(unit, scenario.series)).max()
        if not most <= LARGEST:
            what = f"its marginal cost is {most:g} EUR/MWh, not within {LARGEST:g}"
            problems.error(cell(file, unit.id), what)


def _check_fuels(scenario: Scenario, problems: Problems) -> None:
    """Warn of fuels without a price, which cost nothing as in ASSUME, and of prices unread."""
    file, prices = scenario.config.fuel_prices_df or "", scenario.series.fuel_prices
    if prices.columns.empty:
        return
    users: dict[str, list[str]] = {}
    for table, unit in scenario.each():
        for fuel in table.fuels(unit):
            users.setdefault(fuel, []).append(unit.id)
    for fuel in (fuel for fuel in users if fuel not in prices):
        hint = nearest(fuel, map(str, prices.columns))
        problems.warn(
            file, f"no column for the fuel '{fuel}' of {some(users[fuel])}, its price is 0; {hint}"
        )
    unread = [str(fuel) for fuel in prices if fuel not in users and fuel != CO2]
    if unread:
        problems.warn(file, f"no unit burns {some(unread)}: nothing reads these columns")


def _check_demand(scenario: Scenario, problems: Problems) -> None:
    """Warn of series of elastic demand, and of those beyond the powers of their unit."""
    file, series = scenario.config.demand_df or "", scenario.series.demand
    for unit in scenario.of("demand"):
        if unit.id in series and not inelastic(unit):
            problems.warn(cell(file, column=unit.id), "nothing reads it: the demand is elastic")
        elif unit.id in series and (beyond := contradiction(unit, -series[unit.id])) is not None:
            moment, what = beyond
            where = cell(file, f"{moment:%Y-%m-%d %H:%M}", unit.id)
            problems.warn(where, f"{what} in {scenario.config.demand_units}; the series counts")


def _check_policies(scenario: Scenario, bidders: Bidders, problems: Problems) -> None:
    """Note policies of units that do not exist or do not learn, and policies without a file."""
    units = {unit.id for _, _, unit in _units(scenario)}
    learning = agent_names(scenario, bidders).values()
    agents = {name: unit for own in learning for unit, name in own.items()}
    for name, path in scenario.config.policies.items():
        where = f"{CONFIG_FILE}, {scenario.case}.policies.{name}"
        own = [agent for agent, unit in agents.items() if unit == name]
        if name not in agents and own:
            problems.error(where, f"the unit learns in several markets: write {some(own)}")
        elif name not in agents and name in units:
            problems.error(where, "the unit has no learning bidder, so it cannot use a policy")
        elif name not in agents:
            problems.error(where, f"there is no such unit; {nearest(name, {*units, *agents})}")
        if not _is_file_or_folder(Path(path)):
            problems.error(where, f"there is no file or folder {path}")
    for name in agents:
        length = len(quote(name, safe="").encode()) + len(".safetensors")
        if length > MOST_NAMED:
            what = f"the name is too long for a policy file, which would have {length} signs"
            problems.error(f"learning unit '{name}'", f"{what}, more than {MOST_NAMED}")
    load = scenario.learning.trained_policies_load_path
    if load is not None and is_there(Path(load)) and not Path(load).is_dir():
        where = scenario.place("learning_config.trained_policies_load_path")
        problems.error(where, f"'{load}' is not a folder")


def _is_file_or_folder(path: Path) -> bool:
    """Return whether something that can be read to its end is there, not a pipe or a device."""
    return is_there(path) and (path.is_file() or path.is_dir())


def _check_sides(scenario: Scenario, problems: Problems) -> None:
    """Note a scenario without sellers or buyers; warn of a market without them."""
    where = f"{CONFIG_FILE}, {scenario.case}.markets_config"
    sides = {
        "sells": [unit for table, unit in scenario.each() if table.sells],
        "buys": [unit for table, unit in scenario.each() if table.buys],
    }
    for side, units in sides.items():
        if not any(m in unit.bidding for unit in units for m in scenario.config.markets_config):
            problems.error(
                where, f"no unit {side} in any market; columns {BIDDING}<MARKET> say who"
            )
    # Of reserve nobody buys what it could sell.
    consumers = [unit for table, unit in scenario.each() if table.buys and not table.sells]
    for name, market in scenario.config.markets_config.items():
        own = sides | {"buys": consumers} if market.product_type in RESERVE else sides
        for side, units in own.items():
            if not any(name in unit.bidding for unit in units):
                problems.warn(f"{where}.{name}", f"no unit {side} here")


def _check_learning(scenario: Scenario, bidders: Bidders, problems: Problems) -> None:
    """Note learners without power, and learning settings that do not fit the units."""
    learners = [(f, t, u) for f, t, u in _units(scenario) if _learns(u, bidders)]
    for file, table, unit in learners:
        if table.nameplate(unit) == 0:
            problems.error(cell(file, unit.id, table.power), "is 0, but a learner must have power")
    for operator in scenario.operators:
        for market in learning_markets(scenario, operator):
            own = [
                table.nameplate(unit)
                for table, unit in scenario.each()
                if unit.unit_operator == operator and market in unit.bidding
            ]
            # A kind without nameplate power is refused for what it is.
            if own and all(power == 0 for power in own):
                where = cell(scenario.config.file(FILE) or "", operator, f"{BIDDING}{market}")
                problems.error(where, "its plants have no power, but a learner must have some")
    learns = bool(learners) or any(agent_names(scenario, bidders).values())
    if scenario.learning.learning_mode and not learns:
        where = f"{CONFIG_FILE}, {scenario.case}.learning_config"
        problems.warn(where, "learning_mode is on, but no unit has a learning bidder")
    if scenario.config.learning_config is None and learns:
        where = f"{CONFIG_FILE}, {scenario.case}"
        problems.warn(where, "units learn, but learning_config is absent: its defaults hold")


def _learns(unit: Unit, bidders: Bidders) -> bool:
    return any(_is_learned(market, name, bidders) for market, name in unit.bidding.items())


def _is_learned(market: str, name: str, bidders: Bidders) -> bool:
    return isinstance(bidders.get((market, name)), LearnedBidder)
