"""Experiments on PostgreSQL leave what they leave in SQLite."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.train import train
from assume_rl.results.metrics import compute_kpis
from assume_rl.results.owner import TakenError
from assume_rl.results.sinks import DatabaseSink
from assume_rl.results.tables import table_of
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

SCENARIO = Path(__file__).parents[2] / "scenarios" / "single_learner"
FEW = {
    "end_date": "2019-03-05 00:00",
    "learning_config.training_episodes": 2,
    "learning_config.validation_episodes_interval": 1,
    "learning_config.gradient_steps": 2,
}


def lines(file: Path) -> list[str]:
    """Rows in one certain order; those of `runs` without times. SQLite knows no negative zero."""
    rows = file.read_text().replace(",-0.0,", ",0.0,").splitlines()
    return sorted(row.split(",", 2)[-1] if file.stem == "runs" else row for row in rows)


def test_a_training_and_an_evaluation_share_a_server(postgres_url: str, tmp_path: Path) -> None:
    scenario = load_scenario(SCENARIO, "tiny", overrides=FEW)
    for out, db in (("sqlite", None), ("postgres", postgres_url)):
        folder = tmp_path / out
        train(scenario, out=folder / "train", db=db, csv=folder / "csv")
        policies = folder / "train"
        evaluate(scenario, policies=policies, out=folder / "e", db=db, csv=folder / "csv_e")

    for name in ("csv", "csv_e"):
        files = sorted(path.name for path in (tmp_path / "sqlite" / name).iterdir())
        assert {"runs.csv", "unit_dispatch.csv", "rl_params.csv", "kpis.csv"} <= set(files)
        for file in files:
            own, other = (tmp_path / place / name / file for place in ("sqlite", "postgres"))
            if file == "kpis.csv":  # sums, which the databases add up in their own order
                both = [pd.read_csv(path).sort_values("variable") for path in (own, other)]
                pd.testing.assert_frame_equal(*both, rtol=1e-12)
            else:
                assert lines(own) == lines(other), file


def test_what_demand_pays_above_revenue_is_in_euro(url: str) -> None:
    """A quarter of an hour of 100 MW, half of it paid 10 EUR/MWh, and an order that was refused."""
    start = np.datetime64("2030-01-01T23:45")
    orders = {"accepted_volume": [50.0, 50.0, -100.0, 0.0], "accepted_price": [10.0, 60, 60, 35]}
    times = {"start_time": [start] * 4, "end_time": [start + np.timedelta64(15, "m")] * 4}
    with DatabaseSink(url, "run") as sink:
        for market in ("EOM", "uniform"):
            sink.write("market_orders", {"market_id": [market] * 4, **times, **orders})
        assert compute_kpis(sink, ["EOM"]) == [("pay_as_bid_surplus", "EOM", 625.0)]
        assert compute_kpis(sink) == []


def test_a_plant_without_capacity_has_no_capacity_factor(url: str) -> None:
    with DatabaseSink(url, "run") as sink:
        sink.write("power_plant_meta", {"index": ["none", "some"], "max_power": [0.0, 8.0]})
        sold = {"unit_id": ["none", "some"], "market_id": ["EOM", "EOM"], "power": [0.0, 2.0]}
        sink.write("market_dispatch", sold)
        assert compute_kpis(sink) == [("capacity_factor", "EOM", 0.25)]


def test_runs_of_one_database_replace_their_own_rows_only(postgres_url: str) -> None:
    dispatch = table_of("unit_dispatch")
    for power, simulation in enumerate("aba"):
        with DatabaseSink(postgres_url, simulation) as sink:
            sink.write("unit_dispatch", {"unit": ["u"], "power": [float(power)]})
            found = sink.read(sa.select(dispatch.c.simulation, dispatch.c.power))
    assert sorted(found) == [("a", 2.0), ("b", 1.0)]


def test_a_simulation_has_one_writer_whom_the_next_one_is_told(postgres_url: str) -> None:
    with DatabaseSink(postgres_url, "run"):
        who = rf"run 'run' of database .* by another process: process {os.getpid()} on host"
        with pytest.raises(TakenError, match=who) as caught:
            DatabaseSink(postgres_url, "run")
        assert str(sa.make_url(postgres_url).password) not in str(caught.value)
        DatabaseSink(postgres_url, "other").close()
    DatabaseSink(postgres_url, "run").close()
