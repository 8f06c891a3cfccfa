"""Build the tensors of a scenario's units and series: `Fleet` and `Profiles`."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from assume_rl.core.units import TECHNOLOGIES
from assume_rl.core.units.base import ENERGY, AnyBlock, Block
from assume_rl.core.units.fleet import Fleet, Profiles
from assume_rl.scenario.compile.forecasts import market_forecasts
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.tables.base import Basis
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
            params = table.to_params(units, basis)
            yield Block(TECHNOLOGIES[table.technology], start, start + len(units), params)
            start += len(units)


def build_profiles(scenario: Scenario) -> Profiles:
    """Capacity, marginal cost and forecasts over the whole calendar.

    A market that trades no energy has the forecasts of the first one that does: what reserve is
    worth depends on what the same power would earn there.
    """
    series = scenario.series
    capacity = [table.capacity(unit, series) for table, unit in scenario.each()]
    cost = [table.marginal_cost(unit, series) for table, unit in scenario.each()]
    profiles = Profiles(
        capacity=torch.tensor(np.stack(capacity, axis=1)),
        marginal_cost=torch.tensor(np.stack(cost, axis=1)),
        forecasts={},
    )
    forecasts = {
        name: market_forecasts(scenario, name, profiles)
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
