"""Prices at and below zero, from bids to the report, and learners in them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from trained_runs import SCENARIOS, table

from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.run import run
from assume_rl.experiments.train import train
from assume_rl.reports.report import report_sections
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.types import Chart
from assume_rl.results.gather import step_figures
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

ENGINES = ("agents", "batch")
FOLDER = SCENARIOS / "summer_week"
FEW = {
    "end_date": "2019-07-02 00:00",
    "learning_config.training_episodes": 2,
    "learning_config.episodes_collecting_initial_experience": 1,
    "learning_config.validation_episodes_interval": 1,
    "learning_config.train_freq": "6h",
    "learning_config.gradient_steps": 2,
    "learning_config.batch_size": 8,
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the same week by engine."""
    out = tmp_path_factory.mktemp("runs")
    for engine in ENGINES:
        run(load_scenario(FOLDER), engine=engine, out=out / engine)
    return {engine: out / engine for engine in ENGINES}


def prices(folder: Path) -> "pd.Series[float]":
    return table(folder, "market_meta").set_index("product_start")["price"].sort_index()


def test_prices_are_alike_and_fall_to_zero_and_below(ran: dict[str, Path]) -> None:
    ours, theirs = (prices(folder) for folder in ran.values())
    pd.testing.assert_series_equal(ours, theirs, rtol=0, atol=1e-9)
    assert (ours == -25).sum() > 5
    assert (ours == 0).sum() > 1
    assert (ours > 30).any()


@pytest.mark.parametrize("engine", ENGINES)
def test_money_of_sales_below_zero_balances(ran: dict[str, Path], engine: str) -> None:
    """Who sells pays, who buys, the storages among them, is paid."""
    rows = table(ran[engine], "unit_dispatch").set_index("time")
    price = prices(ran[engine])
    rows["price"] = price.reindex(rows.index)
    below = rows[(rows["price"] < 0) & (rows["power"] != 0)]
    assert (np.sign(below["revenue"]) == -np.sign(below["power"])).all()
    assert {"pump", "battery", "fields", "demand"} <= set(below["unit"])
    assert rows["revenue"].sum() == pytest.approx(0, abs=1e-6)
    solar = rows[rows["unit"] == "fields"]
    assert solar["cost"].sum() == pytest.approx(-25 * solar["power"].sum())
    kpis = table(ran[engine], "kpis").set_index("variable")["value"]
    assert kpis["avg_price"] == pytest.approx(price.mean())
    sellers = rows[rows["unit"] != "demand"]
    starts = table(ran[engine], "start_costs")["start_cost"].sum()
    expected = (sellers["revenue"] - sellers["cost"]).sum() - starts
    figures = step_figures({"state": "finished"}, ran[engine] / "results.db")
    assert figures["total_profit"] == pytest.approx(expected)


def test_the_report_shows_them(ran: dict[str, Path]) -> None:
    sections = report_sections(open_source(ran["batch"]))
    charts = {item.name: item for s in sections for item in s.items if isinstance(item, Chart)}
    (line,) = charts["price-duration"].figure.data
    assert min(line.y) == pytest.approx(-25)
    assert (np.array(line.y) == 0).any()


@pytest.mark.parametrize("engine", [pytest.param("agents", marks=pytest.mark.slow), "batch"])
@pytest.mark.parametrize("case", ["solar_learns", "storage_learns"])
def test_learners_train_in_them_and_their_policies_are_read_again(
    tmp_path: Path, case: str, engine: str
) -> None:
    half_a_day = {"end_date": "2019-07-01 12:00"}  # the best trades of storages take long to find
    scenario = load_scenario(FOLDER, case, overrides=FEW | half_a_day)
    result = train(scenario, engine=engine, out=tmp_path / "out")
    again = evaluate(scenario, policies=result.folder, engine=engine, out=tmp_path / "again")
    assert again.evaluation.reward == pytest.approx(result.last.reward, abs=1e-6)
    rows = table(tmp_path / "again", "rl_params")
    assert np.isfinite(rows["reward"]).all()
    unknown = again.evaluation.unknown
    assert unknown is None if case == "solar_learns" else "no power plant" in str(unknown)


@pytest.mark.parametrize("engine", [pytest.param("agents", marks=pytest.mark.slow), "batch"])
def test_a_renewable_offers_below_zero(tmp_path: Path, engine: str) -> None:
    """All 24 products of a day have their own price."""
    day = {
        "end_date": "2019-07-03 00:00",
        "markets_config.EOM.products.0.count": 24,
        "markets_config.EOM.opening_frequency": "24h",
        "learning_config.train_freq": "24h",
        "storage_units": None,
    }
    scenario = load_scenario(FOLDER, "solar_learns", overrides={**FEW, **day})
    result = train(scenario, engine=engine, out=tmp_path / "out")
    again = evaluate(scenario, policies=result.folder, engine=engine, out=tmp_path / "again")
    own = table(tmp_path / "again", "market_orders").query("unit_id == 'fields'")
    assert own["price"].nunique() > 12
    assert (own["price"] < 0).any()
    (response,) = again.evaluation.responses
    assert response.kind == "exact"
    assert response.best_profit > response.profit
