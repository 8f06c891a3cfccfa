"""Units and series of a scenario as tensors: `Fleet` and `Profiles`."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from assume_rl.core.types import Block, DemandParams, Fleet, Profiles, ThermalParams
from assume_rl.scenario.forecasts import market_forecasts
from assume_rl.scenario.tables.rows import Demand, Plant, Unit
from assume_rl.scenario.types import Scenario


def units_of(scenario: Scenario) -> tuple[Unit, ...]:
    """Units in the order of the fleet: power plants, then demands, as in their files."""
    return (*scenario.plants, *scenario.demands)


def build_fleet(scenario: Scenario) -> Fleet:
    """Parameters of all units, one block per technology."""
    units = units_of(scenario)
    first = len(scenario.plants)
    return Fleet(
        ids=tuple(unit.id for unit in units),
        blocks=(
            Block("thermal", 0, first, _thermal(scenario.plants, scenario.step.total_seconds())),
            Block("demand", first, len(units), _demand(scenario.demands)),
        ),
        owner=_codes([unit.unit_operator for unit in units]),
        node=_codes([unit.node for unit in units]),
    )


def build_profiles(scenario: Scenario) -> Profiles:
    """Capacity, marginal cost and forecasts over the whole calendar."""
    steps = len(scenario.index)
    capacity = [_available(scenario, plant) for plant in scenario.plants]
    capacity += [scenario.series.demand[unit.id].to_numpy() for unit in scenario.demands]
    cost = [marginal_cost(scenario, plant) for plant in scenario.plants]
    cost += [np.full(steps, unit.price) for unit in scenario.demands]
    profiles = Profiles(
        capacity=torch.tensor(np.stack(capacity, axis=1)),
        marginal_cost=torch.tensor(np.stack(cost, axis=1)),
        forecasts={},
    )
    forecasts = {
        name: market_forecasts(scenario, name, profiles)
        for name, market in scenario.config.markets_config.items()
        if market.product_type == "energy"
    }
    return Profiles(profiles.capacity, profiles.marginal_cost, forecasts)


def marginal_cost(scenario: Scenario, plant: Plant) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(step), EUR/MWh: fuel, CO2 and other costs per electric energy (docs/scenario-format.md)."""
    fuel, co2 = (_fuel_price(scenario, name) for name in (plant.fuel_type, "co2"))
    eta = plant.efficiency
    return fuel / eta + co2 * plant.emission_factor / eta + plant.additional_cost


def _fuel_price(scenario: Scenario, fuel: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    prices = scenario.series.fuel_prices
    return prices[fuel].to_numpy() if fuel in prices else np.zeros(len(scenario.index))


def _available(scenario: Scenario, plant: Plant) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(step), MW."""
    shares = scenario.series.availability
    full = np.full(len(scenario.index), plant.max_power)
    return shares[plant.id].to_numpy() * full if plant.id in shares else full


def _thermal(plants: Sequence[Plant], step_seconds: float) -> ThermalParams:
    """Start costs in EUR per start, down times in steps."""
    hours = step_seconds / 3600
    up, down = ([getattr(p, r) or np.inf for p in plants] for r in ("ramp_up", "ramp_down"))
    return ThermalParams(
        max_power=_column([p.max_power for p in plants]),
        min_power=_column([p.min_power for p in plants]),
        ramp_up=_column(up),
        ramp_down=_column(down),
        min_operating_time=_column([p.min_operating_time for p in plants]),
        min_down_time=_column([p.min_down_time for p in plants]),
        hot_start_cost=_column([p.hot_start_cost * p.max_power for p in plants]),
        warm_start_cost=_column([p.warm_start_cost * p.max_power for p in plants]),
        cold_start_cost=_column([p.cold_start_cost * p.max_power for p in plants]),
        downtime_hot_start=_column([p.downtime_hot_start / hours for p in plants]),
        downtime_warm_start=_column([p.downtime_warm_start / hours for p in plants]),
        ramped=bool(np.isfinite([*up, *down]).any()),
    )


def _demand(demands: Sequence[Demand]) -> DemandParams:
    return DemandParams(price=_column([unit.price for unit in demands]))


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _codes(names: Sequence[str]) -> Tensor:
    """Each name as its position among the distinct names, in order of first appearance."""
    code = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([code[name] for name in names])
