"""Folders with a market of energy, EOM, and one of reserve, RES."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

MARKET = {"operator": "grid", "opening_duration": "1h", "market_mechanism": "pay_as_clear"}


def write_folder(
    folder: Path,
    case: Mapping[str, Any],
    plants: pd.DataFrame,
    times: pd.DatetimeIndex,
    *,
    town: float,
    grid: float,
) -> None:
    """Write a folder in which a town buys energy, and a grid reserve, at any price.

    :param case: settings of the study case
    :param plants: rows of the plants, all of one owner
    :param town: MW that it buys throughout
    :param grid: likewise
    """
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({"base": case}))
    plants = plants.assign(technology="gas", unit_operator="owner")
    plants.to_csv(folder / "powerplant_units.csv", index=False)
    naive = "demand_energy_naive"
    rows = [("town", naive, None), ("grid", None, f"{naive}_balancing")]
    demand = pd.DataFrame(rows, columns=["name", "bidding_EOM", "bidding_RES"])
    demand = demand.assign(max_power=200, min_power=0, technology="demand", unit_operator="grid")
    demand.to_csv(folder / "demand_units.csv", index=False)
    loads = pd.DataFrame({"datetime": times, "town": town, "grid": grid})
    loads.to_csv(folder / "demand_df.csv", index=False)
