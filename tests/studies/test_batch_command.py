"""`assume-rl batch`: what it prints, its exit codes, and what Ctrl-C leaves."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from toy_studies import RULES, SCENARIOS, SHORT, broken, cell, plain, study_of, tables

from assume_rl.cli.batch_output import print_result
from assume_rl.cli.batch_progress import StudyBar
from assume_rl.cli.pace import duration
from assume_rl.errors import ResultsError
from assume_rl.results.study_database import StudyDatabase
from assume_rl.studies import driver
from assume_rl.studies import file as study_file
from assume_rl.studies.driver import StudyResult
from assume_rl.studies.jobs import Job, Outcome, Report
from assume_rl.studies.status import status

pytestmark = pytest.mark.unchecked

Command = Callable[..., tuple[int, str, str]]
STUDY: dict[str, Any] = {
    "name": "toys",
    "scenarios": str(RULES),
    "list": [{"name": "day"}, {"name": "half", "set": {"end_date": "2019-01-01 12:00"}}],
    "seeds": [1, 2],
}
LONG = {
    "scenarios": str(SCENARIOS / "single_learner"),
    "cases": ["tiny"],
    "set": SHORT | {"learning_config.training_episodes": 2_000},
    "list": [{"name": "toys"}],
    "steps": ["train"],
}


@pytest.fixture
def command(
    assume_rl_command: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Command:
    """Runs `assume-rl batch toys.yaml ARGUMENTS`: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object, **keys: object) -> tuple[int, str, str]:
        Path("toys.yaml").write_text(yaml.safe_dump(STUDY | keys))
        return assume_rl_command("batch", "toys.yaml", *arguments)

    return call


def test_a_study_is_run_and_the_next_command_is_named(command: Command, tmp_path: Path) -> None:
    code, out, err = command()
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "4 runs, 0 of them finished"
    assert lines[1] == "1/4 day, seed 1: finished"
    assert lines[-3] == "results: studies/toys"
    assert lines[-2] == f"study database: sqlite:///{tmp_path}/studies/toys/study.db"
    assert lines[-1] == "next: assume-rl report studies/toys"
    assert len(tables(tmp_path / "studies" / "toys" / "study.db")["runs"]) == 4

    code, out, _ = command("--set", "seeds=[1, 2, 3]")
    assert code == 0
    assert out.splitlines()[0] == "6 runs, 4 of them finished"


def test_results_go_where_the_command_line_says(command: Command, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/mine.db"
    code, out, err = command("--out", "mine", "--db", url, "--quiet")
    assert (code, out, err) == (0, "", "")
    assert len(tables(tmp_path / "mine.db")["runs"]) == 4
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [
        "runs",
        "study.json",
    ]


def test_a_dry_run_says_what_it_would_cost_and_runs_nothing(
    command: Command, tmp_path: Path
) -> None:
    code, out, _ = command("--dry-run", "--workers", 2)
    assert code == 0
    assert "a short trial" in out
    assert "4 runs, 4 to do: about" in out
    assert "with --workers 2" in out
    assert [path.name for path in tmp_path.iterdir()] == ["toys.yaml"]


def test_failed_runs_are_listed_with_their_reasons(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [*cell("bad", (1,), broken()), *cell("good", (1,), plain())]
    monkeypatch.setattr(study_file, "study_of", lambda *_: study_of(tmp_path, runs))
    code, out, err = command("--quiet")
    assert (code, out) == (1, "")
    assert err.splitlines()[0].startswith(f"failed: bad, seed 1 ({runs[0].id}): ")
    assert "learning bidder(s) have no policy" in err
    assert err.splitlines()[-1] == "the same command tries them again"
    _, out, _ = command("--status")
    assert f"failed: bad, seed 1 ({runs[0].id}): " in out


def test_runs_that_are_not_stored_yet_are_told(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ResultsError("database: connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(StudyDatabase, "collect", away)
        code, _, err = command()
    assert code == 1
    assert err.startswith("not all runs are in the study database yet: database: connection ref")
    assert "4 runs that have ended are not in the study database yet" in command("--status")[1]
    assert command()[0] == 0
    assert "not in the study database" not in command("--status")[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--set", "sedes=3"), "unknown key"),
        (("--set", "seeds"), "expected key=value"),
        (("--db", "nonsense"), "the database URL cannot be understood"),
        (("--db", "nonsense", "--dry-run"), "the database URL cannot be understood"),
        (("--status", "--dry-run"), "name one of them"),
        (("--address", "auto"), "add --executor ray"),
        (("--executor", "ray", "--address", "127.0.0.1:1"), "Ray at '127.0.0.1:1'"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_runs(
    command: Command, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    code, _, err = command(*arguments)
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err
    assert not (tmp_path / "studies" / "toys" / "runs").exists()


def test_a_study_is_not_written_among_the_files_of_a_run(command: Command, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text("{}")
    code, _, err = command("--out", str(tmp_path / "run"))
    assert (code, err) == (2, f"'{tmp_path}/run' holds a run, not a study; choose another --out\n")
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["manifest.json"]


def test_ctrl_c_and_sigterm_say_how_to_resume(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("--set", "seeds=[1]")
    before = signal.getsignal(signal.SIGTERM)
    for number in (signal.SIGINT, signal.SIGTERM):
        with monkeypatch.context() as patch:
            patch.setattr(driver, "run_study", lambda *_, n=number, **__: signal.raise_signal(n))
            code, _, err = command()
        assert code == 130
        assert err.startswith(
            "interrupted: 2 of 4 runs are finished; the same command does the others"
        )
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
def test_a_real_interruption_of_worker_processes(command: Command, tmp_path: Path) -> None:
    Path("toys.yaml").write_text(yaml.safe_dump(STUDY | LONG))
    started = [sys.executable, "-m", "assume_rl.cli", "batch", "toys.yaml", "--workers", "2"]
    process = subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "episode" not in command("--status", **LONG)[1]:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (130, False)
    out = command("--status", **LONG)[1]
    assert "interrupted: toys, seed 1" in out
    assert "running" not in out


def test_the_bar_names_what_is_at_work_and_counts_failures() -> None:
    runs = cell("[a]", range(5), plain())
    console = Console(file=StringIO(), force_terminal=True, width=200)
    with StudyBar(console) as bar:
        bar.begin(5, 0)
        bar.started(Job("toys", tuple(runs)))
        bar.ended(Report(Job("toys", tuple(runs[:1])), (Outcome(runs[0], "failed", "why"),)))
        description = bar._progress.tasks[0].description
        assert (
            description
            == r"[red]1 failed[/red]  \[a], seed 1; \[a], seed 2; \[a], seed 3 and 1 more"
        )
        assert bar._progress.tasks[0].completed == 1


def test_many_failures_are_not_all_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = study_of(tmp_path, cell("bad", range(30), broken()))
    failures = tuple(Outcome(run, "failed", "why") for run in study.runs)
    result = StudyResult(status(study), failures, None, "postgresql+psycopg://me:secret@host/x")
    print_result(Console(width=200), study, result)
    output = capsys.readouterr()
    assert len(output.err.splitlines()) == 22
    assert "and 10 more" in output.err
    assert "secret" not in output.out


def test_durations_are_short() -> None:
    found = [duration(seconds) for seconds in (0.25, 9.96, 59.7, 3599, 3600, 200_000)]
    assert found == ["0.2 s", "10 s", "1 min", "1.0 h", "1.0 h", "2.3 d"]
