"""How far a study is, from its folders alone."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from toy_studies import broken, cell, plain, study_of, training

from assume_rl.results.owner import owned
from assume_rl.studies.attempts import begin
from assume_rl.studies.driver import run_study
from assume_rl.studies.records import Record, run_folder, write_record
from assume_rl.studies.status import RunStatus, status
from assume_rl.studies.types import Study

pytestmark = pytest.mark.unchecked


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A finished run, a failed one and one that nobody has begun."""
    runs = [*cell("good", (1,), plain()), *cell("bad", (1,), broken())]
    run_study(study_of(tmp_path, runs))
    return study_of(tmp_path, [*runs, *cell("new", (1,), training())])


def new(study: Study) -> RunStatus:
    return status(study).rows[-1]


def test_every_stage_is_told(study: Study) -> None:
    found = status(study)
    assert [row.stage for row in found.rows] == ["finished", "failed", "waiting"]
    assert [row.stored for row in found.rows] == [True, True, False]
    assert "have no policy" in found.rows[1].detail
    assert found.counts == {"finished": 1, "failed": 1, "waiting": 1}
    assert found.designs["bad"] == {"failed": 1}


def test_a_run_is_running_as_long_as_its_lock_is_held(study: Study) -> None:
    folder = run_folder(study.folder, study.runs[-1].id)
    folder.mkdir()
    with owned(folder):
        begin(folder, study.runs[-1], "toys")
        assert (new(study).stage, new(study).detail) == ("running", "train")
        (folder / "train").mkdir()
        learning = {"learning_config": {"training_episodes": 9}}
        content = {"kind": "train", "state": "running", "configuration": learning}
        (folder / "train" / "manifest.json").write_text(json.dumps(content))
        lines = [(1, False), (1, True), (2, False)]
        text = "\n".join(json.dumps({"episode": k, "evaluation": e}) for k, e in lines)
        (folder / "train" / "metrics.jsonl").write_text(f'{text}\n{{"evaluation": fal')
        assert new(study).detail == "train, episode 2 of 9"
    assert (new(study).stage, new(study).detail) == ("interrupted", "train, episode 2 of 9")


def test_a_thousand_runs_are_looked_up_in_a_second(tmp_path: Path) -> None:
    study = study_of(tmp_path, cell("many", range(1000), plain()))
    record = Record.of(study.runs[0], "toys")
    for run in study.runs:
        write_record(run_folder(study.folder, run.id), replace(record, state="finished"))
    start = time.process_time()
    assert status(study).counts == {"finished": 1000}
    assert time.process_time() - start < 1.0
