"""The same market in steps of an hour and of a quarter of an hour, on both shells."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hourly_market import SETTINGS
from policies import fresh_policies
from torch import Tensor
from toy_scenarios import market

from assume_rl.agents.world import World
from assume_rl.envs.record import play_recorded
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.train import train
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.testing import assert_same_episode
from assume_rl.testing.episodes import Frames

pytestmark = pytest.mark.unchecked

SHELLS = ("agents", "batch")
HOURS = 24
RULE = "storage_energy_heuristic_flexable"
PLANTS = pd.DataFrame(
    {
        "name": ["wind", "base", "coal", "peaker"],
        "unit_operator": ["O1", "O1", "O2", "O3"],
        "technology": ["wind", "lignite", "hard coal", "gas"],
        "max_power": [120, 100, 100, 400],
        "min_power": [0, 20, 10, 0],
        "additional_cost": [-5.0, 20.0, 45.0, 80.0],
        "cold_start_cost": [0, 5, 7, 1],
        "hot_start_cost": [0, 1, 2, 1],
        "downtime_hot_start": [0, 3, 5, 2],
        "bidding_EOM": "powerplant_energy_naive",
    }
)
# Bound by its power and, towards the end of a night or an evening, by its content.
STORAGE = {
    "name": "pump",
    "unit_operator": "O4",
    "technology": "PSPP",
    "capacity": 200,
    "max_power_charge": 60,
    "max_power_discharge": 70,
    "initial_soc": 0.45,
    "efficiency_charge": 0.9,
    "efficiency_discharge": 0.9,
    "additional_cost_charge": 0.3,
    "additional_cost_discharge": 0.4,
    "bidding_EOM": RULE,
}


def write(folder: Path, step: str, product: str, data: str = "1h", **settings: Any) -> Path:
    """A day of a market, in which demand and wind are constant over every hour.

    :param step: of the calendar
    :param product: length of what is sold, an auction each
    :param data: step of the series; finer ones vary around the mean of their hour
    :param settings: columns of all plants
    """
    folder.mkdir()
    sold = [{"duration": product, "count": 1, "first_delivery": product}]
    spec = market(products=sold, opening_frequency=product, opening_duration=product)
    # However long products are, the hour from 01:00 is the first that is sold.
    spec["start_date"] = "2019-01-01 00:00" if product == "1h" else "2019-01-01 00:45"
    config = {
        "start_date": "2019-01-01 00:00",
        "end_date": "2019-01-02 00:00",
        "time_step": step,
        "seed": 1,
        "markets_config": {"EOM": spec},
        "learning_config": SETTINGS["learning_config"] | {"batch_size": 8},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({"base": config}))
    PLANTS.assign(**settings).to_csv(folder / "powerplant_units.csv", index=False)
    pd.DataFrame([STORAGE]).to_csv(folder / "storage_units.csv", index=False)
    demand = {"name": "load", "unit_operator": "OD", "technology": "demand", "max_power": 1000}
    demand |= {"min_power": 0, "bidding_EOM": "demand_energy_naive"}
    pd.DataFrame([demand]).to_csv(folder / "demand_units.csv", index=False)
    index = pd.date_range("2019-01-01", "2019-01-02 00:45", freq=data)
    hour = (index - index[0]) // pd.Timedelta("1h")
    within = (index - index[0]) % pd.Timedelta("1h") / pd.Timedelta("1h")
    turn = (within - within.to_numpy().reshape(HOURS + 1, -1).mean()).to_numpy()
    load = 180 + 130 * np.sin(hour / 3.7) + 20 * turn
    wind = 0.5 + 0.4 * np.sin(hour / 2.1 + 1) + 0.1 * turn
    for name, column, values in (("demand", "load", load), ("availability", "wind", wind)):
        table = pd.DataFrame({"datetime": index, column: values})
        table.to_csv(folder / f"{name}_df.csv", index=False)
    return folder


def case(folder: Path, step: str, product: str, data: str = "1h", **overrides: Any) -> Compiled:
    write(folder, step, product, data)
    return compile_scenario(load_scenario(folder, overrides=overrides))


class Scripted:
    """A policy that takes an action per hour, whatever it sees."""

    dtype = torch.float64

    def __init__(self, auctions_per_hour: int) -> None:
        self.calls, self.auctions_per_hour = 0, auctions_per_hour

    def __call__(self, obs: Tensor) -> Tensor:
        hour = self.calls // self.auctions_per_hour
        self.calls += 1
        # Buys at up to 70 EUR/MWh for ten hours, then sells at 30 or more.
        return obs.new_full((*obs.shape[:-1], 1), -0.7 if hour < 10 else 0.3)


def played(compiled: Compiled, shell: str, auctions_per_hour: int = 1) -> Frames:
    sink, policies = Frames(), {"pump": Scripted(auctions_per_hour)}
    if shell == "batch":
        play_recorded(compiled, seed=1, policies=policies, sink=sink)
    else:
        asyncio.run(World(compiled, seed=1, policies=policies).run_episode(0, sink=sink))
    return sink


def prices(sink: Frames) -> "pd.Series[float]":
    """EUR/MWh by hour of delivery."""
    rows = sink.table("market_meta")
    return rows.groupby(rows["product_start"].dt.floor("h"))["price"].mean()


def money(sink: Frames) -> pd.DataFrame:
    """EUR of each unit, up to the last hour that is sold."""
    rows = sink.table("unit_dispatch")
    starts = sink.table("start_costs").groupby("unit")["start_cost"].sum()
    sums = rows.groupby("unit")[["revenue", "cost"]].sum()
    return sums.assign(starts=starts).fillna(0.0)


def energy(sink: Frames, step_hours: float) -> "pd.Series[float]":
    """MWh of each unit in each hour."""
    rows = sink.table("unit_dispatch")
    return rows.groupby(["unit", rows["time"].dt.floor("h")])["power"].sum() * step_hours


LEARNED = {"units.pump.bidding_EOM": "storage_energy_learning"}


def in_steps_of_a_quarter(folder: Path, product: str, **overrides: Any) -> Compiled:
    """The hourly market in quarters; series are constant over each hour, as the hourly one's."""
    write(folder, "15min", product, "15min")
    for name in ("demand", "availability"):
        file = folder / f"{name}_df.csv"
        table = pd.read_csv(file, index_col=0, parse_dates=True)
        table.groupby(table.index.floor("h")).transform("mean").to_csv(file)
    return compile_scenario(load_scenario(folder, overrides={**LEARNED, **overrides}))


@pytest.mark.parametrize(
    ("product", "capacity", "data", "shell"),
    [
        ("1h", 200, "1h", "agents"),
        ("1h", 200, "15min", "batch"),
        ("15min", 10_000, "1h", "batch"),
        ("15min", 10_000, "15min", "agents"),
        pytest.param("1h", 200, "1h", "batch", marks=pytest.mark.slow),
        pytest.param("1h", 200, "15min", "agents", marks=pytest.mark.slow),
        pytest.param("15min", 10_000, "1h", "agents", marks=pytest.mark.slow),
        pytest.param("15min", 10_000, "15min", "batch", marks=pytest.mark.slow),
    ],
)
def test_the_same_market_gives_the_same_money_and_prices(
    tmp_path: Path, shell: str, data: str, product: str, capacity: float
) -> None:
    """Finer data is averaged. What a storage offers for an hour it can keep up for an hour.

    In quarters of an hour it may use its last content faster: there it has enough.
    """
    size = {"units.pump.capacity": capacity}
    hourly = played(case(tmp_path / "hours", "1h", "1h", data, **LEARNED, **size), shell)
    quarters = in_steps_of_a_quarter(tmp_path / "quarters", product, **size)
    fine = played(quarters, shell, 4 if product == "15min" else 1)
    pd.testing.assert_series_equal(prices(hourly), prices(fine), atol=1e-9)
    a, b = energy(hourly, 1.0), energy(fine, 0.25)
    pd.testing.assert_series_equal(a, b[a.index], atol=1e-9)
    pd.testing.assert_frame_equal(money(hourly), money(fine), atol=1e-6)
    pump = a["pump"]
    assert pump.min() == pytest.approx(-60)
    if capacity == 200:
        assert 0 < pump[pump > 0].min() < 70  # the rest of its content


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("bidder", [RULE, "storage_energy_learning"])
def test_what_a_storage_sells_for_an_hour_is_delivered(
    tmp_path: Path, shell: str, bidder: str
) -> None:
    chosen = {"units.pump.bidding_EOM": bidder}
    sink = played(case(tmp_path / "toy", "15min", "1h", "15min", **chosen), shell)
    orders = sink.table("market_orders").query("unit_id == 'pump'")
    sold = orders.set_index("start_time")["accepted_volume"]
    delivered = energy(sink, 0.25)["pump"]
    assert sold.abs().max() > 0
    np.testing.assert_allclose(delivered[sold.index], sold, atol=1e-9)


@pytest.mark.parametrize("product", ["15min", "1h"])
def test_learners_give_the_same_on_both_shells(tmp_path: Path, product: str) -> None:
    plants = {
        "units.coal.bidding_EOM": "powerplant_energy_learning",
        "units.wind.bidding_EOM": "renewable_energy_learning_single_bid",
        "units.pump.bidding_EOM": "storage_energy_learning",
    }
    compiled = case(tmp_path / "toy", "15min", product, "15min", **plants)
    assert_same_episode(compiled, fresh_policies(compiled))


@pytest.mark.slow
@pytest.mark.parametrize("engine", SHELLS)
def test_a_storage_trains_and_its_policy_is_read_again(
    tmp_path: Path, engine: str, assume_rl_command: Callable[..., tuple[int, str, str]]
) -> None:
    folder = write(tmp_path / "toy", "15min", "1h", "15min")
    scenario = load_scenario(
        folder, overrides={"units.pump.bidding_EOM": "storage_energy_learning"}
    )
    result = train(scenario, engine=engine, out=tmp_path / "out")
    again = evaluate(scenario, policies=result.folder, engine=engine, out=tmp_path / "again")
    assert again.evaluation.reward == pytest.approx(result.last.reward, abs=1e-6)
    assert assume_rl_command("report", result.folder)[0] == 0


@pytest.mark.parametrize("shell", [pytest.param("agents", marks=pytest.mark.slow), "batch"])
def test_minimum_times_are_steps(tmp_path: Path, shell: str) -> None:
    """A plant that must run for 24 steps of a quarter of an hour runs for six hours."""
    first_runs = []
    for steps in (1, 24):
        times = {"ramp_up": 1000.0, "ramp_down": 1000.0, "min_operating_time": steps}
        folder = write(tmp_path / f"{steps}", "15min", "15min", "15min", min_power=5, **times)
        rows = played(compile_scenario(load_scenario(folder)), shell).table("unit_dispatch")
        power = rows[rows["unit"] == "peaker"].sort_values("time")["power"].to_numpy()
        switched = np.flatnonzero(np.diff((power > 0).astype(int)))
        first_runs.append(switched[1] - switched[0])
    assert first_runs[0] < 24
    assert first_runs[1] >= 24


def test_series_coarser_than_a_step_are_refused(
    tmp_path: Path, assume_rl_command: Callable[..., tuple[int, str, str]]
) -> None:
    folder = write(tmp_path / "toy", "15min", "15min", "1h")
    code, _, err = assume_rl_command("validate", folder)
    assert code == 2
    assert "demand_df.csv: has a row every 1h, which is too coarse for time_step 15min" in err
