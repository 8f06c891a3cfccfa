"""Small scenarios of learners: of any strategy, in any order, under any operator."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml
from hourly_market import SETTINGS

HOURS = 6
# Columns of a learner's row besides its name, operator and strategy.
PLANT = {"technology": "gas", "fuel_type": "natural gas", "min_power": 5, "efficiency": 0.4}
STORAGE = {
    "technology": "battery",
    "capacity": 60,
    "max_power_charge": 20,
    "max_power_discharge": 25,
    "efficiency_charge": 0.9,
    "efficiency_discharge": 0.9,
    "initial_soc": 0.5,
}
STRATEGIES = {
    "two": ("powerplant_units", "powerplant_energy_learning", PLANT),
    "single": ("powerplant_units", "powerplant_energy_learning_single_bid", PLANT),
    "curve": ("powerplant_units", "powerplant_energy_learning_curve", PLANT),
    "renewable": ("powerplant_units", "renewable_energy_learning_single_bid", PLANT),
    "rule": ("powerplant_units", "powerplant_energy_naive", PLANT),
    "storage": ("storage_units", "storage_energy_learning", STORAGE),
    "ladder": ("powerplant_units", "powerplant_energy_learning_ladder", PLANT),
    "renewable ladder": ("powerplant_units", "renewable_energy_learning_ladder", PLANT),
    "storage ladder": ("storage_units", "storage_energy_learning_ladder", STORAGE),
}


class Unit(NamedTuple):
    """A unit of a fleet: a key of STRATEGIES and the operator it belongs to."""

    kind: str
    operator: str


def names(fleet: Sequence[Unit]) -> list[str]:
    """Names of the units, in their order."""
    return [f"{unit.kind} {i}" for i, unit in enumerate(fleet)]


def write_fleet(folder: Path, fleet: Sequence[Unit], products: int = 1, **learning: Any) -> Path:
    """Write a scenario of a fleet and a demand.

    :param products: of an auction, an hour each
    :param learning: settings of `learning_config`
    """
    times = pd.date_range("2019-01-01", periods=HOURS + 1, freq="h")
    market = SETTINGS["markets_config"]["EOM"] | {
        "products": [{"duration": "1h", "count": products, "first_delivery": "1h"}],
        "opening_frequency": f"{products}h",
    }
    case = SETTINGS | {
        "start_date": str(times[0]),
        "end_date": str(times[-1]),
        "markets_config": {"EOM": market},
        "learning_config": SETTINGS["learning_config"] | learning,
    }
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"base": case}))
    tables: dict[str, list[dict[str, Any]]] = {"powerplant_units": [], "storage_units": []}
    for i, (name, unit) in enumerate(zip(names(fleet), fleet, strict=True)):
        file, strategy, columns = STRATEGIES[unit.kind]
        row = {"name": name, "unit_operator": unit.operator, "bidding_EOM": strategy, **columns}
        tables[file].append(row if file == "storage_units" else row | {"max_power": 40 + i})
    base = {"name": "base", "unit_operator": "base", "bidding_EOM": STRATEGIES["rule"][1]}
    coal = {"max_power": 200, "technology": "hard coal", "fuel_type": "hard coal", "min_power": 0}
    tables["powerplant_units"].append(base | PLANT | coal)  # the name comes first
    load = {"name": "load", "unit_operator": "town", "technology": "inflex_demand"}
    load |= {"max_power": 1000, "min_power": 0, "price": 3000, "bidding_EOM": "demand_energy_naive"}
    tables["demand_units"] = [load]
    for file, rows in tables.items():
        if rows:
            pd.DataFrame(rows).to_csv(folder / f"{file}.csv", index=False)
    curve = 220 + 90 * np.sin(np.arange(HOURS + 1))
    demand = pd.DataFrame({"datetime": times, "load": curve})
    demand.to_csv(folder / "demand_df.csv", index=False)
    prices = "fuel,hard coal,natural gas,co2\nprice,12,25,20\n"
    (folder / "fuel_prices_df.csv").write_text(prices)
    return folder
