"""Files that are there whole, or not at all."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assume_rl.errors import PolicyError, ResultsError
from assume_rl.files import is_part, replacing, write_file
from assume_rl.results.database import create_engine
from assume_rl.results.metrics import JsonLines
from assume_rl.results.study_engine import study_engine


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.json"
    with replacing(file, ResultsError) as part:
        part.write_text("half")
        assert not file.exists()
        assert is_part(part.name)
    assert file.read_text() == "half"
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_fails_leaves_the_earlier_one_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_file(file, b"first", ResultsError)

    def write_half() -> None:
        with replacing(file, ResultsError) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert file.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("failure", [PolicyError, ResultsError])
def test_what_cannot_be_written_is_the_callers_error(
    tmp_path: Path, failure: type[PolicyError | ResultsError]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        failure, match=r"a' cannot be written: ('.*file' is a file, not a|Not a dir)"
    ):
        write_file(tmp_path / "file" / "a", b"", failure)


# --- power cuts: the other tests do not wait for the disk, see conftest.py ---------------------


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Number and size of each file that is flushed to the disk, in order."""
    found: list[tuple[int, int]] = []

    def sync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        found.append((status.st_ino, status.st_size))

    monkeypatch.setattr(os, "fsync", sync)
    return found


def test_a_file_is_on_disk_before_it_takes_the_name_and_the_name_after(
    tmp_path: Path, synced: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, replace, before = tmp_path / "a.json", Path.replace, []

    def watched(part: Path, target: Path) -> Path:
        before.extend(synced)
        return replace(part, target)

    monkeypatch.setattr(Path, "replace", watched)
    write_file(file, b"whole", ResultsError)
    assert before == [(file.stat().st_ino, len(b"whole"))]
    assert [number for number, _ in synced[len(before) :]] == [tmp_path.stat().st_ino]


def test_each_line_of_metrics_is_on_disk(tmp_path: Path, synced: list[tuple[int, int]]) -> None:
    with JsonLines(tmp_path / "a.jsonl") as lines:
        for episode in (1, 2):
            lines.write({"episode": episode})
            file = (tmp_path / "a.jsonl").stat()
            assert synced[episode - 1 :] == [(file.st_ino, file.st_size)]


@pytest.mark.parametrize(
    ("create", "level"), [(create_engine, 1), (partial(study_engine, patience=1.0), 2)]
)
def test_sqlite_waits_for_the_disk(
    tmp_path: Path, create: Callable[[str], sa.Engine], level: int
) -> None:
    """As levels are called: 1 is NORMAL, 2 is FULL."""
    found: list[int] = []

    def look(connection: Any, _: object) -> None:
        found.extend(connection.execute("PRAGMA synchronous").fetchone())

    engine = create(f"sqlite:///{tmp_path / 'a.db'}")
    sa.event.listen(engine, "connect", look)  # before conftest.py has its say
    with engine.connect():
        pass
    engine.dispose()
    assert found == [level]
