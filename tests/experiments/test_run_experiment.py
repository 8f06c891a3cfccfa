"""Runs and evaluations on finished policies."""

import gc
import json
import sqlite3
from dataclasses import replace

import pytest

from assume_rl import ConfigurationError, PolicyError, ResultsError, evaluate, run
from assume_rl.experiments.case import draw_seed
from assume_rl.learning.learner import Learner
from assume_rl.learning.replay_buffer import ReplayBuffer


def read(folder, query):
    with sqlite3.connect(folder / "results.db") as database:
        return database.execute(query).fetchall()


@pytest.fixture(scope="session")
def ran(trained, tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("ran") / "run"
    return run(tiny, policies=trained.folder / "policies" / "last", out=out)


def test_a_run_repeats_the_final_run_of_the_training(ran, trained):
    orders = "select start_time, bid_id, price, volume from market_orders order by 1, 2"

    assert read(ran.folder, orders) == read(trained.folder, orders)


def test_a_run_writes_all_tables(ran):
    for table in (
        "market_meta",
        "market_orders",
        "market_dispatch",
        "unit_dispatch",
        "power_plant_meta",
        "demand_meta",
        "kpis",
    ):
        ((count,),) = read(ran.folder, f"select count(*) from {table}")
        assert count > 0, table


def test_a_run_never_trains(ran, tiny):
    assert tiny.learning.learning_mode
    assert read(ran.folder, "select count(*) from rl_grad_params") == [(0,)]
    assert not (ran.folder / "policies").exists()


def test_a_run_holds_no_learner_in_memory(trained, tiny, tmp_path, monkeypatch):
    gc.collect()

    def refuse(*_, **__):
        raise AssertionError("a run creates no learner and no replay")

    monkeypatch.setattr(Learner, "__init__", refuse)
    monkeypatch.setattr(ReplayBuffer, "__init__", refuse)

    run(tiny, policies=trained.folder, out=tmp_path / "run")


def test_kpis_are_returned_as_they_are_stored(ran):
    stored = read(ran.folder, "select variable, ident, value from kpis")

    assert {name for name, _, _ in ran.kpis} >= {"avg_price", "total_cost", "total_volume"}
    assert sorted(stored) == sorted(ran.kpis)


def test_learners_without_a_policy_stop_a_run_with_one_sentence(tiny, tmp_path):
    with pytest.raises(ConfigurationError, match="--policies") as stopped:
        run(tiny, out=tmp_path / "run")

    assert "\n" not in str(stopped.value)
    assert not (tmp_path / "run").exists()


def test_a_missing_policy_folder_is_one_sentence(tiny, tmp_path):
    with pytest.raises(PolicyError, match="does not exist"):
        run(tiny, policies=tmp_path / "nowhere", out=tmp_path / "run")


def test_another_run_is_not_overwritten_by_accident(trained, tiny, tmp_path):
    folder = tmp_path / "run"
    run(tiny, policies=trained.folder, out=folder)
    before = (folder / "manifest.json").read_bytes()

    with pytest.raises(ResultsError, match="--overwrite"):
        run(tiny, policies=trained.folder, out=folder)
    assert (folder / "manifest.json").read_bytes() == before

    run(tiny, policies=trained.folder, out=folder, overwrite=True, seed=5)
    assert json.loads((folder / "manifest.json").read_text())["seed"] == 5


def test_a_database_and_csv_files_elsewhere(trained, tiny, tmp_path):
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"

    run(tiny, policies=trained.folder, out=tmp_path / "run", db=url, csv=tmp_path / "csv")

    assert (tmp_path / "elsewhere.db").is_file()
    assert not (tmp_path / "run" / "results.db").exists()
    assert (tmp_path / "csv" / "market_meta.csv").is_file()


def test_a_null_seed_is_drawn_and_a_given_one_wins(tiny):
    unseeded = replace(tiny, config=tiny.config.model_copy(update={"seed": None}))

    assert draw_seed(tiny, 3) == 3
    assert draw_seed(tiny, None) == tiny.config.seed
    assert isinstance(draw_seed(unseeded, None), int)


def test_an_evaluation_measures_against_the_exact_best_response(trained, tiny, tmp_path):
    found = evaluate(tiny, policies=trained.folder, out=tmp_path / "evaluation").evaluation

    assert found.reward == pytest.approx(trained.last.reward, abs=1e-12)
    assert found.reward <= found.best_reward + 1e-9
    assert found.truthful_reward <= found.best_reward + 1e-9
    assert found.share == pytest.approx(found.reward / found.best_reward)
    assert found.prices[0].minimum <= found.prices[0].mean <= found.prices[0].maximum
