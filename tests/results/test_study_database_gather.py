"""What is found in the folder of a run."""

import hashlib
import json
import math
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from study_folders import run_folder, write_json, write_record, write_step

from assume_rl.errors import ResultsError
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.train import train
from assume_rl.results.database import create_engine
from assume_rl.results.gather import Gathered, gather
from assume_rl.results.sinks import DatabaseSink
from assume_rl.results.study_database import StudyDatabase, read, tidy
from assume_rl.results.unit_tables import declare_units, withdraw_units
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

SCENARIO = Path(__file__).parents[2] / "scenarios" / "single_learner"
FEW = {
    "end_date": "2019-03-05 00:00",
    "learning_config.training_episodes": 2,
    "learning_config.validation_episodes_interval": 1,
    "learning_config.gradient_steps": 2,
}


def metrics(gathered: Gathered, step: str) -> dict[str, float]:
    return {name: value for _, where, name, value in gathered.metrics if where == step}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training and an evaluation of its policies, as a study would do them."""
    folder = tmp_path_factory.mktemp("real") / "runs" / "r"
    scenario = load_scenario(SCENARIO, "tiny", overrides=FEW)
    train(scenario, out=folder / "train")
    evaluate(scenario, policies=folder / "train", out=folder / "winter")
    write_record(folder, steps=("train", "winter"))
    return folder


def manifest(real: Path, step: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((real / step / "manifest.json").read_text())
    return content


def test_metrics_are_those_of_the_manifests(real: Path) -> None:
    gathered, written = gather(real), manifest(real, "train")

    found = metrics(gathered, "train")

    assert {name: found[name] for name in written["evaluation"]} == written["evaluation"]
    for policies in ("best_reward", "last"):
        for name, value in written["scores"][policies].items():
            assert found[f"{policies}.{name}"] == value
    assert metrics(gathered, "winter")["reward"] == manifest(real, "winter")["evaluation"]["reward"]


def test_metrics_are_those_of_the_tables(real: Path) -> None:
    found = metrics(gather(real), "winter")

    with closing(sqlite3.connect(real / "winter" / "results.db")) as connection:
        prices = pd.read_sql("select price from market_meta", connection)
        rows = pd.read_sql("select * from unit_dispatch where unit <> 'demand'", connection)

    assert found["avg_price[EOM]"] == pytest.approx(prices["price"].mean())
    profit = (rows["revenue"] - rows["cost"]).sum()
    assert found["total_profit"] == pytest.approx(profit)


def test_learning_curves_are_the_lines_of_the_training(real: Path) -> None:
    lines = [json.loads(x) for x in (real / "train" / "metrics.jsonl").read_text().splitlines()]
    names = ("episode", "evaluation", "reward", "profit", "regret", "exploitability", "movement")
    expected = [("r", "train", *(line.get(name) for name in names)) for line in lines]
    assert gather(real).episodes == tuple(expected)
    assert len(expected) > 2


def test_the_final_hash_is_one_over_the_steps(real: Path) -> None:
    both = "".join(f"{manifest(real, step)['final_hash']}\n" for step in ("train", "winter"))
    assert gather(real).run["final_hash"] == hashlib.sha256(both.encode()).hexdigest()


def test_a_real_run_has_all_its_rows_in_the_study(real: Path, url: str) -> None:
    with StudyDatabase(url) as database:
        database.collect(gather(real))

    for step in ("train", "winter"):
        with closing(sqlite3.connect(real / step / "results.db")) as connection:
            for table in ("market_orders", "rl_params", "rl_grad_params", "marginal_costs"):
                ((count,),) = connection.execute(f"select count(*) from {table}")
                found = read(url, table)
                assert (found["step"] == step).sum() == count, (step, table)
    assert tidy(url)["winter.reward"].tolist() == [manifest(real, "winter")["evaluation"]["reward"]]


def test_half_a_step_gives_rows_and_no_metrics(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, state="failed", error="killed", steps=("run", "next", "last"))
    write_step(folder, "next", state="failed", evaluation={"reward": 1.0})

    gathered = gather(folder)

    assert {row[1] for row in gathered.metrics} == {"run"}
    assert list(gathered.databases) == ["run", "next"]
    assert gathered.run["final_hash"] is None
    assert gathered.run["error"] == "killed"


def test_a_run_that_failed_at_once_is_gathered(tmp_path: Path) -> None:
    write_record(tmp_path / "a", state="failed", error="no such case")
    gathered = gather(tmp_path / "a")
    assert (gathered.metrics, gathered.episodes, gathered.databases) == ((), (), {})


def test_figures_that_are_unknown_or_infinite_are_left_out(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    unknown = {"reward": math.nan, "profit": math.inf, "share_of_best_response": None}
    write_step(folder, "run", evaluation={**unknown, "regret": 0.0})
    assert metrics(gather(folder), "run").keys() == {"regret", "avg_price[EOM]", "total_profit"}


def test_the_profit_is_that_of_all_units_that_can_sell(tmp_path: Path) -> None:
    """Plants and storages, not the demand, nor a kind of unit that only buys."""
    folder = run_folder(tmp_path)
    rows = {"unit": ["battery", "boiler"], "revenue": [50.0, -8.0], "cost": [2.0, 1.0]}
    starts = {"unit": ["battery", "boiler"], "start_cost": [5.0, 9.0]}
    declare_units("boiler_meta", {"max_power": (False, "MW")}, {}, sells=False)
    try:
        with DatabaseSink(f"sqlite:///{folder / 'run' / 'results.db'}", "more") as sink:
            sink.write("storage_meta", {"index": ["battery"]})
            sink.write("boiler_meta", {"index": ["boiler"], "max_power": [-1.0]})
            sink.write("unit_dispatch", rows)
            sink.write("start_costs", starts)
        found = metrics(gather(folder), "run")["total_profit"]
    finally:
        withdraw_units("boiler_meta")
    assert found == 3 * (10 - 4) + 50 - 2 - 5  # three rows of coal, and the battery


def test_half_a_line_of_a_killed_training_is_no_episode(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    line = json.dumps({"episode": 1, "evaluation": False, "reward": 0.5})
    (folder / "run" / "metrics.jsonl").write_text(f'{line}\n{{"episode": 2, "eva')
    assert gather(folder).episodes == (("a", "run", 1, False, 0.5, None, None, None, None),)


@pytest.mark.parametrize("state", ["running", "interrupted"])
def test_a_run_that_has_not_ended_is_not_gathered(tmp_path: Path, state: str) -> None:
    with pytest.raises(ResultsError, match=f"has not ended: it is {state}"):
        gather(run_folder(tmp_path, state=state))


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"holds no run of a study: it has no run\.json"):
        gather(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("run.json", "{", r"run\.json' cannot be read"),
        ("run.json", "[]", r"run\.json' cannot be read: it holds no mapping"),
        ("run.json", '{"id": "a"}', r"run\.json' has no key 'state'"),
        ("run/manifest.json", "{", r"manifest\.json' cannot be read"),
        ("run/results.db", "no database " * 99, r"results\.db' cannot be read"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, file: str, content: str, message: str) -> None:
    folder = run_folder(tmp_path)
    (folder / file).write_text(content)
    with pytest.raises(ResultsError, match=message) as caught:
        gather(folder)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_torn_changes_nothing_in_the_study(tmp_path: Path, url: str) -> None:
    folder = run_folder(tmp_path)
    with StudyDatabase(url, patience=0) as database:
        database.collect(gather(folder))
        write_step(folder, "run", rows=5_000)
        gathered, file = gather(folder), folder / "run" / "results.db"
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        with pytest.raises(ResultsError, match=r"results\.db' cannot be read: .*malformed"):
            database.collect(gathered)
    assert len(read(url, "unit_dispatch")) == 4


def test_a_database_of_a_later_version_is_told(tmp_path: Path, url: str) -> None:
    folder = run_folder(tmp_path)
    with closing(sqlite3.connect(folder / "run" / "results.db")) as connection:
        connection.execute("alter table unit_dispatch add column colour text")
    with StudyDatabase(url) as database, pytest.raises(ResultsError, match="no column 'colour'"):
        database.collect(gather(folder))


def test_a_database_of_an_earlier_version_is_refused(tmp_path: Path, url: str) -> None:
    # GIVEN a step and a study that were written before there were columns of money to sum up
    folder = run_folder(tmp_path)
    with StudyDatabase(url) as database:
        database.collect(gather(folder))
    for place in (f"sqlite:///{folder / 'run' / 'results.db'}", url):
        engine = create_engine(place)
        with engine.begin() as connection:
            for name in ("cost", "revenue"):
                connection.execute(sa.text(f"alter table unit_dispatch drop column {name}"))
        engine.dispose()
    # THEN neither gives a profit of nothing
    message = "earlier version: its table 'unit_dispatch' has no cost, revenue"
    with pytest.raises(ResultsError, match=rf"results\.db' was written by an {message}"):
        gather(folder)
    with pytest.raises(ResultsError, match=message), StudyDatabase(url, patience=0):
        pass
    with pytest.raises(ResultsError, match=message):
        read(url, "unit_dispatch")


def test_a_step_that_left_no_tables_is_no_obstacle(tmp_path: Path, url: str) -> None:
    folder = run_folder(tmp_path)
    (folder / "run" / "results.db").unlink()
    write_json(folder / "run" / "manifest.json", {"state": "finished"})
    with StudyDatabase(url) as database:
        database.collect(gather(folder))
        assert database.known() == {"a": "finished"}


def test_what_a_killed_step_left_half_done_does_not_count(tmp_path: Path, url: str) -> None:
    folder = run_folder(tmp_path)
    write_step(folder, "run", rows=2_000)
    file, writing = folder / "run" / "results.db", tmp_path / "writing.db"
    shutil.copy(file, writing)
    with closing(sqlite3.connect(writing)) as connection:
        connection.execute("pragma cache_size = 1")  # so that the file is changed before a commit
        connection.execute("update unit_dispatch set power = 99")
        shutil.copy(writing, file)  # as a kill would leave both
        shutil.copy(f"{writing}-journal", f"{file}-journal")
    with StudyDatabase(url) as database:
        database.collect(gather(folder))
    assert set(read(url, "unit_dispatch")["power"].dropna()) == {1.0}
