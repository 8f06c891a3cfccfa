"""Tables as files: equal to the database's, and whole or not there."""

import csv
import math
import sqlite3
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from study_folders import run_folder, write_step

from assume_rl.errors import ConfigurationError, ResultsError
from assume_rl.results import export
from assume_rl.results.export import export_csv, export_parquet, export_tidy
from assume_rl.results.gather import gather
from assume_rl.results.sinks import DatabaseSink
from assume_rl.results.study_database import StudyDatabase, tidy
from assume_rl.results.study_tables import study_metadata

pytestmark = pytest.mark.unchecked

Rows = list[dict[str, Any]]


@pytest.fixture
def study(url: str, tmp_path: Path) -> str:
    """URL of a study database with two runs."""
    few, many = run_folder(tmp_path, "a"), run_folder(tmp_path, "b", error='a "b", c\nd')
    write_step(few, "run", rows=2, mark=1 / 3, actions=1)
    write_step(many, "run", rows=3, mark=1e300, actions=2)
    with StudyDatabase(url) as database:
        for folder in (few, many):
            database.collect(gather(folder))
    return url


def stored(url: str, table: str) -> Rows:
    """What SQLAlchemy finds in the database."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        reflected = sa.Table(table, sa.MetaData(), autoload_with=connection)
        found = [dict(row._mapping) for row in connection.execute(reflected.select())]
    engine.dispose()
    return found


def test_parquet_files_hold_the_values_and_types_of_the_database(
    study: str, tmp_path: Path
) -> None:
    written = export_parquet(study, tmp_path / "files")

    assert {path.stem for path in written} == {
        t for t in study_metadata().tables if stored(study, t)
    }
    for path in written:
        assert pq.read_table(path).to_pylist() == stored(study, path.stem)
    schema = pq.read_schema(tmp_path / "files" / "rl_params.parquet")
    kinds = {"datetime": pa.timestamp("us"), "evaluation_mode": pa.bool_(), "unit": pa.string()}
    kinds |= {"episode": pa.int64(), "reward": pa.float64(), "actions_1": pa.float64()}
    assert {name: schema.field(name).type for name in kinds} == kinds
    assert schema.field("regret").metadata[b"comment"] == b"EUR"


def test_rows_are_written_in_groups(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "GROUP", 3)
    export_parquet(study, tmp_path)
    file = pq.ParquetFile(tmp_path / "unit_dispatch.parquet")
    groups = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
    file.close()
    assert groups == [3, 3, 1]
    assert pq.read_table(tmp_path / "unit_dispatch.parquet").num_rows == 7


def test_csv_files_hold_the_values_of_the_database(study: str, tmp_path: Path) -> None:
    for path in export_csv(study, tmp_path / "files"):
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        expected = [{k: as_text(v) for k, v in row.items()} for row in stored(study, path.stem)]
        assert lines == expected


def as_text(value: Any) -> str:
    """A value as CSV files have it, whatever the database."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return "" if value is None else str(int(value) if isinstance(value, bool) else value)


def test_the_database_of_one_run_is_exported_too(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    url = f"sqlite:///{folder / 'run' / 'results.db'}"
    written = {path.stem: path for path in export_parquet(url, tmp_path / "files")}
    assert {"unit_dispatch", "runs", "kpis"} <= set(written)
    (row,) = pq.read_table(written["runs"]).to_pylist()
    assert (row["simulation"], row["state"]) == ("toy_base", "running")
    assert isinstance(row["created"], datetime)


def test_a_column_that_somebody_added_is_exported_as_text(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    file = folder / "run" / "results.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("alter table kpis add column remark")
        connection.execute("update kpis set remark = 7")
        connection.commit()
    export_parquet(f"sqlite:///{file}", tmp_path / "files")
    assert pq.read_table(tmp_path / "files" / "kpis.parquet")["remark"].to_pylist() == ["7"]


def test_a_value_that_is_none_of_its_column_is_named(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    file = folder / "run" / "results.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("update runs set created = '=1+1'")
        connection.commit()
    with pytest.raises(ResultsError, match=r"table 'runs', column 'created': .*'=1\+1'"):
        export_parquet(f"sqlite:///{file}", tmp_path / "files")
    assert not (tmp_path / "files" / "runs.parquet").exists()


def test_missing_numbers_are_null_in_parquet(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'results.db'}"
    with DatabaseSink(url, "run") as sink:
        sink.write("unit_dispatch", {"unit": ["a", "b"], "power": np.array([math.nan, 1 / 3])})
    export_parquet(url, tmp_path)
    table = pq.read_table(tmp_path / "unit_dispatch.parquet")
    assert table["power"].to_pylist() == [None, 1 / 3]
    assert table["time"].to_pylist() == [None, None]


def test_the_tidy_file_is_the_tidy_frame(study: str, tmp_path: Path) -> None:
    export_tidy(study, tmp_path / "new" / "tidy.csv")
    assert (tmp_path / "new" / "tidy.csv").read_text() == tidy(study).to_csv(index=False)


@pytest.mark.parametrize("write", [export_csv, export_parquet])
def test_an_export_that_fails_leaves_the_earlier_file(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Any
) -> None:
    write(study, tmp_path / "files")
    before = {path: path.read_bytes() for path in (tmp_path / "files").iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "_as_sqlite_has_it", full)
    monkeypatch.setattr(pq.ParquetWriter, "write_batch", full)
    with pytest.raises(ResultsError, match=r"runs\.\w+' cannot be written: No space left"):
        write(study, tmp_path / "files")

    assert {path: path.read_bytes() for path in (tmp_path / "files").iterdir()} == before


def test_parquet_without_its_package_is_told(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'assume-rl\[parquet\]'"):
        export_parquet(study, tmp_path / "files")
    assert not (tmp_path / "files").exists()


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    for write in (export_csv, export_parquet, export_tidy):
        with pytest.raises(ResultsError, match="there is no database"):
            write(f"sqlite:///{tmp_path / 'typo.db'}", tmp_path / "files")
    assert not any(tmp_path.iterdir())
