"""Markets one after the other for the same hours, by hand and on both shells."""

import asyncio
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from policies import fresh_policies
from toy_scenarios import MARKET, market, toy_scenario

from assume_rl.agents.world import World
from assume_rl.envs.record import play_recorded
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.testing import assert_same_episode

pytestmark = pytest.mark.unchecked

SHELLS = ["message", "batch"]
PLANT, DEMAND = "powerplant_energy_naive_intraday", "demand_energy_naive_intraday"
NAIVE, BUYS = "powerplant_energy_naive", "demand_energy_naive"
AHEAD = market(products=[{"duration": "1h", "count": 1, "first_delivery": "3h"}])
PLANTS = """\
name,unit_operator,technology,max_power,min_power,additional_cost,bidding_DAM,bidding_IDM
coal,OC,coal,100,20,30,powerplant_energy_naive,powerplant_energy_naive_intraday
gas,OG,gas,100,10,60,powerplant_energy_naive,powerplant_energy_naive_intraday
wind,OW,wind,50,0,1,,{wind}
"""
DEMANDS = """\
name,unit_operator,technology,max_power,min_power,price,bidding_DAM,bidding_IDM
town,OT,load,200,0,3000,demand_energy_naive,demand_energy_naive_intraday
mill,OM,load,30,0,100,demand_energy_naive,demand_energy_naive_intraday
late,OL,load,80,0,3000,,{late}
"""


def sequence(folder: Path, *, wind: str = "", late: str = "", **markets: Any) -> Path:
    """Write a market three hours ahead and one an hour ahead: town wants 120 MW, mill 30 MW."""
    folder.mkdir()
    config = {
        "start_date": "2019-01-01 00:00",
        "end_date": "2019-01-01 06:00",
        "time_step": "1h",
        "markets_config": {"DAM": AHEAD, "IDM": MARKET} | markets,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({"base": config}, sort_keys=False))
    (folder / "powerplant_units.csv").write_text(PLANTS.format(wind=wind))
    (folder / "demand_units.csv").write_text(DEMANDS.format(late=late))
    hours = pd.date_range("2019-01-01", periods=7, freq="h", name="datetime")
    load = pd.DataFrame({"town": 120.0, "mill": 30.0, "late": 80.0}, index=hours)
    load.to_csv(folder / "demand_df.csv")
    return folder


def played(folder: Path, shell: str) -> MemorySink:
    compiled, sink = compile_scenario(load_scenario(folder)), MemorySink()
    if shell == "message":
        asyncio.run(World(compiled, seed=1, policies={}).run_episode(0, sink=sink))
    else:
        play_recorded(compiled, seed=1, policies={}, sink=sink)
    return sink


def at_four(sink: MemorySink, table: str, time: str) -> pd.DataFrame:
    """Return the rows of the hour from 04:00 on, which both markets sell."""
    rows = pd.DataFrame(sink.table(table))
    return rows[pd.to_datetime(rows[time]) == pd.Timestamp("2019-01-01 04:00")]


def sales(sink: MemorySink, market_id: str) -> dict[str, float]:
    """Return what units sold in a market, MW, of those that traded."""
    rows = at_four(sink, "market_orders", "start_time")
    rows = rows[(rows["market_id"] == market_id) & (rows["accepted_volume"] != 0)]
    return rows.groupby("unit_id")["accepted_volume"].sum().to_dict()


def price(sink: MemorySink, market_id: str) -> float:
    rows = at_four(sink, "market_meta", "product_start")
    return float(rows[rows["market_id"] == market_id]["price"].iloc[0])


def step(sink: MemorySink, column: str) -> dict[str, float]:
    return at_four(sink, "unit_dispatch", "time").set_index("unit")[column].to_dict()


@pytest.mark.parametrize("shell", SHELLS)
def test_plants_buy_back_what_others_can_deliver_for_less(tmp_path: Path, shell: str) -> None:
    """Ahead: coal 100 MW, gas 50 MW at 60 EUR/MWh. Then 50 MW of wind are offered at 1.

    Gas buys 40 MW back and keeps its minimum of 10 MW; coal buys back 10 MW.
    """
    sink = played(sequence(tmp_path / "toy", wind=NAIVE), shell)
    assert sales(sink, "DAM") == {"coal": 100, "gas": 50, "town": -120, "mill": -30}
    assert price(sink, "DAM") == 60
    assert sales(sink, "IDM") == {"wind": 50, "gas": -40, "coal": -10}
    assert price(sink, "IDM") == 1
    delivered = {"coal": 90, "gas": 10, "wind": 50, "town": -120, "mill": -30}
    assert step(sink, "power") == delivered
    earned = step(sink, "revenue")
    assert earned["gas"] == 50 * 60 - 40 * 1
    assert earned["coal"] == 100 * 60 - 10 * 1
    assert step(sink, "cost")["gas"] == 10 * 60


@pytest.mark.parametrize("shell", SHELLS)
def test_demand_resells_what_others_pay_more_for(tmp_path: Path, shell: str) -> None:
    """Ahead as before; then 80 MW are wanted: the other 50 MW of gas, and what the mill bought."""
    sink = played(sequence(tmp_path / "toy", late=BUYS), shell)
    assert sales(sink, "DAM") == {"coal": 100, "gas": 50, "town": -120, "mill": -30}
    assert sales(sink, "IDM") == {"gas": 50, "mill": 30, "late": -80}
    assert price(sink, "IDM") == 100
    assert step(sink, "power")["mill"] == 0
    assert step(sink, "revenue")["mill"] == 30 * 100 - 30 * 60


@pytest.mark.parametrize("shell", SHELLS)
def test_a_third_market_knows_what_both_others_sold(tmp_path: Path, shell: str) -> None:
    """Two days ahead in blocks of two hours: coal only. Then hour by hour, as above."""
    blocks = market(
        products=[{"duration": "2h", "count": 1, "first_delivery": "4h"}],
        opening_frequency="2h",
        maximum_bid_volume=60,
    )
    folder = sequence(tmp_path / "toy", wind=NAIVE, FUT=blocks)
    for name, bid in (("powerplant", NAIVE), ("demand", BUYS)):
        table = pd.read_csv(folder / f"{name}_units.csv")
        table["bidding_FUT"] = [bid, bid, None]
        table.to_csv(folder / f"{name}_units.csv", index=False)
    sink = played(folder, shell)
    assert sales(sink, "FUT") == {"coal": 60, "gas": 30, "town": -60, "mill": -30}
    assert sales(sink, "DAM") == {"coal": 40, "gas": 20, "town": -60}
    assert sales(sink, "IDM") == {"wind": 50, "gas": -40, "coal": -10}
    assert step(sink, "power")["coal"] == 90


@pytest.mark.parametrize("shell", SHELLS)
def test_a_firm_share_is_sold_over_the_counter_first(tmp_path: Path, shell: str) -> None:
    """40 % over the counter: town buys 48 of 120 MW, coal sells 40 and gas 8. The rest follows."""
    ahead = [{"duration": "1h", "count": 1, "first_delivery": "4h"}]
    folder = sequence(tmp_path / "toy", OTC=market(products=ahead, market_mechanism="pay_as_bid"))
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    settings["base"]["bidding_strategy_params"] = {"scale_firm_power_capacity": 0.4}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    plants = pd.read_csv(folder / "powerplant_units.csv")
    plants["bidding_OTC"] = ["powerplant_energy_naive_otc", "otc_strategy", None]
    plants.to_csv(folder / "powerplant_units.csv", index=False)
    demands = pd.read_csv(folder / "demand_units.csv")
    demands["bidding_OTC"] = ["demand_energy_naive_otc", None, None]
    demands.to_csv(folder / "demand_units.csv", index=False)
    sink = played(folder, shell)
    assert sales(sink, "OTC") == {"coal": 40, "gas": 8, "town": -48}
    assert sales(sink, "DAM") == {"coal": 60, "gas": 42, "town": -72, "mill": -30}
    assert step(sink, "revenue")["coal"] == pytest.approx(40 * 30 + 60 * 60)


QUARTERS = market(
    products=[{"duration": "15min", "count": 4, "first_delivery": "1h"}],
    price_tick=0.1,
    volume_tick=0.1,
    opening_duration="30min",
)


@pytest.mark.parametrize("shell", SHELLS)
def test_quarters_of_an_hour_correct_what_an_hour_could_not(tmp_path: Path, shell: str) -> None:
    """The hour is sold by its first quarter, 120 MW; town wants 120, 110, 150 and 100 MW."""
    folder = sequence(tmp_path / "toy", IDM=QUARTERS)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["base"]["time_step"] = "15min"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    steps = pd.date_range("2019-01-01", periods=25, freq="15min", name="datetime")
    town = [(120.0, 110.0, 150.0, 100.0)[i % 4] for i in range(25)]
    load = pd.DataFrame({"town": town, "mill": 30.0, "late": 0.0}, index=steps)
    load.to_csv(folder / "demand_df.csv")
    sink = played(folder, shell)
    hour = slice("2019-01-01 04:00", "2019-01-01 04:45")
    rows = pd.DataFrame(sink.table("unit_dispatch"))
    power = rows.pivot(index="time", columns="unit", values="power")
    power.index = pd.to_datetime(power.index)
    assert power["town"][hour].tolist() == [-120, -110, -150, -100]
    assert power["coal"][hour].tolist() == [100, 100, 100, 100]
    # What town has too much in a quarter it sells for 0, and gas delivers less.
    assert power["gas"][hour].tolist() == [50, 40, 80, 30]
    meta = pd.DataFrame(sink.table("market_meta")).query("market_id == 'IDM'")
    meta = meta.set_index(pd.to_datetime(meta["product_start"]))
    # In the first quarter nobody wants anything else: no trade, no price.
    assert meta["price"][hour].tolist() == [0, 0, 60, 0]


@pytest.mark.parametrize("shell", SHELLS)
def test_wind_buys_what_it_has_sold_but_does_not_have(tmp_path: Path, shell: str) -> None:
    """An hour of 50 MW is sold; of its quarters the last has 20 MW: gas delivers 30 MW more."""
    folder = sequence(tmp_path / "toy", wind=PLANT, IDM=QUARTERS)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["base"]["time_step"] = "15min"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    plants = pd.read_csv(folder / "powerplant_units.csv").fillna({"bidding_DAM": NAIVE})
    plants.to_csv(folder / "powerplant_units.csv", index=False)
    steps = pd.date_range("2019-01-01", periods=25, freq="15min", name="datetime")
    pd.DataFrame({"town": 170.0, "mill": 30.0, "late": 0.0}, steps).to_csv(folder / "demand_df.csv")
    wind = [(1.0, 1.0, 1.0, 0.4)[i % 4] for i in range(25)]
    pd.DataFrame({"wind": wind}, steps).to_csv(folder / "availability_df.csv")
    sink = played(folder, shell)
    rows = pd.DataFrame(sink.table("unit_dispatch"))
    power = rows.pivot(index="time", columns="unit", values="power")
    power.index = pd.to_datetime(power.index)
    hour = slice("2019-01-01 04:00", "2019-01-01 04:45")
    assert power["wind"][hour].tolist() == [50, 50, 50, 20]
    assert power["gas"][hour].tolist() == [50, 50, 50, 80]
    money = rows.pivot(index="time", columns="unit", values="revenue")["wind"]
    money.index = pd.to_datetime(money.index)
    assert money[hour].tolist() == pytest.approx([750, 750, 750, 750 - 30 * 60 / 4])


@pytest.mark.parametrize("storage", [False, True], ids=["plants", "storages"])
def test_adjusting_bidders_give_the_same_on_both_shells(tmp_path: Path, storage: bool) -> None:
    plants = ("wind", "nuclear", "coal", "coal twin", "gas")
    bids = {
        "DAM": {"coal": "powerplant_energy_learning"},
        "IDM": {**dict.fromkeys(plants, PLANT), "load": DEMAND},
    }
    quarter_day = market(
        products=[{"duration": "1h", "count": 6, "first_delivery": "3h"}], opening_frequency="6h"
    )
    pairs = market(
        products=[{"duration": "2h", "count": 1, "first_delivery": "1h"}], opening_frequency="1h"
    )
    markets = {"DAM": quarter_day, "IDM": pairs}
    compiled = toy_scenario(tmp_path, markets, bids=bids, storage=storage)
    assert_same_episode(compiled, fresh_policies(compiled))
