"""Two processes on one folder: the second is refused by the name of the first, which loses nothing.

Locks are of files that are opened, so that what one process does on its own stands for two.
"""

import errno
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from trained_runs import Trained, tiny

from assume_rl.errors import AssumeRlError, ConfigurationError, ResultsError
from assume_rl.experiments import case
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.observer import EpisodeReport, Silent
from assume_rl.experiments.run import run
from assume_rl.experiments.train import train, train_seeds
from assume_rl.results.owner import LOCK, TakenError, owned, owner_of
from assume_rl.results.sinks import DatabaseSink

pytestmark = pytest.mark.unchecked

VECTOR = Path(__file__).parents[1] / "fixtures" / "vectors" / "v01_basic" / "inputs"
ME = rf"being written by another process: process {os.getpid()} on host '{platform.node()}'"


class During(Silent):
    """Does something once, after the first episode of a training."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._actions = [action]

    def episode(self, report: EpisodeReport) -> None:
        if self._actions:
            self._actions.pop()()


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def refused(action: Callable[[], object]) -> None:
    with pytest.raises(TakenError, match=ME):
        action()


def test_nothing_else_writes_to_the_folder_of_a_training_that_runs(
    single: Trained, tmp_path: Path, assume_rl_command: Callable[..., tuple[int, str, str]]
) -> None:
    out, scenario = tmp_path / "out", single.scenario
    policies = single.folder

    def others() -> None:
        refused(lambda: train(scenario, out=out, resume=True))
        refused(lambda: train(scenario, out=out, overwrite=True))
        refused(lambda: train(scenario, out=out))
        refused(lambda: run(scenario, policies=policies, out=out, overwrite=True))
        refused(lambda: evaluate(scenario, policies=policies, out=out, overwrite=True))
        code, _, err = assume_rl_command("export", out, "--csv", tmp_path / "tables")
        assert code == 0
        assert f"'{out}' is being written by process {os.getpid()} on host" in err
        assert assume_rl_command("evaluate", *(str(VECTOR), "--out", out))[0] == 2

    result = train(scenario, out=out, observer=During(others))
    assert manifest(out)["state"] == "finished"
    assert manifest(out)["final_hash"] == manifest(single.folder)["final_hash"]
    assert result.last == single.result.last
    assert owner_of(out) is None
    assert not list(tmp_path.rglob("*lock"))


def test_seeds_csv_folders_copies_and_simulations_have_an_owner_too(
    single: Trained, tmp_path: Path
) -> None:
    copy, tables, url = tmp_path / "copy", tmp_path / "tables", f"sqlite:///{tmp_path}/all.db"
    saving = {"learning_config.trained_policies_save_path": str(copy)}
    scenario = tiny("single_learner", **saving)
    seed, plain = tmp_path / "out" / "seed_7", tiny("single_learner")
    name = {"simulation_id": f"{plain.simulation_id}_seed_7"}

    def others() -> None:
        refused(lambda: train(plain, out=seed, overwrite=True))
        saved = {"learning_config.trained_policies_save_path": str(copy / "seed_7")}
        other = tiny("single_learner", **saved)
        refused(lambda: train(other, out=tmp_path / "b", overwrite=True))
        refused(lambda: run(VECTOR, out=tmp_path / "b", csv=tables / "seed_7"))
        refused(lambda: run(named, policies=copied, out=tmp_path / "b", db=url, overwrite=True))
        assert not (tmp_path / "b").exists()

    named = tiny("single_learner", **name)
    copied = shutil.copytree(single.last, tmp_path / "policies")
    places: dict[str, Any] = {"out": tmp_path / "out", "csv": tables, "db": url}
    train_seeds(scenario, seeds=[7], observer=During(others), **places)
    assert (copy / "seed_7" / "last" / "manifest.json").is_file()
    assert (tables / "seed_7" / "rl_params.csv").is_file()
    assert not list(tmp_path.rglob("*lock"))


def remove_folder(out: Path) -> None:
    shutil.rmtree(out)


def replace_folder(out: Path) -> None:
    out.rename(out.with_name("moved"))
    run(VECTOR, out=out)


def remove_database(out: Path) -> None:
    (out / "results.db").unlink()


def remove_row(out: Path) -> None:
    with closing(sqlite3.connect(out / "results.db")) as connection:
        connection.execute("DELETE FROM runs")
        connection.commit()


@pytest.mark.parametrize("harm", [remove_folder, replace_folder, remove_database, remove_row])
def test_a_training_whose_results_were_taken_away_fails(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    out = tmp_path / "out"
    with pytest.raises(AssumeRlError, match="results are not there"):
        train(tiny("single_learner"), out=out, observer=During(lambda: harm(out)))
    if harm is replace_folder:  # what another run has written there since stays as it is
        assert manifest(out)["kind"] == "run"
        assert manifest(out)["state"] == "finished"


def test_a_lock_that_a_killed_process_left_is_no_obstacle(tmp_path: Path) -> None:
    run(VECTOR, out=tmp_path / "out")
    stale = {"process": 1, "host": "gone", "since": "2020-01-01T00:00:00+00:00"}
    (tmp_path / "out" / LOCK).write_text(json.dumps(stale))
    assert owner_of(tmp_path / "out") is None
    run(VECTOR, out=tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / LOCK).exists()


@pytest.mark.filterwarnings("ignore:flock not supported")
def test_a_file_is_the_lock_where_the_file_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise OSError(errno.ENOSYS, "not implemented")

    monkeypatch.setattr("fcntl.flock", missing)
    with owned(tmp_path):
        assert str(owner_of(tmp_path)).startswith(f"process {os.getpid()} on host ")
        with pytest.raises(TakenError, match=ME), owned(tmp_path, patience=2.5):
            pass
        left = (tmp_path / LOCK).read_text()
    assert owner_of(tmp_path) is None
    killed = subprocess.Popen(["true"])
    killed.wait()
    (tmp_path / LOCK).write_text(left.replace(str(os.getpid()), str(killed.pid), 1))
    with owned(tmp_path):
        assert str(owner_of(tmp_path)).startswith(f"process {os.getpid()} on host ")


def test_empty_folders_that_were_made_for_nothing_are_removed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), owned(tmp_path / "a" / "b"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "foreign",
    [
        {"name": "web app", "version": "1"},
        {"format": "assume-rl policies", "units": {}},
        {"kind": "run"},
        [],
    ],
)
def test_only_a_run_of_ours_is_replaced(tmp_path: Path, foreign: object) -> None:
    (tmp_path / "out" / "policies").mkdir(parents=True)
    (tmp_path / "out" / "policies" / "keep").write_text("mine")
    (tmp_path / "out" / "manifest.json").write_text(json.dumps(foreign))
    before = content(tmp_path)
    with pytest.raises(ResultsError, match="holds no run"):
        run(VECTOR, out=tmp_path / "out", overwrite=True)
    assert content(tmp_path) == before


def test_a_database_with_guests_is_not_replaced(tmp_path: Path) -> None:
    run(VECTOR, out=tmp_path / "host")
    guest = {"simulation_id": "guest"}
    url = f"sqlite:///{tmp_path / 'host' / 'results.db'}"
    scenario = case.load_scenario(VECTOR, overrides=guest)
    run(scenario, out=tmp_path / "guest", db=url)
    before = content(tmp_path)
    with pytest.raises(ResultsError, match="holds the results of 'guest' too"):
        run(VECTOR, out=tmp_path / "host", overwrite=True)
    assert content(tmp_path) == before


def fail(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("failing", ["seed", "write_meta", "create_trackers", "Manifest.start"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_run_that_cannot_begin_leaves_the_one_that_it_would_replace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, shared: bool
) -> None:
    url = f"sqlite:///{tmp_path / 'all.db'}" if shared else None
    run(VECTOR, out=tmp_path / "out", db=url)
    before = {name: own for name, own in content(tmp_path).items() if name != "all.db"}
    seed = 2**63 if failing == "seed" else None
    if failing != "seed":
        monkeypatch.setattr(f"assume_rl.experiments.case.{failing}", fail)
    with pytest.raises((OSError, ConfigurationError)):
        run(VECTOR, out=tmp_path / "out", db=url, overwrite=True, seed=seed)
    after = {name: own for name, own in content(tmp_path).items() if name != "all.db"}
    assert after == before
    if shared and failing != "write_meta":  # whose rows come with the first batch
        with closing(sqlite3.connect(tmp_path / "all.db")) as connection:
            (count,) = connection.execute("SELECT COUNT(*) FROM market_meta").fetchone()
        assert count == 23


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_databases_cannot_hold_is_refused(tmp_path: Path, seed: int) -> None:
    with pytest.raises(ConfigurationError, match="--seed: must be from 0 to"):
        run(VECTOR, out=tmp_path / "out", seed=seed)
    with pytest.raises(ConfigurationError, match="--seed: must be from 0 to"):
        train_seeds(tiny("single_learner"), seeds=[1, seed], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite+pysqlite:///:memory:",
        "sqlite:///file::memory:?uri=true",
        "sqlite:///file:x?mode=memory&cache=shared&uri=true",
    ],
)
def test_results_in_memory_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ResultsError, match="in memory would be lost"):
        run(VECTOR, out=tmp_path / "out", db=url)
    assert not (tmp_path / "out").exists()


@contextmanager
def moments(folder: Path, kept: Path) -> Iterator[list[Path]]:
    """Copies of a folder as it was before each change of a file: what SIGKILL would leave."""
    copies: list[Path] = []
    seen: set[object] = set()
    state = {"on": True}
    events = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect"}

    def look(event: str, _: object) -> None:
        if not state["on"] or event not in events or not folder.exists():
            return
        state["on"] = False
        try:
            files = {p: p.stat().st_size if p.is_file() else -1 for p in folder.rglob("*")}
            found = frozenset(files.items())
            if found not in seen:
                seen.add(found)
                copies.append(shutil.copytree(folder, kept / str(len(copies))))
        except FileNotFoundError:  # changed meanwhile, by nobody but SQLite
            pass
        finally:
            state["on"] = True

    sys.addaudithook(look)
    try:
        yield copies
    finally:
        state["on"] = False


@pytest.mark.slow
def test_a_training_killed_whenever_it_begins_can_be_resumed(
    single: Trained, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with moments(out, tmp_path / "kept") as copies, pytest.raises(KeyboardInterrupt):
        train(single.scenario, out=out, observer=During(interrupt))
    assert len(copies) >= 6
    for copy in copies:
        train(single.scenario, out=copy, resume=True)
        assert manifest(copy)["final_hash"] == manifest(single.folder)["final_hash"], copy


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_a_run_killed_while_it_replaces_another_leaves_one_of_them_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(VECTOR, out=out, seed=1)
    (out / "notes.txt").write_text("mine")
    with moments(out, tmp_path / "kept") as copies:
        run(VECTOR, out=out, seed=2, overwrite=True)
    begun = 0
    for copy in copies:
        with pytest.raises(ResultsError, match="another run"):  # which brings back what is aside
            run(VECTOR, out=copy)
        assert (copy / "notes.txt").read_text() == "mine"
        if manifest(copy)["seed"] == 2:
            begun += 1
            continue
        assert manifest(copy)["state"] == "finished"
        with closing(sqlite3.connect(copy / "results.db")) as connection:
            assert connection.execute("SELECT seed, state FROM runs").fetchone() == (1, "finished")
    assert 0 < begun < len(copies)


@pytest.mark.slow
def test_a_reader_of_the_database_keeps_a_run_waiting_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    with DatabaseSink(f"sqlite:///{path}", "run") as sink:
        sink.write("kpis", {"variable": ["a"] * 9, "ident": ["b"] * 9, "value": [1.0] * 9})
        reading = threading.Event()

        def read() -> None:
            with closing(sqlite3.connect(path)) as connection:
                rows = connection.execute("SELECT * FROM kpis")
                rows.fetchone()
                reading.set()
                time.sleep(6)  # longer than the 5 s for which SQLite waits on its own
                rows.fetchall()

        thread = threading.Thread(target=read)
        thread.start()
        reading.wait()
        sink.write("kpis", {"variable": ["c"], "ident": ["d"], "value": [2.0]})
        thread.join()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM kpis").fetchone() == (10,)
