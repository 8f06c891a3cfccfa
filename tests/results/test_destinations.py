"""Exports and reports replace what is theirs; text in CSV files is no formula."""

import csv
import math
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from study_folders import run_folder

from assume_rl.errors import ResultsError
from assume_rl.results.destinations import check_replaceable, has_header
from assume_rl.results.export import export_csv, export_frame, export_parquet
from assume_rl.results.gather import gather
from assume_rl.results.owner import owned
from assume_rl.results.parquet import parquet_columns
from assume_rl.results.sinks import DatabaseSink
from assume_rl.results.spreadsheets import plain, plain_frame
from assume_rl.results.study_database import StudyDatabase
from assume_rl.results.tables import metadata

pytestmark = pytest.mark.unchecked

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database of a run whose market has the name of a formula."""
    found = f"sqlite:///{tmp_path / 'results.db'}"
    with DatabaseSink(found, "run") as sink:
        rows = {"variable": ["=1+1", "b"], "ident": ["@sum", "-2.5"], "value": [-1.5, math.pi]}
        sink.write("kpis", rows)
    return found


def cells(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_formulas_are_text_unless_they_are_wanted(url: str, tmp_path: Path) -> None:
    export_csv(url, tmp_path / "csv")
    header, first, second = cells(tmp_path / "csv" / "kpis.csv")
    assert [first[header.index(name)] for name in ("variable", "ident", "value")] == [
        *("'=1+1", "'@sum", "-1.5")
    ]
    assert [second[header.index(name)] for name in ("ident", "value")] == ["-2.5", str(math.pi)]
    export_csv(url, tmp_path / "csv", formulas=True)
    _, first, _ = cells(tmp_path / "csv" / "kpis.csv")
    assert first[header.index("variable")] == "=1+1"


@pytest.mark.parametrize("text", ["=A1", "+A1", "-A1", "@A1", "\tA1", "\rA1", "\nA1", "＝A1", "-"])
def test_every_beginning_of_a_formula_is_covered(text: str) -> None:
    assert plain(text) == f"'{text}"
    frame = pd.DataFrame({text: [text, 1.0, None], "n": [-1.0, 2.0, 3.0]})
    found = plain_frame(frame)
    assert list(found.columns) == [f"'{text}", "n"]
    assert found.iloc[0, 0] == f"'{text}"
    assert found["n"].tolist() == [-1.0, 2.0, 3.0]
    assert plain_frame(pd.DataFrame({"a": [text]}))["a"].tolist() == [f"'{text}"]


@pytest.mark.parametrize("value", ["-1", "+1e5", "-inf", "a=b", "", -3, 2.5, None])
def test_numbers_and_other_text_stay(value: object) -> None:
    assert plain(value) is value


def test_only_exports_are_replaced(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "csv"
    folder.mkdir()
    file, notes = folder / "kpis.csv", folder / "notes.csv"
    for path in (file, notes):
        path.write_text("my,own\n1,2\n")
    with pytest.raises(ResultsError, match=r"kpis\.csv' is there and is none of ours"):
        export_csv(url, folder)
    assert file.read_text() == "my,own\n1,2\n"
    export_csv(url, folder, overwrite=True)
    before = file.read_bytes()
    stale = folder / "market_meta.csv"
    stale.write_text(",".join(metadata().tables["market_meta"].columns.keys()) + "\n")
    export_csv(url, folder)
    assert file.read_bytes() == before
    assert not stale.exists()
    assert notes.read_text() == "my,own\n1,2\n"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_of_others_are_neither_replaced_nor_removed(
    url: str, tmp_path: Path, kind: str
) -> None:
    write: Any = {"csv": export_csv, "parquet": export_parquet}[kind]
    replaced, removed = tmp_path / f"kpis.{kind}", tmp_path / f"episodes.{kind}"
    for path, columns in {replaced: ["simulation", "value"], removed: ["run_id", "reward"]}.items():
        own = pd.DataFrame({name: [1.0] for name in columns})
        own.to_csv(path, index=False) if kind == "csv" else own.to_parquet(path)
    before, kept = replaced.read_bytes(), removed.read_bytes()
    with pytest.raises(ResultsError, match=r"kpis\.\w+' is there and is none of ours"):
        write(url, tmp_path)
    assert replaced.read_bytes() == before
    write(url, tmp_path, overwrite=True)
    assert replaced.read_bytes() != before
    assert removed.read_bytes() == kept
    write(url, tmp_path)


@pytest.mark.parametrize("write", [export_csv, export_parquet])
def test_a_table_with_a_column_of_the_users_is_exported_again(
    url: str, tmp_path: Path, write: Any
) -> None:
    with closing(sqlite3.connect(tmp_path / "results.db")) as connection:
        connection.execute("alter table kpis add column remark")
        connection.commit()
    assert write(url, tmp_path / "files") == write(url, tmp_path / "files")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\0" * 99 + b"PAR1", b"a,b\n"])
def test_what_is_no_parquet_file_has_no_columns(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "kpis.parquet").write_bytes(content)
    assert parquet_columns(tmp_path / "kpis.parquet") == []


def test_files_that_are_not_ordinary_ones_are_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "fifo", tmp_path / "folder", Path("/dev/null")):
        with pytest.raises(ResultsError, match=r"is a folder|is not an ordinary file"):
            check_replaceable(path, has_header("a"), overwrite=True)


def test_half_a_table_of_text_is_not_ours(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    for content in (b"", b"\xff\xfe\x00", b'"', b"a,b\n", b"\x00" * 70_000):
        file.write_bytes(content)
        with pytest.raises(ResultsError, match="none of ours"):
            export_frame(
                pd.DataFrame({"a": [1]}),
                file,
                has_header("a", "c"),
                overwrite=False,
                formulas=False,
            )
    assert file.read_bytes() == b"\x00" * 70_000


def test_a_folder_that_another_export_writes_is_refused(
    assume_rl_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = run_folder(tmp_path / "study")
    with StudyDatabase(f"sqlite:///{tmp_path / 'study' / 'study.db'}") as database:
        database.collect(gather(folder))
    with owned(Path("tables")):
        for option in ("--csv", "--parquet"):
            code, _, err = assume_rl_command("export", "study", option, "tables")
            assert (code, f"process {os.getpid()} on host" in err) == (2, True)
    Path("t.csv").write_text("mine\n")
    for command in (
        ("export", "study", "--tidy", "t.csv"),
        ("compare", "study", "--metric", "total_profit", "--csv", "t.csv"),
    ):
        code, _, err = assume_rl_command(*command)
        assert (code, "'t.csv' is there and is none of ours" in err) == (2, True)
        assert Path("t.csv").read_text() == "mine\n"
    assert assume_rl_command("export", "study", "--tidy", "t.csv", "--overwrite")[0] == 0
    assert assume_rl_command("export", "study", "--tidy", "t.csv")[0] == 0
