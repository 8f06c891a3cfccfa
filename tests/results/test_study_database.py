"""Runs on their way from folders into a study database, and back as data frames."""

import json
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from study_folders import run_folder, write_record, write_step

from assume_rl.errors import ResultsError
from assume_rl.results.gather import gather
from assume_rl.results.study_database import StudyDatabase, read, tidy
from assume_rl.results.study_tables import study_metadata
from assume_rl.results.tables import metadata


def collect(url: str, *folders: Path) -> None:
    with StudyDatabase(url) as database:
        for folder in folders:
            database.collect(gather(folder))


def test_study_tables_are_the_result_tables_with_run_and_step_in_front() -> None:
    for name, table in metadata().tables.items():
        if name != "runs":
            columns = [c.name for c in study_metadata().tables[name].columns]
            own = ["iteration" if c.name == "step" else c.name for c in table.columns]
            assert columns == ["run_id", "step", *own]
    assert set(study_metadata().tables) == {*metadata().tables, "metrics", "episodes"}


def test_a_run_arrives_with_all_that_is_known_of_it(url: str, tmp_path: Path) -> None:
    folder = run_folder(tmp_path, "a", error="none to speak of", attempts=2)
    record = json.loads((folder / "run.json").read_text())

    collect(url, folder)

    (row,) = read(url, "runs").to_dict("records")
    same = ("study", "design", "seed", "state", "error", "attempts", "seconds", "host", "engine")
    assert {key: row[key] for key in same} == {key: record[key] for key in same}
    assert (row["run_id"], row["scenario"], row["case"]) == ("a", "toy", "base")
    assert row["started"] == pd.Timestamp("2026-01-01 00:00:00")  # was said in another time zone
    assert row["finished"] == pd.Timestamp("2026-01-01 00:00:02")
    assert json.loads(row["parameters"]) == record["parameters"]
    assert json.loads(row["steps"]) == record["steps"]


def test_rows_are_those_of_the_step_with_the_same_types(url: str, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)

    collect(url, folder)

    dispatch = read(url, "unit_dispatch")
    with closing(sqlite3.connect(folder / "run" / "results.db")) as connection:
        own = pd.read_sql("select * from unit_dispatch", connection, parse_dates=["time"])
    assert set(dispatch["run_id"] + dispatch["step"]) == {"arun"}
    # Nothing in columns without a value tells pandas so.
    types = {name: float for name in own.columns if own[name].isna().all()}
    texts = dict.fromkeys(("unit", "simulation"), object)  # whatever pandas calls them
    found, expected = dispatch[own.columns].astype(texts), own.astype(types | texts)
    pd.testing.assert_frame_equal(found, expected)
    (learning,) = read(url, "rl_params").to_dict("records")
    assert learning["evaluation_mode"] is True
    (update,) = read(url, "rl_grad_params").to_dict("records")
    assert (update["step"], update["iteration"], update["learning_rate"]) == ("run", 5, 1 / 3)


def test_collecting_twice_is_collecting_once(url: str, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    collect(url, folder)
    once = {name: read(url, name) for name in study_metadata().tables}

    collect(url, folder, folder)

    for name in study_metadata().tables:
        pd.testing.assert_frame_equal(read(url, name), once[name])
    assert sum(map(len, once.values())) > 5


def test_a_run_replaces_its_own_rows_only(url: str, tmp_path: Path) -> None:
    first, second = run_folder(tmp_path, "a"), run_folder(tmp_path, "b")
    collect(url, first, second)
    write_record(first, state="failed", error="no luck", steps=())
    write_record(first, state="failed", error="no luck")
    (first / "run" / "results.db").unlink()

    collect(url, first)

    with StudyDatabase(url) as database:
        assert database.known() == {"a": "failed", "b": "finished"}
    assert set(read(url, "unit_dispatch")["run_id"]) == {"b"}


def test_a_run_of_another_study_is_not_replaced(url: str, tmp_path: Path) -> None:
    # GIVEN a run that two studies have, each with an attempt of its own
    first, second = run_folder(tmp_path / "1"), run_folder(tmp_path / "2")
    write_record(second, study="second", seconds=3.0)
    collect(url, first)
    before = {name: read(url, name) for name in study_metadata().tables}
    # THEN the second one is refused, whole
    sentence = "run a is in this database already, of study 'toys'; give each study a database of"
    with pytest.raises(ResultsError, match=sentence):
        collect(url, second)
    for name in study_metadata().tables:
        pd.testing.assert_frame_equal(read(url, name), before[name])


def test_a_study_that_was_renamed_keeps_its_runs(url: str, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    collect(url, folder)
    write_record(folder, study="new")
    collect(url, folder)
    assert read(url, "runs")["study"].tolist() == ["new"]


def test_dropped_runs_are_gone_and_others_are_not(url: str, tmp_path: Path) -> None:
    collect(url, *(run_folder(tmp_path, name) for name in "abc"))

    with StudyDatabase(url) as database:
        database.drop(["a", "c", "never there"])
        assert database.known() == {"b": "finished"}

    for name in study_metadata().tables:
        assert set(read(url, name)["run_id"]) <= {"b"}


def test_columns_that_depend_on_the_run_are_added_when_needed(url: str, tmp_path: Path) -> None:
    few, many = run_folder(tmp_path, "few"), run_folder(tmp_path, "many")
    for folder, count in ((few, 1), (many, 2)):
        write_step(folder, "run", actions=count)

    collect(url, few, many)

    found = read(url, "rl_params").set_index("run_id")[["actions_0", "actions_1"]]
    assert found.loc["few"].isna().tolist() == [False, True]
    assert found.loc["many"].tolist() == [0.0, 0.5]


def test_some_runs_can_be_read_alone(url: str, tmp_path: Path) -> None:
    collect(url, *(run_folder(tmp_path, name) for name in "abc"))
    assert read(url, "runs", ["c", "a", "nobody"])["run_id"].tolist() == ["a", "c"]
    assert read(url, "runs", []).empty


def test_memory_does_not_grow_with_the_rows(url: str, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    write_step(folder, "run", rows=60_000)
    with StudyDatabase(url) as database:
        gathered = gather(folder)
        tracemalloc.start()
        database.collect(gathered)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(read(url, "unit_dispatch")) == 60_001
    assert peak < 2e6  # the rows alone would be 20 MB


def test_tidy_has_a_row_per_run_and_equal_bytes_wherever_it_is(
    sqlite_url: str, postgres_url: str, tmp_path: Path
) -> None:
    gamma = "learning_config.gamma"
    high = run_folder(tmp_path, "h", design="high", seed=2, parameters={gamma: 1, "cap": "a"})
    low = [run_folder(tmp_path, f"l{s}", seed=s, parameters={gamma: 0.25}) for s in (10, 9)]

    collect(sqlite_url, high, *low)
    collect(postgres_url, *low, high)

    text = tidy(sqlite_url).to_csv(index=False)
    assert text.splitlines() == [
        f"run_id,study,design,scenario,case,seed,state,cap,{gamma},run.avg_price[EOM],run.total_profit",
        "h,toys,high,toy,base,2,finished,a,1,1.0,18.0",
        "l9,toys,low,toy,base,9,finished,,0.25,1.0,18.0",
        "l10,toys,low,toy,base,10,finished,,0.25,1.0,18.0",
    ]
    assert tidy(postgres_url).to_csv(index=False) == text


def test_tidy_of_no_runs_and_of_runs_without_metrics(url: str, tmp_path: Path) -> None:
    StudyDatabase(url).close()
    assert tidy(url).empty
    write_record(tmp_path / "a", state="failed", error="at once")
    collect(url, tmp_path / "a")
    assert tidy(url)["state"].tolist() == ["failed"]


def test_a_database_that_was_deleted_meanwhile_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    with StudyDatabase(f"sqlite:///{path}") as database:
        database.collect(gather(run_folder(tmp_path)))
        path.unlink()
        assert database.known() == {}
        database.collect(gather(run_folder(tmp_path)))
    assert len(read(f"sqlite:///{path}", "unit_dispatch")) == 4


def test_a_database_of_single_runs_is_left_alone(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    own = folder / "run" / "results.db"
    before = own.read_bytes()
    for use in (StudyDatabase, tidy, lambda url: collect(url, folder)):
        with pytest.raises(ResultsError, match="holds results of single runs, not of studies"):
            use(f"sqlite:///{own}")
    assert own.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "in memory would be lost"),
        ("sqlite:////nowhere/at/all/study.db", "unable to open database file"),
        ("nosuch://host/db", "SQLAlchemy knows no 'nosuch'"),
        ("study.db", "cannot be understood"),
    ],
)
def test_what_cannot_be_a_study_database_is_told_at_once(url: str, message: str) -> None:
    with pytest.raises(ResultsError, match=message):
        StudyDatabase(url)


def test_another_driver_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sa.create_engine("postgresql+psycopg://u:secret@host/db")
    monkeypatch.setattr(engine.dialect, "driver", "pg8000")
    monkeypatch.setattr("assume_rl.results.study_engine.create_engine", lambda *_, **__: engine)
    with pytest.raises(ResultsError, match="SQLite or PostgreSQL with psycopg") as caught:
        StudyDatabase("postgresql+pg8000://u:secret@host/db")
    assert "secret" not in str(caught.value)


def test_reading_makes_no_database_and_knows_its_tables(sqlite_url: str, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="there is no database"):
        read(sqlite_url, "runs")
    assert not (tmp_path / "study.db").exists()
    with pytest.raises(ResultsError, match="no table 'metric'; did you mean 'metrics'"):
        read(sqlite_url, "metric")
    sqlite3.connect(tmp_path / "study.db").close()
    with pytest.raises(ResultsError, match="holds no study: it has no table 'runs'"):
        tidy(sqlite_url)
