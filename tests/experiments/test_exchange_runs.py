"""Exchanges as a user meets them: validated, run on both engines, written and reported."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from trained_runs import table

from assume_rl.experiments.run import run
from assume_rl.results.gather import step_figures
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

Command = Callable[..., tuple[int, str, str]]

SCENARIO = Path(__file__).resolve().parents[2] / "scenarios" / "single_learner"
UNITS = (
    "name,bidding_EOM,price_import,price_export,unit_operator\nborder,naive_exchange,15,90,Grid\n"
)
RULES = {
    "units.learner.bidding_EOM": "powerplant_energy_naive",
    "learning_config.learning_mode": False,
}


@pytest.fixture(scope="module")
def bordered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario of our own, with a border."""
    folder = tmp_path_factory.mktemp("scenario") / "bordered"
    shutil.copytree(SCENARIO, folder)
    (folder / "exchange_units.csv").write_text(UNITS)
    times = pd.read_csv(folder / "demand_df.csv").iloc[:, 0]
    hour = np.arange(len(times))
    flows = {"border_import": 30 + 30 * np.sin(hour), "border_export": 40 * np.cos(hour / 3)}
    pd.DataFrame({"datetime": times, **flows}).to_csv(folder / "exchanges_df.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def ran(bordered: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the same run by engine."""
    scenario = load_scenario(bordered, "tiny", overrides=RULES)
    out = tmp_path_factory.mktemp("runs")
    for engine in ("agents", "batch"):
        run(scenario, engine=engine, out=out / engine)
    return {engine: out / engine for engine in ("agents", "batch")}


def test_it_is_counted_and_described(bordered: Path, assume_rl_command: Command) -> None:
    code, out, _ = assume_rl_command("validate", bordered)
    assert code == 0
    assert "1 exchange;" in out


def test_both_engines_write_the_same(ran: dict[str, Path]) -> None:
    for name, keys in (
        ("unit_dispatch", ["time", "unit"]),
        ("market_orders", ["start_time", "bid_id"]),
    ):
        a, b = (
            table(folder, name).sort_values(keys).reset_index(drop=True) for folder in ran.values()
        )
        pd.testing.assert_frame_equal(a, b[list(a)], rtol=0, atol=1e-9)
    meta = table(ran["batch"], "exchange_meta").iloc[0]
    assert (meta["index"], meta["technology"], meta["unit_operator"]) == (
        "border",
        "exchange",
        "Grid",
    )
    assert (meta["price_import"], meta["price_export"]) == (15, 90)


def test_what_it_trades_is_delivered_and_paid(ran: dict[str, Path]) -> None:
    orders = table(ran["batch"], "market_orders")
    own = orders[orders["unit_id"] == "border"]
    assert (own["volume"] > 0).any()
    assert (own["volume"] < 0).any()
    money = (own["accepted_price"] * own["accepted_volume"]).groupby(own["start_time"]).sum()
    rows = table(ran["batch"], "unit_dispatch").set_index("time")
    rows = rows[rows["unit"] == "border"].loc[money.index]
    sold = own.groupby("start_time")["accepted_volume"].sum()
    np.testing.assert_allclose(rows["power"], sold, rtol=0, atol=1e-9)
    np.testing.assert_allclose(rows["revenue"], money, rtol=0, atol=1e-9)
    assert not rows["cost"].any()


def test_profits_and_the_report_know_it(ran: dict[str, Path], assume_rl_command: Command) -> None:
    rows = table(ran["batch"], "unit_dispatch")
    sellers = rows[rows["unit"] != "demand"]
    starts = table(ran["batch"], "start_costs")["start_cost"].sum()
    expected = (sellers["revenue"] - sellers["cost"]).sum() - starts
    figures = step_figures({"state": "finished"}, ran["batch"] / "results.db")
    assert figures["total_profit"] == pytest.approx(expected)
    assert assume_rl_command("report", ran["batch"])[0] == 0
    page = (ran["batch"] / "report.html").read_text()
    assert '"border"' in page
    assert "units that buy and sell, sales less purchases" in page
