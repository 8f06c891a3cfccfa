"""Whole studies: the same tables however they are run; what is left is done, once."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy_studies import (
    broken,
    cell,
    evaluation,
    manifest,
    plain,
    study_of,
    study_tables,
    tables,
    training,
)

from assume_rl.errors import ResultsError
from assume_rl.results.study_database import StudyDatabase, tidy
from assume_rl.studies import driver
from assume_rl.studies.driver import run_study
from assume_rl.studies.jobs import Job, Report
from assume_rl.studies.records import write_json
from assume_rl.studies.status import status
from assume_rl.studies.types import Study

pytestmark = pytest.mark.unchecked

LEARNING = [*cell("base", (1, 2), training(), evaluation()), *cell("rules", (1,), plain())]


class Watcher:
    """Remembers what it hears of."""

    def __init__(self) -> None:
        self.total, self.finished = 0, 0
        self.jobs: list[Job] = []
        self.reports: list[Report] = []

    def begin(self, total: int, finished: int) -> None:
        self.total, self.finished = total, finished

    def started(self, job: Job) -> None:
        self.jobs.append(job)

    def ended(self, report: Report) -> None:
        self.reports.append(report)


def rules(folder: Path, seeds: int = 2) -> Study:
    """A study that takes a second."""
    return study_of(folder, cell("rules", range(seeds), plain()))


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study that this process did alone."""
    study = study_of(tmp_path_factory.mktemp("serial"), LEARNING)
    result = run_study(study)
    assert result.complete
    assert result.status.counts == {"finished": 3}
    return study


@pytest.mark.slow
def test_two_processes_give_the_same_tables_byte_for_byte(serial: Study, tmp_path: Path) -> None:
    study, watcher = study_of(tmp_path, LEARNING), Watcher()
    result = run_study(study, workers=2, observer=watcher)
    assert result.complete
    assert len(watcher.jobs) == 3  # with two workers, seeds are not side by side
    assert study_tables(study) == study_tables(serial)
    wide = [tidy(f"sqlite:///{s.folder / 'study.db'}").to_csv() for s in (study, serial)]
    assert wide[0] == wide[1]
    assert "train.best_reward.profit" in wide[0]
    for run in study.runs:
        hashes = [
            [manifest(s, run, step.name)["final_hash"] for step in run.steps]
            for s in (study, serial)
        ]
        assert hashes[0] == hashes[1]


def test_nothing_is_done_twice_and_new_runs_are_added(tmp_path: Path) -> None:
    run_study(rules(tmp_path))
    before, again = study_tables(rules(tmp_path)), Watcher()
    assert run_study(rules(tmp_path), observer=again).complete
    assert (again.total, again.finished, again.jobs) == (2, 2, [])
    assert study_tables(rules(tmp_path)) == before

    more = Watcher()
    assert run_study(rules(tmp_path, seeds=4), observer=more).complete
    assert [run.seed for job in more.jobs for run in job.runs] == [2, 3]
    assert len(study_tables(rules(tmp_path))["runs"]) == 4


def test_a_failing_run_among_good_ones(tmp_path: Path) -> None:
    runs = [*cell("bad", (1,), broken()), *cell("good", (1, 2), plain())]
    study, watcher = study_of(tmp_path, runs), Watcher()
    result = run_study(study, observer=watcher)
    assert not result.complete
    assert result.status.counts == {"failed": 1, "finished": 2}
    (failure,) = result.failures
    assert (failure.run.design, failure.state) == ("bad", "failed")
    stored = {row["design"]: row for row in map(json.loads, study_tables(study)["runs"])}
    assert stored["bad"]["state"] == "failed"
    assert stored["bad"]["error"] == failure.error
    assert stored["good"]["state"] == "finished"

    again = Watcher()
    run_study(study, observer=again)
    assert [job.runs[0].design for job in again.jobs] == ["bad"]


def test_a_study_folder_has_one_process_at_a_time(tmp_path: Path) -> None:
    study = rules(tmp_path)
    study.folder.mkdir()
    hold = (
        "import sys\nfrom pathlib import Path\nfrom assume_rl.results.owner import owned\n"
        f"with owned(Path({str(study.folder)!r})):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        who = f"is being written by another process: process {other.pid} on host"
        with pytest.raises(ResultsError, match=who):
            run_study(study)
        other.kill()
    assert run_study(study).complete


@pytest.mark.slow
@pytest.mark.usefixtures("quick_workers")
def test_workers_have_stopped_when_an_observer_raises(tmp_path: Path) -> None:
    class Impatient(Watcher):
        def ended(self, report: Report) -> None:
            raise KeyboardInterrupt

    study = rules(tmp_path, seeds=20)
    with pytest.raises(KeyboardInterrupt):
        run_study(study, workers=2, observer=Impatient())
    assert "running" not in status(study).counts
    assert status(study).counts["finished"] < 20


def test_a_database_that_goes_away_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = rules(tmp_path)

    def away(*_: object) -> None:
        raise ResultsError("database: connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(StudyDatabase, "collect", away)
        result = run_study(study)
    assert not result.complete
    assert (result.failures, result.not_stored) == ((), "database: connection refused")
    assert [row.stored for row in result.status.rows] == [False, False]

    watcher = Watcher()
    result = run_study(study, observer=watcher)
    assert result.complete
    assert watcher.jobs == []
    assert [row.stored for row in result.status.rows] == [True, True]
    assert len(study_tables(study)["runs"]) == 2


def test_a_lost_database_is_made_again_from_the_folders(serial: Study) -> None:
    before = study_tables(serial)
    (serial.folder / "study.db").unlink()
    watcher = Watcher()
    assert run_study(serial, observer=watcher).complete
    assert watcher.jobs == []
    assert study_tables(serial) == before


def test_a_run_that_is_called_otherwise_is_not_another_one(tmp_path: Path) -> None:
    study = rules(tmp_path)
    run_study(study)
    renamed = tuple(replace(run, design="naive", parameters={"new": 1}) for run in study.runs)
    watcher = Watcher()
    assert run_study(replace(study, runs=renamed), observer=watcher).complete
    assert watcher.jobs == []
    rows = [json.loads(row) for row in study_tables(study)["runs"]]
    assert {(row["design"], row["parameters"]) for row in rows} == {("naive", '{"new": 1}')}


def test_a_database_of_ones_own_that_cannot_be_opened_is_told_before_anything_runs(
    tmp_path: Path,
) -> None:
    study = replace(rules(tmp_path), database=f"sqlite:///{tmp_path}/nowhere/study.db")
    with pytest.raises(ResultsError, match="nowhere"):
        run_study(study)
    assert not (study.folder / "runs").exists()


def test_results_go_to_a_database_of_ones_own(tmp_path: Path) -> None:
    study = replace(rules(tmp_path), database=f"sqlite:///{tmp_path}/mine.db")
    result = run_study(study)
    assert result.database.endswith("/mine.db")
    assert len(tables(tmp_path / "mine.db")["runs"]) == 2
    assert not (study.folder / "study.db").exists()


def test_a_server_is_written_by_workers_and_its_password_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql+psycopg://me:secret@localhost/x"
    study = replace(rules(tmp_path), database=url)
    stored: list[tuple[list[str], str]] = []
    monkeypatch.setattr(driver, "unstored", lambda *_: [])
    monkeypatch.setattr(
        "assume_rl.studies.execute.store", lambda _, ids, url, __: stored.append((ids, url))
    )
    monkeypatch.setattr(driver, "store", lambda *_: "no connection")
    assert run_study(study).not_stored == "no connection"
    assert stored == [([run.id], url) for run in study.runs]
    assert "secret" not in (study.folder / "study.json").read_text()


def test_what_was_asked_for_last_is_written_down(serial: Study) -> None:
    content: dict[str, Any] = json.loads((serial.folder / "study.json").read_text())
    assert content["name"] == "toys"
    assert content["database"] is None
    assert content["runs"][0] == {"id": serial.runs[0].id, "design": "base", "seed": 1}


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "study").write_text("a file")
    with pytest.raises(ResultsError, match=r"'.*study' cannot be written: '.*study' is a file"):
        run_study(rules(tmp_path))


def test_a_full_disk_is_one_sentence_per_run(tmp_path: Path, small_disk: Path) -> None:
    study = replace(rules(tmp_path), folder=small_disk / "study")
    result = run_study(replace(study, database=f"sqlite:///{tmp_path}/study.db"))
    assert len(result.failures) == 2
    for failure in result.failures:
        assert "No space left on device" in str(failure.error) or "disk is full" in str(
            failure.error
        )
        assert "\n" not in str(failure.error)


@pytest.fixture
def small_disk(tmp_path: Path):
    """A disk of 100 kB, which takes root."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = "size=100k"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "none", disk], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    study = rules(tmp_path)
    folder = study.folder / "runs" / study.runs[0].id
    write_json(folder / "run.json", {"id": "x"})
    with pytest.raises(ResultsError, match=r"run\.json' is damaged"):
        status(study)
