"""What would be missing of reserve, worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from assume_rl.experiments.held_reserve import undeliverable_reserve
from assume_rl.experiments.run import run
from assume_rl.results.sinks import DatabaseSink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

HOURS = 25


def market(hours: int, **other: Any) -> dict[str, Any]:
    product = {"duration": f"{hours}h", "count": 1, "first_delivery": "1h"}
    return {
        "operator": "grid",
        "products": [product],
        "opening_frequency": f"{hours}h",
        "opening_duration": "1h",
        "market_mechanism": "pay_as_clear",
        **other,
    }


def write(folder: Path) -> Path:
    """A coal plant for energy and reserve, a plant with ramps, a battery; 90 MW are needed."""
    folder.mkdir()
    markets = {
        "EOM": market(1),
        "UP": market(4, product_type="capacity_pos"),
        "DOWN": market(4, product_type="capacity_neg"),
    }
    case = {
        "start_date": "2019-01-01 00:00",
        "end_date": "2019-01-02 00:00",
        "time_step": "1h",
        "markets_config": markets,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({"base": case}))
    naive = "powerplant_energy_naive"
    names = ["name", "bidding_EOM", "bidding_UP"]
    plants = pd.DataFrame(
        [("coal", naive, f"{naive}_balancing"), ("gas", naive, None)], columns=names
    ).assign(
        max_power=[100, 200],
        min_power=[20, 0],
        additional_cost=[20, 50],
        ramp_up=[0, 5],
        technology="plant",
        unit_operator="owner",
    )
    plants.to_csv(folder / "powerplant_units.csv", index=False)
    battery = {
        "name": ["battery"],
        "bidding_EOM": ["storage_energy_heuristic_flexable"],
        "technology": ["battery"],
        "unit_operator": ["owner"],
        "capacity": [100],
        "max_power_charge": [50],
        "max_power_discharge": [50],
    }
    pd.DataFrame(battery).to_csv(folder / "storage_units.csv", index=False)
    bids = "demand_energy_naive"
    demand = pd.DataFrame(
        [("town", bids, None), ("grid", None, f"{bids}_balancing")], columns=names
    ).assign(max_power=200, min_power=0, technology="demand", unit_operator="grid")
    demand.to_csv(folder / "demand_units.csv", index=False)
    times = pd.date_range("2019-01-01", periods=HOURS, freq="h")
    loads = pd.DataFrame({"datetime": times, "town": 90.0, "grid": 30.0})
    loads.to_csv(folder / "demand_df.csv", index=False)
    return folder


@pytest.fixture
def compiled(tmp_path: Path) -> Compiled:
    return compile_scenario(load_scenario(write(tmp_path / "case")))


def test_energy_that_is_sold_before_reserve_is_known_takes_its_room(tmp_path: Path) -> None:
    """In the first hour of each of five products coal sells 90 of its 100 MW, then 70 MW."""
    scenario = load_scenario(
        write(tmp_path / "case"), overrides={"units.gas.ramp_up": None, "storage_units": None}
    )
    found = run(scenario, out=tmp_path / "out", engine="batch").kpis
    kpis = {(name, market): value for name, market, value in found}
    assert kpis["total_volume", "UP"] == 5 * 4 * 30
    assert kpis["undeliverable_reserve", "UP"] == pytest.approx(5 * 20)


# unit, market, what was held, power in the step and in the one before, content, what is missing
CASES = [
    ("coal", "UP", 30.0, (90.0, 90.0), None, 20.0),
    ("coal", "UP", 30.0, (0.0, 0.0), None, 0.0),  # it starts
    ("coal", "DOWN", 30.0, (40.0, 40.0), None, 10.0),  # minimum power is 20 MW
    ("coal", "DOWN", 30.0, (10.0, 10.0), None, 20.0),  # it delivers 10 MW at most
    ("gas", "UP", 30.0, (50.0, 48.0), None, 27.0),  # it can raise its power to 53 MW
    ("battery", "UP", 30.0, (0.0, 0.0), 0.1, 20.0),
    ("battery", "UP", 30.0, (40.0, 0.0), 0.9, 20.0),
    ("battery", "DOWN", 30.0, (0.0, 0.0), 0.95, 25.0),
]


@pytest.mark.parametrize("case", CASES)
def test_what_is_missing_is_what_limits_do_not_allow(
    compiled: Compiled, tmp_path: Path, case: Any
) -> None:
    unit, name, held, (power, before), soc, missing = case
    start = np.datetime64("2019-01-01T05", "s")
    with DatabaseSink(f"sqlite:///{tmp_path / 'results.db'}", "one") as sink:
        times = [start - np.timedelta64(1, "h"), start]
        content = {} if soc is None else {"soc": [soc, soc]}
        rows = {"time": times, "unit": [unit] * 2, "power": [before, power], **content}
        sink.write("unit_dispatch", rows)
        order = {"market_id": name, "unit_id": unit, "accepted_volume": held, "start_time": start}
        order["end_time"] = start + np.timedelta64(4, "h")  # later hours are not delivered
        sink.write("market_orders", {key: [value] for key, value in order.items()})
        found = dict(((m, round(v, 9)) for _, m, v in undeliverable_reserve(compiled, sink)))
    assert found == {"UP": 0.0, "DOWN": 0.0, name: missing}


def test_without_its_tables_nothing_is_said(compiled: Compiled, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'results.db'}"
    with DatabaseSink(url, "one", tables={"market_orders"}) as sink:
        assert undeliverable_reserve(compiled, sink) == []
