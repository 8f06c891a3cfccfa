"""Build the tensors of a scenario's units and series: `Fleet` and `Profiles`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assume_rl.core.contract import of_kind, shaped
from assume_rl.core.units import TECHNOLOGIES
from assume_rl.core.units.base import ENERGY, AnyBlock, Block
from assume_rl.core.units.fleet import Fleet, Profiles
from assume_rl.errors import ContractError
from assume_rl.learning.types import Scales
from assume_rl.scenario.compile.forecasts import market_forecasts
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.tables.base import Basis, Series, Unit, UnitTable, Values
from assume_rl.scenario.types import Scenario


def build_fleet(scenario: Scenario) -> Fleet:
    """Return the `Fleet` with the parameters of all units, one block per unit kind."""
    units = scenario.units
    return Fleet(
        ids=tuple(unit.id for unit in units),
        blocks=tuple(_blocks(scenario)),
        owner=_codes([unit.unit_operator for unit in units]),
        node=_codes([unit.node for unit in units]),
    )


def _blocks(scenario: Scenario) -> Iterator[AnyBlock]:
    start = 0
    basis = Basis(
        step_hours=scenario.step.total_seconds() / 3600,
        max_bid_price=scenario.learning.max_bid_price,
        series=scenario.series,
    )
    for name, table in UNIT_TABLES.items():
        units = scenario.of(name)
        if units:
            params = _params(table, units, basis)
            yield Block(TECHNOLOGIES[table.technology], start, start + len(units), params)
            start += len(units)


def _params(table: UnitTable[Any], units: Sequence[Unit], basis: Basis) -> object:
    """Return the parameters of a kind's units: a dataclass, one column of each tensor per unit."""
    function = table.to_params
    found = function(units, basis)
    if not is_dataclass(found):
        raise ContractError(function, f"{type(found).__name__}, not a dataclass of tensors")
    for name, value in vars(found).items():
        if isinstance(value, Tensor):
            shaped(function, value, (len(units),), name, whole=False)
    return found


def _column(
    function: Callable[[Any, Series], Values], unit: Unit, series: Series, steps: int
) -> Values:
    """Return a unit table's value for a unit at every step, (step)."""
    found = of_kind(function, function(unit, series), np.ndarray)
    if found.shape != (steps,):
        raise ContractError(function, f"the shape {found.shape}, not ({steps},)")
    return found.astype(float)


def build_profiles(scenario: Scenario, scales: Mapping[str, Mapping[str, Scales]]) -> Profiles:
    """Return capacity, marginal cost and forecasts of all units over the whole calendar.

    A market that trades no energy has the forecasts of the first one that does: what reserve is
    worth depends on what the same power would earn there.

    :param scenario: validated
    :param scales: by market and unit, what scaled forecasts stand for; the calendar says it of
        others
    """
    series = scenario.series
    steps = len(scenario.index)
    capacity = [_column(table.capacity, unit, series, steps) for table, unit in scenario.each()]
    cost = [_column(table.marginal_cost, unit, series, steps) for table, unit in scenario.each()]
    profiles = Profiles(
        capacity=torch.tensor(np.stack(capacity, axis=1)),
        marginal_cost=torch.tensor(np.stack(cost, axis=1)),
        forecasts={},
    )
    forecasts = {
        name: market_forecasts(scenario, name, profiles, scales.get(name, {}))
        for name, market in scenario.config.markets_config.items()
        if market.product_type == ENERGY
    }
    if forecasts:
        first = next(iter(forecasts.values()))
        forecasts = {name: forecasts.get(name, first) for name in scenario.config.markets_config}
    return Profiles(profiles.capacity, profiles.marginal_cost, forecasts)


def _codes(names: Sequence[str]) -> Tensor:
    """Return the position of each name among the distinct names, in order of first appearance."""
    code = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([code[name] for name in names])
