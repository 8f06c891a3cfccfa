"""`assume-rl tune`: what it prints and its exit codes; trainings are those of `test_tuning`."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from study_text import write
from test_tuning import TOY

from assume_rl.cli.progress import ProgressObserver
from assume_rl.cli.tune_output import TuningLines, print_tuning
from assume_rl.studies import estimate as estimating
from assume_rl.studies.estimate import Cost, Estimate
from assume_rl.studies.tuning import driver
from assume_rl.studies.tuning.driver import TuningObserver, TuningResult
from assume_rl.studies.tuning.file import read_tuning
from assume_rl.studies.tuning.types import Trial, Tuning
from assume_rl.studies.types import Study

pytestmark = pytest.mark.unchecked

Command = Callable[..., tuple[int, str, str]]
RATE, HIDDEN = TOY["space"]
TRIALS = (
    Trial(0, {RATE: 0.0123456789, HIDDEN: [8]}, "complete", 0.5, None, 30.0),
    Trial(1, {RATE: 0.1, HIDDEN: [16, 8]}, "pruned", None, "pruned after evaluation 2", 10.0),
)


@pytest.fixture
def command(assume_rl_command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs `assume-rl tune toy.yaml ARGUMENTS`: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments: object) -> tuple[int, str, str]:
        write(tmp_path, yaml.safe_dump(TOY), "toy.yaml")
        return assume_rl_command("tune", "toy.yaml", *arguments)

    return call


def done(best: Trial | None) -> Callable[[Tuning, TuningObserver], TuningResult]:
    def run(tuning: Tuning, observer: TuningObserver) -> TuningResult:
        observer.begin(tuning, ())
        for trial in TRIALS:
            observer.started(trial.number, trial.values)
            observer.ended(trial, best, 3 - trial.number)
        return TuningResult(
            trials=TRIALS,
            best=best,
            file=None if best is None else tuning.folder / "best.yaml",
            importances={RATE: 0.75, HIDDEN: 0.25} if best else {},
            out_of_time=True,
            not_stored=None,
            database="sqlite:///study.db",
        )

    return run


def test_it_says_what_is_tried_what_came_and_what_is_next(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "run_tuning", done(TRIALS[0]))
    code, out, err = command("--set", "timeout=2h", "--out", "mine")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:3] == [
        "budget: 2 trials x 2 seeds x 2 training episodes: 8 episodes at most; no trial is begun "
        "after 2.0 h",
        "trial 0: learning_rate=0.0123457, actor_hidden=[8]: best_reward.reward 0.5 (best 0.5, "
        "trial 0), 30 s; 3 left, about 2 min",
        "trial 1: learning_rate=0.1, actor_hidden=[16, 8]: pruned after evaluation 2 (best 0.5, "
        "trial 0), 10 s; 2 left, about 40 s",
    ]
    assert "trials: 1 complete, 1 pruned" in lines
    assert "out of time: the same command does the trials that are left" in lines
    assert "best: trial 0, best_reward.reward 0.5, mean over 2 seeds" in lines
    assert lines[-1] == "next: assume-rl batch mine/best.yaml"
    assert "75 %" in out


def test_names_are_printed_as_they_are_and_passwords_are_not(tmp_path: Path) -> None:
    file = StringIO()
    key = "units.plant[/north].max_power"
    best = Trial(0, {key: "[red]"}, "complete", 0.5)
    url = "postgresql://me:tell@host/db?sslpassword=tell"
    result = TuningResult((best,), best, None, {}, False, None, url)
    print_tuning(
        Console(file=file, width=120), read_tuning(write(tmp_path, yaml.safe_dump(TOY))), result
    )
    text = file.getvalue()
    assert f"│ {key} │ [red] │" in text
    assert "study database: postgresql://me:***@host/db?sslpassword=***" in text
    assert "tell" not in text


def test_without_a_complete_trial_it_ends_with_1(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "run_tuning", done(None))
    code, out, _ = command("--quiet")
    assert (code, out) == (1, "")


def test_ctrl_c_ends_with_130_and_says_how_to_resume(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any) -> TuningResult:
        raise KeyboardInterrupt

    monkeypatch.setattr(driver, "run_tuning", stopped)
    code, _, err = command()
    assert (code, err) == (
        130,
        "interrupted: the same command resumes the trial that was stopped\n",
    )


def test_a_dry_run_states_the_budget_and_writes_nothing(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def estimated(study: Study) -> Estimate:
        return Estimate(
            tuple(Cost(run, 45.0, measured=False, finished=False) for run in study.runs)
        )

    monkeypatch.setattr(estimating, "estimate", estimated)
    code, out, err = command("--dry-run")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "budget: 2 trials x 2 seeds x 2 training episodes: 8 episodes at most",
        "a trial of the first values takes about 2 min of one processor with its seeds one after "
        "the other, 2 trials about 3 min. This is an estimate.",
    ]
    assert not (tmp_path / "studies").exists()


def test_on_a_terminal_there_is_a_bar_while_a_trial_runs() -> None:
    console = Console(file=StringIO(), force_terminal=True)
    with TuningLines(console) as lines:
        bar = lines.started(0, {})
        assert isinstance(bar, ProgressObserver)
        bar.begin(10)
        bar.advance(0.5)


def test_a_mistake_is_one_sentence(command: Command, tmp_path: Path) -> None:
    code, out, err = command("--set", "objective={maximize: rewrd}")
    assert (code, out) == (2, "")
    assert err == "toy.yaml, objective: there is no metric 'rewrd'; did you mean 'reward'?\n"
    assert not (tmp_path / "studies").exists()
