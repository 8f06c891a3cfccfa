"""Studies whose processes are killed at random instants end as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from toy_studies import SCENARIOS, SHORT, study_tables

from assume_rl import keyed
from assume_rl.results.owner import LOCK
from assume_rl.results.study_database import tidy
from assume_rl.studies.driver import run_study
from assume_rl.studies.file import read_study
from assume_rl.studies.records import read_record
from assume_rl.studies.types import Study

pytestmark = pytest.mark.unchecked

STUDY = {
    "name": "crash",
    "scenarios": str(SCENARIOS / "single_learner"),
    "cases": ["tiny"],
    "set": {**SHORT, "learning_config.training_episodes": 25},
    "grid": {"learning_config.noise_sigma": [0.1, 0.2]},
    "seeds": 3,
    "steps": ["train", {"evaluate": {"policies": "train", "which": "best_reward"}}],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study without any interruption."""
    study = asked(tmp_path_factory.mktemp("whole"))
    assert run_study(study).complete
    return study


def asked(folder: Path) -> Study:
    """The study with its results in a folder."""
    (folder / "crash.yaml").write_text(yaml.safe_dump(STUDY | {"out": str(folder / "study")}))
    return read_study(folder / "crash.yaml")


def start(study: Study, *arguments: str) -> subprocess.Popen[bytes]:
    """`assume-rl batch` in a process of its own."""
    command = [sys.executable, "-m", "assume_rl.cli", "batch", study.file, *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def assert_same(study: Study, whole: Study) -> None:
    assert study_tables(study) == study_tables(whole)
    wide = [tidy(f"sqlite:///{s.folder / 'study.db'}").to_csv() for s in (study, whole)]
    assert wide[0] == wide[1]


def workers_of(process: int) -> list[int]:
    """Processes that hold the lock of a run: those that are at work."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            parent = int((place / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == process and "spawn_main" in (place / "cmdline").read_text():
                found.append(int(place.name))
    return sorted(found)


@pytest.mark.slow
def test_killed_parents_and_workers_change_nothing(whole: Study, tmp_path: Path) -> None:
    study, rounds, killed = asked(tmp_path), 8, 0
    delays, whom = keyed.array((2, rounds), 42, "crash")
    for delay, choice in zip(delays.tolist(), whom.tolist(), strict=True):
        process = start(study, "--workers", "2")
        deadline = time.monotonic() + 60
        while len(workers_of(process.pid)) < 2 and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(6 * delay)
        victims = [process.pid, *workers_of(process.pid)]
        victim = victims[int(choice * len(victims))]
        if process.poll() is None:
            os.kill(victim, signal.SIGKILL)
            killed += 1
        if victim != process.pid:
            time.sleep(1)
            process.kill()
        process.wait()
    assert killed >= 3
    assert start(study, "--workers", "2").wait() == 0
    assert_same(study, whole)


@pytest.mark.slow
def test_a_killed_driver_of_a_ray_cluster_changes_nothing(whole: Study, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra 'ray'")
    study = asked(tmp_path)
    process = start(study, "--executor", "ray", "--workers", "2")
    while not list(study.folder.glob("runs/*/train/checkpoints/*")):
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    process.wait()
    assert start(study, "--executor", "ray", "--workers", "2").wait() == 0
    assert_same(study, whole)


@pytest.mark.slow
def test_a_killed_worker_of_a_ray_cluster_changes_nothing(whole: Study, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra 'ray'")
    study = asked(tmp_path)
    process = start(study, "--executor", "ray", "--workers", "2")
    while not (held := list(study.folder.glob("runs/*/train/checkpoints/*"))):
        assert process.poll() is None
        time.sleep(0.1)
    folder = held[0].parents[2]
    os.kill(holder(folder / LOCK), signal.SIGKILL)
    assert process.wait() == 0
    record = read_record(folder)
    assert record is not None
    assert record.attempts == 2
    assert_same(study, whole)


def holder(lock: Path) -> int:
    """The process that has a lock."""
    inode = lock.stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        if line.split()[5].endswith(f":{inode}"):
            return int(line.split()[4])
    raise AssertionError("nobody has it")
