"""Small scenario folders: any markets, any strategies, plants with every kind of limit."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

MARKET = {
    "operator": "op",
    "product_type": "energy",
    "products": [{"duration": "1h", "count": 1, "first_delivery": "1h"}],
    "opening_frequency": "1h",
    "opening_duration": "1h",
    "maximum_bid_volume": 100000,
    "maximum_bid_price": 3000,
    "minimum_bid_price": -500,
    "market_mechanism": "pay_as_clear",
}
COLUMNS = [
    "name",
    "unit_operator",
    "technology",
    "fuel_type",
    "max_power",
    "min_power",
    "efficiency",
    "ramp_up",
    "ramp_down",
    "min_operating_time",
    "min_down_time",
    "hot_start_cost",
]
# Two at the same cost, so that tie-breaks decide; two with ramps and minimum times.
PLANTS = [
    ("wind", "O1", "wind", "wind", 40, 0, 1.0, np.nan, np.nan, 0, 0, 0),
    ("nuclear", "O1", "nuclear", "uranium", 60, 20, 0.8, 15, 20, 3, 2, 10),
    ("coal", "O2", "hard coal", "hard coal", 80, 10, 0.5, np.nan, np.nan, 1, 1, 5),
    ("coal twin", "O3", "hard coal", "hard coal", 80, 0, 0.5, np.nan, np.nan, 1, 1, 0),
    ("gas", "O2", "gas", "natural gas", 90, 30, 0.4, 40, np.nan, 2, 3, 20),
]
NAIVE = "powerplant_energy_naive"
STORAGE = "pump"
STORAGES = {
    "name": [STORAGE, "battery"],
    "unit_operator": ["OS", "O1"],
    "technology": ["PSPP", "battery"],
    "capacity": [150, 60],
    "max_power_charge": [40, 25],
    "max_power_discharge": [50, 25],
    "min_power_charge": [5, 0],
    "min_power_discharge": [8, 0],
    "min_soc": [0.1, 0.0],
    "max_soc": [0.9, 1.0],
    "initial_soc": [0.5, 0.2],
    "efficiency_charge": [0.8, 0.95],
    "efficiency_discharge": [0.9, 0.95],
    "additional_cost_charge": [0.3, 0.1],
    "additional_cost_discharge": [0.4, 0.2],
    "ramp_up_discharge": [20, 1e9],
    "ramp_down_discharge": [30, 1e9],
    "ramp_up_charge": [-20, -1e9],
    "ramp_down_charge": [-30, -1e9],
    "cold_start_cost": [2, 0],
}
EXCHANGE = "border"


def market(**settings: Any) -> dict[str, Any]:
    """An hourly market that clears an hour after it opens, with some settings replaced."""
    return {**MARKET, **settings}


def toy_scenario(
    folder: Path,
    markets: Mapping[str, Mapping[str, Any]],
    *,
    hours: int = 48,
    bids: Mapping[str, Mapping[str, str]] | None = None,
    plants: Sequence[tuple[Any, ...]] = PLANTS,
    load: float | None = None,
    storage: bool = False,
    exchange: bool = False,
    params: Mapping[str, Any] | None = None,
) -> Compiled:
    """A compiled scenario of `hours` + 1 steps.

    :param bids: strategies that are not naive, by market and unit; an empty one: it does not bid
    :param plants: values of `COLUMNS`
    :param load: MW in every hour; None: a curve
    :param storage: whether there are storages; they follow the rule unless `bids` says otherwise
    :param exchange: whether there is an exchange
    :param params: `bidding_strategy_params`
    """
    bids = bids or {}
    index = pd.date_range("2019-01-01", periods=hours + 1, freq="h")
    config = {
        "start_date": str(index[0]),
        "end_date": str(index[-1]),
        "time_step": "1h",
        "seed": 1,
        "markets_config": {name: dict(settings) for name, settings in markets.items()},
        "bidding_strategy_params": dict(params or {}),
    }
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"base": config}, sort_keys=False))
    fleet = pd.DataFrame(list(plants), columns=COLUMNS)
    demand = pd.DataFrame(
        {
            "name": ["load"],
            "technology": ["inflex_demand"],
            "max_power": [1000],
            "min_power": [0],
            "price": [3000],
            "elasticity_model": ["linear"],  # of elastic strategies
            "num_bids": [20],
            "unit_operator": ["OD"],
        }
    )
    for name in markets:
        own = bids.get(name, {})
        fleet[f"bidding_{name}"] = [own.get(unit, NAIVE) for unit in fleet["name"]]
        demand[f"bidding_{name}"] = own.get("load", "demand_energy_naive")
    if storage:
        stores = pd.DataFrame(STORAGES)
        for name in markets:
            own = bids.get(name, {})
            rule = "storage_energy_heuristic_flexable"
            stores[f"bidding_{name}"] = [own.get(unit, rule) for unit in stores["name"]]
        stores.to_csv(folder / "storage_units.csv", index=False)
    fleet.to_csv(folder / "powerplant_units.csv", index=False)
    demand.to_csv(folder / "demand_units.csv", index=False)
    prices = "fuel,uranium,hard coal,natural gas,co2\nprice,3,12,25,20\n"
    (folder / "fuel_prices_df.csv").write_text(prices)
    hour = np.arange(hours + 1)
    curve = 170 + 110 * np.sin(hour / 3.7) + 30 * np.sin(hour * 1.3) if load is None else load
    pd.DataFrame({"datetime": index, "load": curve}).to_csv(folder / "demand_df.csv", index=False)
    if exchange:
        border = {"name": [EXCHANGE], "unit_operator": ["OX"]}
        border |= {"price_import": [12.0], "price_export": [60.0]}
        border |= {f"bidding_{name}": ["exchange_energy_naive"] for name in markets}
        pd.DataFrame(border).to_csv(folder / "exchange_units.csv", index=False)
        flows = {"border_import": 30 + 20 * np.sin(hour), "border_export": 40 * np.cos(hour / 2)}
        table = pd.DataFrame({"datetime": index, **flows})
        table.to_csv(folder / "exchanges_df.csv", index=False)
    wind = 0.5 + 0.5 * np.sin(hour / 5.1)
    table = pd.DataFrame({"datetime": index, "wind": wind})
    table.to_csv(folder / "availability_df.csv", index=False)
    return compile_scenario(load_scenario(folder))
