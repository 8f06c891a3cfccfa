"""A scenario whose learner bids in two markets, of one and of two products, that open together."""

import shutil
from pathlib import Path

import pandas as pd
import yaml

from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

ORIGIN = Path(__file__).parents[2] / "scenarios" / "single_learner"


def two_markets(folder: Path) -> Scenario:
    """Return the case `tiny` of `single_learner` with a second market: two hours, the coal plants.

    :param folder: that does not exist yet
    """
    shutil.copytree(ORIGIN, folder)
    cases = yaml.safe_load((folder / "config.yaml").read_text())
    case = cases["tiny"]
    second = {**case["markets_config"]["EOM"], "operator": "other_operator"}
    second["products"] = [{**second["products"][0], "count": 2}]
    case["markets_config"]["PAIRS"] = second
    # The last pair does not fit into the calendar: the hourly market ends with the one before.
    case["markets_config"]["EOM"] = case["markets_config"]["EOM"] | {
        "end_date": str(pd.Timestamp(case["end_date"]) - pd.Timedelta("1h"))
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({"tiny": case}, sort_keys=False))
    plants = pd.read_csv(folder / "powerplant_units.csv", index_col="name")
    some = ["learner", "coal_old", "coal_new", "hydro"]
    plants["bidding_PAIRS"] = plants["bidding_EOM"].where(plants.index.isin(some))
    plants.to_csv(folder / "powerplant_units.csv")
    demand = pd.read_csv(folder / "demand_units.csv", index_col="name")
    demand["bidding_PAIRS"] = "demand_energy_naive"
    demand.to_csv(folder / "demand_units.csv")
    return load_scenario(folder, "tiny")
