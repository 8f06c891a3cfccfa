"""A folder with every kind of unit, limit and file, in which each setting can matter."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from hourly_market import SETTINGS

HOURS = 51  # of the series, more than any calendar has
NAIVE = "powerplant_energy_naive"
COURNOT = "units_operator_energy_heuristic_cournot"
HEURISTIC = "storage_energy_heuristic_flexable"

CONFIG = SETTINGS | {
    "start_date": "2019-01-01 00:00",
    "end_date": "2019-01-01 14:00",
    "learning_config": SETTINGS["learning_config"] | {"batch_size": 8},
}

# Two plants of the same cost, so that the draw of the seed matters; two with ramps.
PLANTS = """\
name,unit_operator,technology,fuel_type,max_power,min_power,efficiency,emission_factor,\
additional_cost,ramp_up,ramp_down,min_operating_time,min_down_time,hot_start_cost,\
warm_start_cost,cold_start_cost,downtime_hot_start,downtime_warm_start
wind,O1,wind,wind,60,0,1,0,0,0,0,1,1,0,0,0,0,0
lignite,O1,lignite,lignite,80,20,0.5,0.4,1,30,35,1,1,1,2,3,4,9
coal,O2,hard coal,hard coal,80,0,0.5,0.3,1,0,0,1,1,1,2,3,4,9
twin,O3,hard coal,hard coal,80,0,0.5,0.3,1,0,0,1,1,1,2,3,4,9
gas,O2,gas,natural gas,90,30,0.4,0.2,1,40,50,1,1,10,20,30,4,9
"""

STORAGES = """\
name,unit_operator,technology,capacity,max_power_charge,max_power_discharge,min_power_charge,\
min_power_discharge,min_soc,max_soc,initial_soc,efficiency_charge,efficiency_discharge,\
additional_cost_charge,additional_cost_discharge,ramp_up_charge,ramp_down_charge,\
ramp_up_discharge,ramp_down_discharge,hot_start_cost,warm_start_cost,cold_start_cost,\
downtime_hot_start,downtime_warm_start
pump,O4,PSPP,150,40,50,5,8,0.1,0.9,0.5,0.8,0.9,0.3,0.4,-20,-40,20,50,1,2,3,3,8
battery,O1,battery,60,25,25,0,0,0,1,0.2,0.95,0.95,0.1,0.2,-1e9,-1e9,1e9,1e9,0,0,0,8,48
"""

DEMANDS = """\
name,unit_operator,technology,max_power,min_power,price
town,OD,inflex_demand,1000,0,3000
mill,OD,inflex_demand,1000,0,60
"""

EXCHANGES = """\
name,unit_operator,price_import,price_export
border,OX,10,2999
"""

FUELS = "fuel,wind,lignite,hard coal,natural gas,co2\nprice,0,4,12,25,20\n"


def _with_bids(table: str, strategy: str) -> str:
    header, *rows = table.splitlines()
    return "\n".join([f"{header},bidding_EOM", *(f"{row},{strategy}" for row in rows)]) + "\n"


def _write_series(path: Path, scale: float, **columns: np.ndarray) -> None:
    """Write hourly values, times `scale`."""
    index = pd.date_range("2019-01-01", periods=HOURS, freq="h", name="datetime")
    frame = pd.DataFrame({name: scale * values for name, values in columns.items()}, index=index)
    frame.to_csv(path, date_format="%Y-%m-%d %H:%M")


def write_market(folder: Path) -> None:
    """Write the files of the study case, and of each table another one with other numbers."""
    (folder / "config.yaml").write_text(yaml.safe_dump({"base": CONFIG}, sort_keys=False))
    tables = {
        "powerplant_units": (PLANTS, NAIVE, "80,", "70,"),
        "storage_units": (STORAGES, HEURISTIC, "150,", "90,"),
        "demand_units": (DEMANDS, "demand_energy_naive", "60\n", "20\n"),
    }
    for name, (table, strategy, old, new) in tables.items():
        (folder / f"{name}.csv").write_text(_with_bids(table, strategy))
        (folder / f"other_{name}.csv").write_text(_with_bids(table.replace(old, new), strategy))
    # No file of these names is looked for unless the study case names it.
    for prefix, table in (("given", EXCHANGES), ("other", EXCHANGES.replace("2999", "30"))):
        text = _with_bids(table, "exchange_energy_naive")
        (folder / f"{prefix}_exchange_units.csv").write_text(text)
    few = [row for row in PLANTS.splitlines() if not row.startswith(("lignite", "twin"))]
    few_text = "\n".join(few).replace("1,40,50,1", "1,0,0,1")
    (folder / "few_powerplant_units.csv").write_text(_with_bids(few_text, NAIVE))
    (folder / "fuel_prices_df.csv").write_text(FUELS)
    (folder / "other_fuel_prices_df.csv").write_text(FUELS.replace("12,25", "17,22"))
    hour = np.arange(HOURS)
    town = 170 + 130 * np.sin(hour / 3.7) + 30 * np.sin(hour * 1.3)
    mill = 20 + 10 * np.sin(hour / 2.1)
    wind = 0.5 + 0.5 * np.sin(hour / 5.1)
    price = 50 + 30 * np.sin(hour / 1.9)
    for prefix, scale in (("", 1.0), ("other_", 0.9)):
        _write_series(folder / f"{prefix}demand_df.csv", scale, town=town, mill=mill)
        _write_series(folder / f"{prefix}availability_df.csv", scale, wind=wind)
    flows = {"border_import": 20 + 10 * np.sin(hour), "border_export": 25 + 20 * np.cos(hour)}
    for prefix, scale in (("given_", 1.0), ("other_", 0.9)):
        _write_series(folder / f"{prefix}exchanges_df.csv", scale, **flows)
    _write_series(folder / "given_forecasts.csv", 1.0, price_EOM=price)
    (folder / "other_unit_operators.csv").write_text(f"name,bidding_EOM\nO2,{COURNOT}\n")
    (folder / "other_dsm_units.csv").write_text("name,unit_operator\n")
