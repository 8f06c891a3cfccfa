"""Result rows on their way to a database and back."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from assume_rl.errors import ResultsError
from assume_rl.results import database
from assume_rl.results.export import export_csv
from assume_rl.results.sinks import Columns, DatabaseSink, MemorySink
from assume_rl.results.tables import metadata

HOUR = np.datetime64("2019-01-01T01:00:00")


def dispatch(power: list[float], unit: str = "N") -> Columns:
    times = HOUR + np.arange(len(power)) * np.timedelta64(1, "h")
    return {"time": times, "unit": np.full(len(power), unit, dtype=object), "power": power}


def learning(actions: int) -> Columns:
    row = {"datetime": [HOUR], "unit": ["G"], "reward": [0.5], "evaluation_mode": [np.True_]}
    return row | {"episode": [1]} | {f"actions_{k}": [0.1 * k] for k in range(actions)}


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.db"


def open_sink(path: Path, simulation: str = "run", **options: bool) -> DatabaseSink:
    return DatabaseSink(f"sqlite:///{path}", simulation, **options)


def begin(path: Path, simulation: str = "run", **options: bool) -> None:
    with open_sink(path, simulation, **options) as sink:
        sink.start_run(seed=1, versions={}, configuration={})


def test_rows_arrive_with_their_simulation_and_dates_as_the_field_writes_them(path: Path) -> None:
    with open_sink(path) as sink:
        sink.write("unit_dispatch", dispatch([10.0, 1 / 3]))

    assert rows(path, "select time, power, heat, unit, simulation from unit_dispatch") == [
        ("2019-01-01 01:00:00.000000", 10.0, None, "N", "run"),
        ("2019-01-01 02:00:00.000000", 1 / 3, None, "N", "run"),
    ]


def test_the_way_through_sqlalchemy_gives_the_same_rows(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    power = [float(hour) for hour in range(1_000)]  # of more rows than a statement takes
    with open_sink(path) as sink:
        sink.write("unit_dispatch", dispatch([np.nan, *power]))
        sink.write("rl_params", learning(2))
    other = tmp_path / "other.db"
    monkeypatch.setattr("assume_rl.results.sinks.insert_sqlite", database.insert)
    with open_sink(other) as sink:
        sink.write("unit_dispatch", dispatch([np.nan, *power]))
        sink.write("rl_params", learning(2))

    for table, count in {"unit_dispatch": 1_001, "rl_params": 1}.items():
        found = rows(path, f"select * from {table}")
        assert len(found) == count
        assert found == rows(other, f"select * from {table}")


def test_not_a_number_is_stored_as_null(path: Path) -> None:
    with open_sink(path) as sink:
        sink.write("unit_dispatch", dispatch([np.nan]))
    assert rows(path, "select power from unit_dispatch") == [(None,)]


def test_rows_of_auctions_are_numbered(path: Path) -> None:
    with open_sink(path) as sink:
        for price in (1.0, 2.0):
            sink.write("market_meta", {"market_id": ["EOM"] * 2, "price": [price] * 2})
    assert rows(path, 'select "index" from market_meta') == [(0,), (1,), (2,), (3,)]


def test_actions_add_the_columns_they_need(path: Path) -> None:
    with open_sink(path) as sink:
        sink.write("rl_params", learning(1))
        sink.write("rl_params", learning(3))
    with open_sink(path) as sink:
        sink.write("rl_params", learning(2))

    found = rows(path, "select actions_0, actions_1, actions_2, evaluation_mode from rl_params")
    assert found == [(0.0, None, None, 1), (0.0, 0.1, 0.2, 1), (0.0, 0.1, None, 1)]


def test_a_new_run_replaces_its_own_rows_only(path: Path) -> None:
    for simulation in ("a", "b"):
        with open_sink(path, simulation) as sink:
            sink.write("unit_dispatch", dispatch([1.0]))

    with open_sink(path, "a"):  # nothing is removed before something is written
        assert len(rows(path, "select simulation from unit_dispatch")) == 2
    begin(path, "a")

    assert rows(path, "select simulation from unit_dispatch") == [("b",)]


@pytest.mark.parametrize(("clear", "left"), [(False, 1), (True, 0)])
def test_learning_rows_stay_unless_training_starts_over(path: Path, clear: bool, left: int) -> None:
    with open_sink(path) as sink:
        sink.write("rl_params", learning(1))
    begin(path, clear_learning=clear)
    assert rows(path, "select count(*) from rl_params") == [(left,)]


def test_batches_are_readable_while_the_run_goes_on(path: Path) -> None:
    with open_sink(path) as sink:
        sink.write("unit_dispatch", dispatch([1.0]))
        assert rows(path, "select count(*) from unit_dispatch") == [(1,)]


def test_a_failing_batch_leaves_nothing_of_itself(path: Path) -> None:
    with open_sink(path) as sink:
        sink.write("unit_dispatch", dispatch([1.0]))
        with pytest.raises(ResultsError, match="type 'object' is not supported"):
            sink.write("unit_dispatch", {"unit": ["N", object()], "power": [1.0, 2.0]})
        sink.write("unit_dispatch", dispatch([2.0]))
    assert rows(path, "select power from unit_dispatch") == [(1.0,), (2.0,)]


def test_a_run_is_described_from_start_to_finish(path: Path) -> None:
    query = "select state, seed, versions, configuration, final_hash from runs"
    with open_sink(path) as sink:
        sink.start_run(seed=7, versions={"torch": "2"}, configuration={"gamma": 0.9})
        assert rows(path, query) == [("running", 7, '{"torch": "2"}', '{"gamma": 0.9}', None)]
        sink.finish_run("abc")
    assert rows(path, query)[0][::4] == ("finished", "abc")
    assert rows(path, "select finished >= created from runs") == [(1,)]


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        ("units", {"power": [1.0]}, "no result table 'units'"),
        ("unit_dispatch", {"watt": [1.0]}, "no column 'watt'"),
        ("unit_dispatch", {"power": [1.0], "unit": []}, "different lengths"),
    ],
)
def test_a_batch_that_fits_no_table_is_a_programming_error(
    path: Path, table: str, columns: Columns, message: str
) -> None:
    with open_sink(path) as sink:
        for each in (sink, MemorySink()):
            with pytest.raises(ValueError, match=message):
                each.write(table, columns)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("results.db", "cannot be understood, expected one such as sqlite:///results.db"),
        ("sqlite:////nowhere/at/all/results.db", "unable to open database file"),
        ("nosuch://host/db", "SQLAlchemy knows no 'nosuch'"),
        ("mssql+pymssql://user:secret@host/db", "the driver 'pymssql' is not installed"),
        ("postgresql://user@host:port/db", "cannot be understood"),
    ],
)
def test_a_database_that_cannot_be_opened_is_told_in_one_sentence(url: str, message: str) -> None:
    with pytest.raises(ResultsError, match=message) as caught:
        DatabaseSink(url, "run")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_read_only_database_is_told(path: Path) -> None:
    open_sink(path).close()
    url = f"sqlite:///file:{path}?mode=ro&uri=true"
    with (
        DatabaseSink(url, "run") as sink,
        pytest.raises(ResultsError, match="readonly database"),
    ):
        sink.write("unit_dispatch", dispatch([1.0]))


def test_a_file_that_is_no_database_is_told(path: Path) -> None:
    path.write_text("no database, but long enough for a header " * 50)
    with pytest.raises(ResultsError, match="not a database"):
        open_sink(path)


def test_a_full_disk_keeps_the_finished_batches(path: Path) -> None:
    with open_sink(path) as sink:
        sink.write("unit_dispatch", dispatch([1.0]))
        pages = rows(path, "pragma page_count")[0][0]
        sink._connection.exec_driver_sql(f"pragma max_page_count = {pages}")
        sink._connection.commit()
        with pytest.raises(ResultsError, match="full"):
            sink.write("unit_dispatch", dispatch([1.0] * 5000))
    assert rows(path, "select count(*) from unit_dispatch") == [(1,)]


def test_csv_files_hold_every_digit(path: Path, tmp_path: Path) -> None:
    for simulation in ("a", "b"):
        with open_sink(path, simulation) as sink:
            sink.write("unit_dispatch", dispatch([1 / 3]))

    written = export_csv(f"sqlite:///{path}", tmp_path / "csv", simulation="a")

    assert [file.name for file in written] == ["unit_dispatch.csv"]
    header, row = written[0].read_text().splitlines()
    assert header == ",".join(c.name for c in metadata().tables["unit_dispatch"].columns)
    cells = dict(zip(header.split(","), row.split(","), strict=True))
    known = {"time": "2019-01-01 01:00:00.000000", "power": "0.3333333333333333"}
    known |= {"unit": "N", "simulation": "a"}
    assert {name: cell for name, cell in cells.items() if cell} == known


def test_csv_files_need_a_folder_that_can_be_written(path: Path) -> None:
    with open_sink(path) as sink:
        sink.write("unit_dispatch", dispatch([1.0]))
    with pytest.raises(ResultsError, match="cannot be written: Not a directory"):
        export_csv(sa.create_engine(f"sqlite:///{path}"), path / "csv")


@pytest.mark.parametrize("first", [0, 1])
def test_memory_has_columns_that_only_some_rows_have(first: int) -> None:
    sink, parts = MemorySink(), [{"unit": ["a"], "actions_0": [0.1]}, {"unit": ["b", "c"]}]
    parts[1] |= {"actions_0": [0.2, 0.3], "actions_1": [0.4, 0.5]}
    for part in (parts[first], parts[1 - first]):
        sink.write("rl_params", part)
    found = sink.table("rl_params")
    rows = {unit: found["actions_1"][i] for i, unit in enumerate(found["unit"])}
    assert np.isnan(rows.pop("a"))
    assert rows == {"b": 0.4, "c": 0.5}


def test_memory_gives_back_all_batches() -> None:
    sink = MemorySink()
    sink.write("unit_dispatch", dispatch([1.0]))
    sink.write("unit_dispatch", dispatch([2.0, 3.0]))
    assert sink.table("unit_dispatch")["power"].tolist() == [1.0, 2.0, 3.0]
    assert sink.table("market_meta") == {}


def test_a_database_of_an_earlier_version_is_refused(path: Path) -> None:
    open_sink(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("alter table unit_dispatch drop column revenue")
    message = r"earlier version: its table 'unit_dispatch' has no revenue; run again"
    with pytest.raises(ResultsError, match=message):
        open_sink(path)
