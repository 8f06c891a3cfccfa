"""Several processes at one study database, and processes that are killed at it."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Timer

import pandas as pd
import pytest
import sqlalchemy as sa
from study_folders import run_folder, write_step

from assume_rl.errors import ResultsError
from assume_rl.results.gather import gather
from assume_rl.results.study_database import StudyDatabase, read
from assume_rl.results.study_tables import study_metadata


class Nursery:
    """Other processes that collect."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, url: str, times: int, *orders: Sequence[Path]) -> list[int]:
        """Processes that collect folders in these orders; their ids."""
        return self._ask([[url, times, *map(str, order)] for order in orders])

    def wait(self) -> list[int]:
        """Exit codes of all processes."""
        return self._ask("wait")

    def _ask(self, order: object) -> list[int]:
        ask, answer = self._process.stdin, self._process.stdout
        assert ask is not None
        assert answer is not None
        print(json.dumps(order), file=ask, flush=True)
        found: list[int] = json.loads(answer.readline())
        return found


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    command = [sys.executable, "-W", "error", str(Path(__file__).with_name("nursery.py"))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield Nursery(process)
        process.kill()


def all_rows(url: str) -> dict[str, pd.DataFrame]:
    """Every table, rows in one certain order."""
    tables = {name: read(url, name) for name in study_metadata().tables}
    return {name: t.sort_values(list(t.columns), ignore_index=True) for name, t in tables.items()}


@pytest.mark.slow
def test_processes_that_start_and_write_at_once_lose_and_double_nothing(
    nursery: Nursery, url: str, tmp_path: Path
) -> None:
    folders = [run_folder(tmp_path, name) for name in "abcd"]
    for actions, folder in enumerate(folders):  # columns are added at the same time too
        write_step(folder, "run", rows=50, actions=actions)

    nursery.start(url, 5, folders, folders[::-1], [*folders[2:], *folders[:2]])

    assert nursery.wait() == [0, 0, 0]
    found = all_rows(url)
    with StudyDatabase(url) as database:
        database.drop("abcd")
        for folder in folders:
            database.collect(gather(folder))
    for name, alone in all_rows(url).items():
        pd.testing.assert_frame_equal(found[name], alone)
    assert len(found["unit_dispatch"]) == 4 * 51


def test_a_killed_process_leaves_a_run_whole(nursery: Nursery, url: str, tmp_path: Path) -> None:
    draw = random.Random(7)
    first, second = (run_folder(tmp_path / place, "a") for place in ("1", "2"))
    write_step(first, "run", rows=20_000, mark=1.0)
    write_step(second, "run", rows=10_000, mark=2.0)
    with StudyDatabase(url) as database:
        database.collect(gather(first))
    torn = []
    for _ in range(6):
        (killed,) = nursery.start(url, 1_000, [first, second])
        time.sleep(draw.uniform(0.1, 0.8))
        os.kill(killed, signal.SIGKILL)
        assert nursery.wait() == [-signal.SIGKILL]
        torn.append((tmp_path / "study.db-journal").exists())
        check_whole(url)
    if url.startswith("sqlite"):
        assert any(torn), "nobody was killed in the middle"


def check_whole(url: str) -> None:
    """One version of the run or the other, in all tables."""
    dispatch, metrics = read(url, "unit_dispatch"), read(url, "metrics")
    counts = dispatch["power"].value_counts().to_dict()
    assert counts in ({1.0: 20_000}, {2.0: 10_000})
    price = metrics.set_index("name")["value"]["avg_price[EOM]"]
    assert {price} == set(counts)
    assert len(metrics) == 2
    assert read(url, "runs")["run_id"].tolist() == ["a"]


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else is writing."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_a_locked_database_is_waited_for(sqlite_url: str, tmp_path: Path) -> None:
    with StudyDatabase(sqlite_url) as database, locked(tmp_path / "study.db") as other:
        end = Timer(0.5, other.rollback)
        end.start()
        database.collect(gather(run_folder(tmp_path)))
        end.join()
        assert database.known() == {"a": "finished"}


def test_a_database_that_stays_locked_is_told_in_one_sentence(
    sqlite_url: str, tmp_path: Path
) -> None:
    folder = run_folder(tmp_path)
    StudyDatabase(sqlite_url).close()
    with (
        locked(tmp_path / "study.db"),
        StudyDatabase(sqlite_url, patience=0.3) as database,
    ):
        assert database.known() == {}  # readers do not wait
        with pytest.raises(ResultsError, match=r"study\.db: database is locked") as caught:
            database.collect(gather(folder))
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_told_at_once_and_leaves_the_run_whole(
    sqlite_url: str, tmp_path: Path
) -> None:
    folder = run_folder(tmp_path)
    with StudyDatabase(sqlite_url) as database:
        database.collect(gather(folder))
        write_step(folder, "run", rows=5_000, mark=2.0)
        with closing(sqlite3.connect(tmp_path / "study.db")) as connection:
            ((pages,),) = connection.execute("pragma page_count")
        size = f"pragma max_page_count = {pages + 1}"
        sa.event.listen(database._engine, "connect", lambda opened, _: opened.execute(size))
        with pytest.raises(ResultsError, match=r"study\.db: database or disk is full"):
            database.collect(gather(folder))
    assert read(sqlite_url, "unit_dispatch")["power"].dropna().tolist() == [1.0] * 3
