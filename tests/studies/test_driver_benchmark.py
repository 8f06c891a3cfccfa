"""The benchmark of studies: its arithmetic, and that it does what it says."""

import json

import pytest

from benchmarks import study


def test_time_beside_the_runs_is_what_workers_did_not_spend_in_them() -> None:
    timing = study.Timing(
        runs=10, workers=2, seconds=3.0, starting=1.0, inside=4.0, parent=0.02, megabytes=99.6
    )
    assert timing.row() == "| 10 | 2 | 3.0 | 1.0 | 300.0 | 200.0 | 100.0 | 2.0 | 100 |"


def test_a_study_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["study", "--alone", "--runs", "3", "--workers", "1"]
    monkeypatch.setattr("sys.argv", arguments)
    study.main()
    timing = study.Timing(**json.loads(capsys.readouterr().out))
    assert (timing.runs, timing.workers) == (3, 1)
    assert 0 < timing.inside < timing.starting + timing.seconds
    assert timing.megabytes > 10
