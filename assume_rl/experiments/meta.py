"""Tables that describe the units of a scenario."""

import numpy as np

from assume_rl.results.sinks import Columns, DatabaseSink
from assume_rl.scenario.compile import Compiled

COMMON = ("technology", "unit_operator", "node", "max_power", "min_power")
START_COSTS = ("hot_start_cost", "warm_start_cost", "cold_start_cost")


def write_meta(sink: DatabaseSink, compiled: Compiled) -> None:
    """Write what is known of units before anything runs; start costs are EUR per start there."""
    plants, demands = compiled.scenario.plants, compiled.scenario.demands
    names = (*COMMON, "emission_factor", "efficiency", "fuel_type")
    columns: dict[str, list[object]] = {"index": [unit.id for unit in plants]}
    columns |= {name: [getattr(unit, name) for unit in plants] for name in names}
    columns |= {name: [getattr(u, name) * u.max_power for u in plants] for name in START_COSTS}
    columns["max_heat_extraction"] = [0.0] * len(plants)
    sink.write("power_plant_meta", columns)
    columns = {"index": [unit.id for unit in demands]}
    columns |= {name: [getattr(unit, name) for unit in demands] for name in COMMON}
    sink.write("demand_meta", columns)
    sink.write("marginal_costs", _marginal_costs(compiled))


def _marginal_costs(compiled: Compiled) -> Columns:
    """Marginal costs of the plants, a row where one changes: fuel prices often stay for months."""
    plants = {plant.id for plant in compiled.scenario.plants}
    units = [u for u, name in enumerate(compiled.fleet.ids) if name in plants]
    names = np.array([compiled.fleet.ids[u] for u in units], dtype=object)
    cost = compiled.profiles.marginal_cost[:, units].cpu().numpy()
    changed = np.vstack([np.ones((1, len(units)), bool), cost[1:] != cost[:-1]])
    unit, step = np.nonzero(changed.T)
    times = compiled.scenario.index.to_numpy()[step]
    return {"time": times, "unit": names[unit], "marginal_cost": cost[step, unit]}
