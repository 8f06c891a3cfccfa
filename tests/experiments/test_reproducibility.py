"""The same seed gives the same results, whatever has nothing to do with it."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from trained_runs import SCENARIOS, Trained, bids, table, tiny

from assume_rl.experiments.run import run
from assume_rl.experiments.train import train
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked


def final_hash(folder: Path) -> str:
    recorded = str(table(folder, "runs")["final_hash"].item())
    assert json.loads((folder / "manifest.json").read_text())["final_hash"] == recorded
    return recorded


def test_training_again_gives_the_same_hash_and_another_seed_another(
    single: Trained, tmp_path: Path
) -> None:
    train(single.scenario, out=tmp_path / "again")
    train(single.scenario, out=tmp_path / "other", seed=43)
    assert final_hash(tmp_path / "again") == final_hash(single.folder)
    assert final_hash(tmp_path / "other") != final_hash(single.folder)
    weights = [folder / "policies" / "last" for folder in (single.folder, tmp_path / "again")]
    first, second = (next(f.glob("*learner*.safetensors")).read_bytes() for f in weights)
    assert first == second


def test_running_again_gives_the_same_hash(ten: Trained, tmp_path: Path) -> None:
    for name in "ab":
        run(ten.scenario, policies=ten.last, out=tmp_path / name)
    assert final_hash(tmp_path / "a") == final_hash(tmp_path / "b")


def test_the_order_of_units_and_operators_in_the_tables_does_not_matter(tmp_path: Path) -> None:
    """Two plants tie on purpose: who wins the tie depends on its name, not on its place."""
    folder = tmp_path / "turned"
    shutil.copytree(SCENARIOS / "single_learner", folder)
    plants = pd.read_csv(folder / "powerplant_units.csv")
    plants["bidding_EOM"] = "powerplant_energy_naive"
    twin = plants[plants["name"] == "coal_new"].assign(name="coal_twin", unit_operator="twin power")
    plants = pd.concat([plants, twin])
    settings = {"end_date": "2019-03-05 00:00"}  # they tie in some hours of a day
    books = []
    for step in (1, -1):
        plants[::step].to_csv(folder / "powerplant_units.csv", index=False)
        run(load_scenario(folder, "tiny", overrides=settings), out=tmp_path / f"run{step}")
        orders = table(tmp_path / f"run{step}", "market_orders")
        books.append(orders.set_index(["start_time", "bid_id"]).sort_index())
    assert books[0]["accepted_volume"].equals(books[1]["accepted_volume"])
    assert books[0]["accepted_price"].equals(books[1]["accepted_price"])
    sold = books[0].groupby("unit_id")["accepted_volume"].sum()
    assert sold["coal_new"] != sold["coal_twin"]  # they did tie


def test_another_seed_of_a_run_without_ties_changes_no_bid(ten: Trained, tmp_path: Path) -> None:
    run(ten.scenario, policies=ten.last, out=tmp_path / "other", seed=7)
    assert bids(tmp_path / "other").equals(bids(ten.folder))
    assert table(tmp_path / "other", "runs")["seed"].item() == 7


def test_a_case_without_a_seed_draws_one_and_records_it(tmp_path: Path) -> None:
    case = tiny("single_learner", seed=None)
    result = train(case, out=tmp_path / "drawn")
    drawn = int(table(result.folder, "runs")["seed"].item())
    assert json.loads((result.folder / "manifest.json").read_text())["seed"] == drawn
