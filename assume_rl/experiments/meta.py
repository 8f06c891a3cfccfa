"""Tables that describe the units of a scenario."""

from assume_rl.results.sinks import DatabaseSink
from assume_rl.scenario.types import Scenario

COMMON = ("technology", "unit_operator", "node", "max_power", "min_power")
START_COSTS = ("hot_start_cost", "warm_start_cost", "cold_start_cost")


def write_meta(sink: DatabaseSink, scenario: Scenario) -> None:
    """Write `power_plant_meta` and `demand_meta`; start costs are EUR per start there."""
    plants, demands = scenario.plants, scenario.demands
    names = (*COMMON, "emission_factor", "efficiency", "fuel_type")
    columns: dict[str, list[object]] = {"index": [unit.id for unit in plants]}
    columns |= {name: [getattr(unit, name) for unit in plants] for name in names}
    columns |= {name: [getattr(u, name) * u.max_power for u in plants] for name in START_COSTS}
    columns["max_heat_extraction"] = [0.0] * len(plants)
    sink.write("power_plant_meta", columns)
    columns = {"index": [unit.id for unit in demands]}
    columns |= {name: [getattr(unit, name) for unit in demands] for name in COMMON}
    sink.write("demand_meta", columns)
