"""Money is EUR however time is cut: by the calendar's steps or by the products of a market."""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from toy_scenarios import market

from assume_rl.agents.world import World
from assume_rl.envs.record import play_recorded
from assume_rl.evaluation.surplus import surplus
from assume_rl.experiments.meta import pay_as_bid_markets, write_meta
from assume_rl.results.gather import step_figures
from assume_rl.results.metrics import write_kpis
from assume_rl.results.sinks import DatabaseSink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

HOURS = 24
# The base plant serves the low demand alone. Where demand is high the peaker sets the price.
PLANTS = {"base": (100, 10.0), "peaker": (100, 60.0)}  # MW, EUR/MWh
LOW, HIGH = 80.0, 150.0  # MW
SHELLS = ("message", "batch")


def compiled(
    folder: Path,
    step: str,
    product: dict[str, Any],
    limits: Mapping[str, Sequence[float]] | None = None,
    **settings: Any,
) -> Compiled:
    """A market with demand from 04:00 to 20:00, when every product can be sold; low, high, ...

    :param step: length of the calendar's steps
    :param product: the market's only product; it opens as often as it delivers
    :param limits: further columns of the plants
    :param settings: of the market
    """
    folder.mkdir()
    every = product["duration"] if product.get("count", 1) == 1 else "4h"
    spec = market(products=[{"count": 1, "first_delivery": every} | product])
    spec |= {"opening_frequency": every, "opening_duration": every} | settings
    index = pd.date_range("2019-01-01", periods=HOURS + 1, freq="h")
    config = {
        "start_date": str(index[0]),
        "end_date": str(index[-1]),
        "time_step": step,
        "markets_config": {"EOM": spec},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({"base": config}))
    plants = pd.DataFrame(
        {
            "name": list(PLANTS),
            "unit_operator": list(PLANTS),
            "technology": "hydro",
            "fuel_type": "renewable",
            "max_power": [power for power, _ in PLANTS.values()],
            "min_power": 0,
            "efficiency": 1,
            "additional_cost": [cost for _, cost in PLANTS.values()],
            "bidding_EOM": "powerplant_energy_naive",
        }
    )
    plants.assign(**(limits or {})).to_csv(folder / "powerplant_units.csv", index=False)
    demand = {"name": "load", "technology": "demand", "unit_operator": "city", "price": 3000}
    demand |= {"max_power": 200, "min_power": 0, "bidding_EOM": "demand_energy_naive"}
    pd.DataFrame([demand]).to_csv(folder / "demand_units.csv", index=False)
    (folder / "fuel_prices_df.csv").write_text("fuel,renewable,co2\nprice,0,0\n")
    times = pd.date_range(index[0], index[-1], freq=step)
    load = np.array([0.0, LOW, HIGH, LOW, HIGH, 0.0])[times.hour // 4]
    pd.DataFrame({"datetime": times, "load": load}).to_csv(folder / "demand_df.csv", index=False)
    return compile_scenario(load_scenario(folder))


def played(scenario: Compiled, shell: str, folder: Path) -> Path:
    """The database of an episode."""
    file = folder / "results.db"
    with DatabaseSink(f"sqlite:///{file}", "toy") as sink:
        write_meta(sink, scenario)
        if shell == "batch":
            play_recorded(scenario, seed=1, policies={}, sink=sink, flush_hours=6)
        else:
            asyncio.run(World(scenario, seed=1).run_episode(0, sink=sink, flush_hours=6))
        write_kpis(sink, pay_as_bid_markets(scenario))
    return file


def totals(file: Path) -> dict[str, float]:
    """EUR that can be worked out by hand."""
    with closing(sqlite3.connect(file)) as connection:
        dispatch = pd.read_sql("select * from unit_dispatch", connection)
        times = ["start_time", "end_time"]
        orders = pd.read_sql("select * from market_orders", connection, parse_dates=times)
    money = dispatch.groupby("unit")[["revenue", "cost"]].sum()
    cost = {name: cost for name, (_, cost) in PLANTS.items()}
    gains = surplus(orders.assign(marginal_cost=orders["unit_id"].map(cost), trades=False))
    return {
        **{f"{kind} of {unit}": row[kind] for kind in money for unit, row in money.iterrows()},
        "total profit": step_figures({"state": "finished"}, file)["total_profit"],
        "consumer surplus": gains.consumer,
        "producer surplus": gains.producer,
        "deadweight loss": gains.lost,
    }


BY_HAND = {  # two blocks of high and two of low demand, four hours each; prices 60 and 10 EUR/MWh
    "revenue of base": 8 * (100 * 60 + 80 * 10),
    "revenue of peaker": 8 * 50 * 60,
    "revenue of load": -8 * (150 * 60 + 80 * 10),
    "cost of base": 8 * (100 + 80) * 10,
    "cost of peaker": 8 * 50 * 60,
    "cost of load": 0,
    "total profit": 8 * 100 * 50,
    "consumer surplus": 8 * (150 * 2940 + 80 * 2990),
    "producer surplus": 8 * 100 * 50,
    "deadweight loss": 0,
}
CUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "hourly steps": ("1h", {"duration": "1h"}),
    "steps of 15 minutes": ("15min", {"duration": "15min"}),
    "hours of four steps": ("15min", {"duration": "1h"}),
    "four products of an hour": ("1h", {"duration": "1h", "count": 4}),
    "a product of four hours": ("1h", {"duration": "4h"}),
    "a product of sixteen steps": ("15min", {"duration": "4h"}),
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("cut", CUTS)
def test_the_same_market_brings_the_same_money(tmp_path: Path, cut: str, shell: str) -> None:
    step, product = CUTS[cut]
    scenario = compiled(tmp_path / "toy", step, product)
    assert totals(played(scenario, shell, tmp_path)) == pytest.approx(BY_HAND, rel=1e-12, abs=1e-9)


# Ramps that never bind, so that the operator's trade depends on its past and is logged otherwise.
RAMPS = {"ramp_up": (1000, 1000), "ramp_down": (1000, 1000)}
COLD = {"max_power": (100, 300), "cold_start_cost": (0, 80)}
# The peaker is off from 12:00 to 16:00.
HOT = {"hot_start_cost": (0, 1), "downtime_hot_start": (0, 4), "downtime_warm_start": (0, 9)}
WARM = {"warm_start_cost": (0, 7), "downtime_hot_start": (0, 3.9), "downtime_warm_start": (0, 4)}


STARTS: dict[str, tuple[dict[str, Sequence[float]], int]] = {
    "cold": ({}, 24_000),
    "hot": (HOT, 300),
    "warm": (WARM, 2_100),
}
PAIRS = {  # of any two of these, every pair of values
    ("cold", "1h", "no ramps", "message"),
    ("cold", "15min", "ramps", "batch"),
    ("hot", "1h", "ramps", "batch"),
    ("hot", "15min", "no ramps", "message"),
    ("warm", "1h", "no ramps", "batch"),
    ("warm", "15min", "ramps", "message"),
}


@pytest.mark.parametrize(
    ("kind", "step", "ramps", "shell"),
    [
        pytest.param(*each, marks=() if each in PAIRS else pytest.mark.slow)
        for each in product(STARTS, ["1h", "15min"], ["no ramps", "ramps"], SHELLS)
    ],
)
def test_a_start_costs_by_the_real_downtime(
    tmp_path: Path, kind: str, step: str, ramps: str, shell: str
) -> None:
    limits, second = STARTS[kind]
    more = RAMPS if ramps == "ramps" else {}
    scenario = compiled(tmp_path / "toy", step, {"duration": step}, {**COLD, **limits, **more})
    file = played(scenario, shell, tmp_path)
    with closing(sqlite3.connect(file)) as connection:
        query = "select time, unit, downtime, kind, start_cost from start_costs order by time"
        starts = connection.execute(query).fetchall()
    day = "2019-01-01 {}:00:00.000000"
    assert starts == [
        (day.format("04"), "base", None, "cold", 0),
        (day.format("08"), "peaker", None, "cold", 24_000),
        (day.format("16"), "peaker", 4, kind, second),
    ]
    profit = step_figures({"state": "finished"}, file)["total_profit"]
    assert profit == pytest.approx(BY_HAND["total profit"] - 24_000 - second)


@pytest.mark.parametrize("shell", ["batch", pytest.param("message", marks=pytest.mark.slow)])
@pytest.mark.parametrize("cut", CUTS)
def test_money_balances_up_to_the_surplus_of_pay_as_bid(
    tmp_path: Path, cut: str, shell: str
) -> None:
    step, product = CUTS[cut]
    rules = {"uniform": "pay_as_clear", "as bid": "pay_as_bid"}
    balances, surpluses = {}, {}
    for name, rule in rules.items():
        folder = tmp_path / name
        scenario = compiled(folder, step, product, market_mechanism=rule)
        file = played(scenario, shell, folder)
        with closing(sqlite3.connect(file)) as connection:
            balances[name] = connection.execute("select sum(revenue) from unit_dispatch").fetchone()
        surpluses[name] = step_figures({"state": "finished"}, file).get("pay_as_bid_surplus[EOM]")
    # In eight hours of high demand 100 of 150 MW are paid 10 and cost the demand 60 EUR/MWh.
    assert surpluses == {"uniform": None, "as bid": pytest.approx(8 * 100 * 50)}
    assert balances["uniform"] == pytest.approx((0,), abs=1e-9)
    assert balances["as bid"] == pytest.approx((-8 * 100 * 50,))
