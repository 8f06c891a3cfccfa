"""A study case of one day in which every unit kind trades."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from strangers import RULE_BIDDER

HOURS = 24
# A unit of each kind; a further kind needs a line here.
ROWS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "power_plant": (
        "powerplant_units",
        {"technology": "hard coal", "max_power": 90, "min_power": 10, "additional_cost": 20,
         "ramp_up": 60, "ramp_down": 60, "min_operating_time": 2, "min_down_time": 2,
         "hot_start_cost": 1, "downtime_hot_start": 9},
    ),
    "storage": (
        "storage_units",
        {"technology": "battery", "capacity": 60, "max_power_charge": 20, "initial_soc": 0.5,
         "max_power_discharge": 30, "efficiency_charge": 0.9, "efficiency_discharge": 0.9},
    ),
    "demand": (
        "demand_units",
        {"technology": "demand", "max_power": 400, "min_power": 0, "elasticity": -0.2,
         "elasticity_model": "isoelastic", "num_bids": 6},
    ),
    "exchange": ("exchange_units", {"price_import": 15, "price_export": 100}),
    "reservoir": (
        "reservoir_units",
        {"technology": "hydro", "max_power": 40, "inflow": 12, "content": 150},
    ),
}  # fmt: skip
USUAL = {
    "power_plant": "powerplant_energy_naive",
    "storage": "storage_energy_heuristic_flexable",
    "demand": "demand_energy_naive",
    "exchange": "exchange_energy_naive",
    "reservoir": RULE_BIDDER,
}


def write_case(folder: Path, products: int = 1, **settings: Any) -> Path:
    """Write a scenario with one unit per kind, which has the kind's name, and a dear plant.

    :param products: of an auction, an hour each
    :param settings: of the study case
    """
    times = pd.date_range("2019-01-01", periods=HOURS + 1, freq="h")
    market = {
        "operator": "exchange",
        "products": [{"duration": "1h", "count": products, "first_delivery": "1h"}],
        "opening_frequency": f"{products}h",
        "opening_duration": "1h",
        "market_mechanism": "pay_as_clear",
    }
    case = {
        "start_date": str(times[0]),
        "end_date": str(times[-1]),
        "time_step": "1h",
        "seed": 3,
        "markets_config": {"EOM": market},
        **settings,
    }
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"base": case}, sort_keys=False))
    for kind, (file, row) in ROWS.items():
        common = {"name": kind, "unit_operator": f"owner of {kind}", "bidding_EOM": USUAL[kind]}
        table = pd.DataFrame([common | row])
        if kind == "power_plant":
            dear = {"name": "dear", "max_power": 500, "additional_cost": 80, "ramp_up": np.nan}
            dear |= {"ramp_down": np.nan, "min_power": 0}
            table = pd.concat([table, table.assign(**dear)])
        table.to_csv(folder / f"{file}.csv", index=False)
    load = 120 + 60 * np.sin(np.arange(HOURS + 1) / 2)
    demand = pd.DataFrame({"datetime": times, "demand": load})
    demand.to_csv(folder / "demand_df.csv", index=False)
    flows = {"exchange_import": 30 + load / 10, "exchange_export": 60 - load / 5}
    exchanges = pd.DataFrame({"datetime": times, **flows})
    exchanges.to_csv(folder / "exchanges_df.csv", index=False)
    return folder
