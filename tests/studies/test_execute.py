"""A job's runs: what they leave is what the same commands leave by hand, whatever happens."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy_studies import (
    SCENARIOS,
    SHORT,
    broken,
    cell,
    evaluation,
    manifest,
    plain,
    study_of,
    training,
)
from toy_studies import tables as all_tables

from assume_rl import cli
from assume_rl.errors import ConfigurationError
from assume_rl.experiments.observer import Silent
from assume_rl.results.owner import owned
from assume_rl.studies import execute as executing
from assume_rl.studies import steps
from assume_rl.studies.execute import execute, record_death
from assume_rl.studies.jobs import Job, Report
from assume_rl.studies.records import Record, read_record, run_folder
from assume_rl.studies.types import Run, Study

pytestmark = pytest.mark.unchecked


def do(study: Study, runs: Sequence[Run] | None = None) -> Report:
    """Execute runs as one job, without a database."""
    return execute(Job(study.name, tuple(runs or study.runs)), study.folder, None)


def record(study: Study, run: Run) -> Record:
    found = read_record(run_folder(study.folder, run.id))
    assert found is not None
    return found


def by_hand(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    """`assume-rl ...` with the settings of the toy studies."""
    settings = [text for key, value in SHORT.items() for text in ("--set", f"{key}={value}")]
    monkeypatch.setattr(sys, "argv", ["assume-rl", *map(str, arguments), *settings, "--quiet"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0


def comparable(folder: Path) -> dict[str, Any]:
    """Everything that a step left but moments, and times in the learning curve."""
    lines = (folder / "metrics.jsonl").read_text().splitlines() if "train" in folder.name else []
    return {
        "tables": all_tables(folder / "results.db", ("created", "finished")),
        "policies": {p.name: p.read_bytes() for p in sorted(folder.rglob("*.safetensors"))},
        "curve": [{**json.loads(line), "seconds": None} for line in lines],
        "files": sorted(path.name for path in folder.rglob("*")),
    }


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two seeds that were trained side by side and evaluated."""
    runs = cell("toy", (7, 8), training(), evaluation())
    study = study_of(tmp_path_factory.mktemp("executed"), runs)
    assert [outcome.state for outcome in do(study).outcomes] == ["finished", "finished"]
    return study


def test_a_run_is_what_the_same_commands_give(
    executed: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = (SCENARIOS / "single_learner", "--case", "tiny", "--seed", 7)
    by_hand(monkeypatch, "train", *case, "--out", tmp_path / "train")
    best = tmp_path / "train" / "policies" / "best_reward"
    by_hand(monkeypatch, "evaluate", *case, "--policies", best, "--out", tmp_path / "evaluate")

    folder = run_folder(executed.folder, executed.runs[0].id)
    for name in ("train", "evaluate"):
        assert comparable(folder / name) == comparable(tmp_path / name)
        expected = json.loads((tmp_path / name / "manifest.json").read_text())
        found = manifest(executed, executed.runs[0], name)
        assert {k for k in expected if expected[k] != found[k]} <= {
            *("started", "seconds", "policies_from", "policies_read")
        }


def test_a_record_says_what_was_done(executed: Study) -> None:
    found = record(executed, executed.runs[1])
    assert (found.state, found.error, found.attempts, found.seed) == ("finished", None, 1, 8)
    assert (found.study, found.design, found.parameters) == ("toys", "toy", {"design": "toy"})
    assert (found.engine, found.device) == ("batch", "cpu")
    assert found.steps[1] == {
        "name": "evaluate",
        "kind": "evaluate",
        "scenario": "single_learner",
        "case": "tiny",
    }
    assert found.seconds > 0
    assert found.finished is not None
    assert found.started <= found.finished
    assert {"assume-rl", "torch"} <= set(found.versions)


def test_what_is_finished_is_not_done_again(
    executed: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executing, "do_steps", lambda *_: pytest.fail("did steps again"))
    before = record(executed, executed.runs[0])
    assert [outcome.state for outcome in do(executed).outcomes] == ["finished", "finished"]
    assert record(executed, executed.runs[0]) == before


def test_a_step_that_is_finished_stays_and_a_half_done_one_begins_again(tmp_path: Path) -> None:
    study = study_of(tmp_path, cell("toy", (1,), plain("first"), plain("second")))
    folder = run_folder(study.folder, study.runs[0].id)
    do(study)
    first, second = (manifest(study, study.runs[0], name) for name in ("first", "second"))
    for path in (folder / "run.json", folder / "second" / "manifest.json"):
        path.write_text(path.read_text().replace('"finished",', '"running",'))
    (folder / "second" / "results.db").write_bytes(b"half a database")

    assert do(study).outcomes[0].state == "finished"
    assert manifest(study, study.runs[0], "first") == first
    assert manifest(study, study.runs[0], "second")["final_hash"] == second["final_hash"]


def test_a_folder_without_a_manifest_is_begun_again(tmp_path: Path) -> None:
    study = study_of(tmp_path, cell("toy", (1,), training(), plain()))
    for name in ("train", "run"):  # killed before the manifest was written
        folder = run_folder(study.folder, study.runs[0].id) / name
        folder.mkdir(parents=True)
        (folder / "results.db").write_bytes(b"")
    assert do(study).outcomes[0].error is None


def test_an_interrupted_training_goes_on_and_ends_as_if_it_had_not_been(
    executed: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(tmp_path, executed.runs)

    def pressed(self: Silent, report: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Silent, "episode", pressed)
        with pytest.raises(KeyboardInterrupt):
            do(study)
    assert {record(study, run).state for run in study.runs} == {"interrupted"}
    assert manifest(study, study.runs[0], "train")["state"] == "interrupted"

    assert {outcome.state for outcome in do(study).outcomes} == {"finished"}
    assert record(study, study.runs[0]).attempts == 2
    for run in study.runs:
        folders = [run_folder(s.folder, run.id) / "train" for s in (study, executed)]
        assert comparable(folders[0]) == comparable(folders[1])


def test_a_failing_run_is_recorded_and_the_seeds_beside_it_finish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain_training, calls = steps.train_places, []

    def fails_for_seed_2(scenario: Any, places: Any, **options: Any) -> object:
        calls.append([place.seed for place in places])
        if any(place.seed == 2 for place in places):
            raise ZeroDivisionError("division\nby zero")
        return plain_training(scenario, places, **options)

    monkeypatch.setattr(steps, "train_places", fails_for_seed_2)
    study = study_of(tmp_path, cell("toy", (1, 2, 3), training(), evaluation()))
    outcomes = do(study).outcomes
    assert calls == [[1, 2, 3], [1], [2], [3]]
    assert [outcome.state for outcome in outcomes] == ["finished", "failed", "finished"]
    assert outcomes[1].error == "ZeroDivisionError: division; by zero"
    trace = run_folder(study.folder, study.runs[1].id) / "error.txt"
    assert "fails_for_seed_2" in trace.read_text()
    assert not (trace.parent / "evaluate").exists()

    monkeypatch.setattr(steps, "train_places", plain_training)
    assert {outcome.state for outcome in do(study).outcomes} == {"finished"}
    assert not trace.exists()
    assert record(study, study.runs[1]).error is None


def test_what_the_user_can_mend_is_told_in_one_line_without_a_traceback(tmp_path: Path) -> None:
    study = study_of(tmp_path, cell("toy", (1,), broken()))
    outcome = do(study).outcomes[0]
    assert outcome.state == "failed"
    assert "learning bidder(s) have no policy" in str(outcome.error)
    assert "\n" not in str(outcome.error)
    assert record(study, study.runs[0]).error == outcome.error
    assert not (run_folder(study.folder, study.runs[0].id) / "error.txt").exists()


def test_a_run_that_another_process_holds_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executing, "PATIENCE", 0.1)
    study = study_of(tmp_path, cell("toy", (1, 2), plain()))
    folder = run_folder(study.folder, study.runs[0].id)
    folder.mkdir(parents=True)
    with owned(folder):
        busy, done = do(study).outcomes
        assert (busy.state, done.state) == ("busy", "finished")
        assert "another process" in str(busy.error)
        died = record_death(Job("toys", study.runs), study.folder, "the worker process died")
        assert [outcome.state for outcome in died.outcomes] == ["busy", "finished"]
    assert not (folder / "run.json").exists()


def test_runs_whose_worker_was_lost_are_recorded_as_failed(tmp_path: Path) -> None:
    study = study_of(tmp_path, cell("toy", (1, 2), plain()))
    do(study, study.runs[:1])
    outcomes = record_death(Job("toys", study.runs), study.folder, "signal 9").outcomes
    assert [(one.state, one.error) for one in outcomes] == [
        ("finished", None),
        ("failed", "signal 9"),
    ]
    assert record(study, study.runs[1]).state == "failed"
    assert do(study).outcomes[1].state == "finished"


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = study_of(tmp_path, cell("toy", (1, 2), plain()))
    plain_write = Path.write_bytes

    def full(self: Path, *arguments: Any, **options: Any) -> int:
        if "runs" in self.parts:
            raise OSError(28, "No space left on device", str(self))
        return plain_write(self, *arguments, **options)

    monkeypatch.setattr(Path, "write_bytes", full)
    outcomes = do(study).outcomes
    assert [outcome.state for outcome in outcomes] == ["failed", "failed"]
    assert all("No space left on device" in str(outcome.error) for outcome in outcomes)


def test_another_folder_of_the_same_name_is_not_taken_for_the_study(tmp_path: Path) -> None:
    study = study_of(tmp_path, cell("toy", (1,), plain()))
    work = executing.Work(study.folder, None, (), "token")
    for content in (None, "{", json.dumps({"token": "another"})):
        if content is not None:
            study.folder.mkdir(exist_ok=True)
            (study.folder / "study.json").write_text(content)
        with pytest.raises(ConfigurationError, match="does not see the study folder"):
            work(Job("toys", study.runs))
    assert not (study.folder / "runs").exists()


def test_policies_come_from_the_run_itself_or_from_a_folder(
    executed: Study, tmp_path: Path
) -> None:
    run = executed.runs[0]
    own = run_folder(executed.folder, run.id) / "train" / "policies" / "best_reward"
    assert steps.policy_source(run, run.steps[1], executed.folder) == own
    named = replace(run.steps[1], policies=str(own))
    study = study_of(tmp_path, cell("toy", (7,), named))
    do(study)
    hashes = [manifest(s, s.runs[0], "evaluate")["final_hash"] for s in (study, executed)]
    assert hashes[0] == hashes[1]


def test_trainings_are_tracked(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra 'track'")
    study = study_of(tmp_path, cell("toy", (1,), training()))
    execute(Job("toys", study.runs), study.folder, None, ["tensorboard"])
    assert list((study.folder / "runs").rglob("*tfevents*"))
