"""Every numbered example runs as it stands, from any folder, without a warning."""

import re
import runpy
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

pytestmark = pytest.mark.unchecked

EXAMPLES = Path(__file__).parents[1] / "examples"
EXPECTED = {
    "01_run_a_market.py": "dear hour: 20",
    "02_train_and_reload.py": "share of the exact best response",
}
MIX = "03_mix_policies.py"
FUNCTIONS = "06_algorithm_as_functions.py"
THEIRS = "07_train_with_stable_baselines3.py"
TWO = "08_train_mappo_with_torchrl.py"
TRAINS = {  # iterations, and the library that it needs
    "04_train_with_torchrl.py": ("10", "torchrl"),
    "05_train_with_pettingzoo.py": ("5", "pettingzoo"),
}


def test_every_numbered_example_is_tested() -> None:
    found = {path.name for path in EXAMPLES.glob("[0-9]*.py")}
    assert found == EXPECTED.keys() | {MIX, FUNCTIONS, THEIRS, TWO} | TRAINS.keys()


def output(script: str, folder: Path, *arguments: Path | str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / script, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def output_here(
    script: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *arguments: str,
) -> str:
    """The same without a process, and the imports, of its own."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    runpy.run_path(str(EXAMPLES / script), run_name="__main__")
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def test_an_example_runs_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def of_a_day(folder: Path, case: str) -> Scenario:
        whole = load_scenario(folder, case)
        return load_scenario(folder, case, overrides={"end_date": whole.start + timedelta(days=1)})

    monkeypatch.setattr("assume_rl.load_scenario", of_a_day)
    script = "01_run_a_market.py"
    assert EXPECTED[script] in output_here(
        script, tmp_path, monkeypatch, capsys, str(tmp_path / "out")
    )


@pytest.mark.slow
def test_an_example_runs_a_week_in_a_process_of_its_own(tmp_path: Path) -> None:
    script = "01_run_a_market.py"
    assert EXPECTED[script] in output(script, tmp_path, tmp_path / "out")


def test_an_example_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = "02_train_and_reload.py"
    assert EXPECTED[script] in output_here(
        script, tmp_path, monkeypatch, capsys, str(tmp_path / "out")
    )


@pytest.mark.slow
def test_the_example_of_a_mixed_market_needs_no_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = output_here(MIX, tmp_path, monkeypatch, capsys)
    assert "learner_01 (finished)" in printed
    assert printed.count("(finished)") == 2
    assert printed.count("(learning)") == 8
    assert (tmp_path / "runs" / "example_03" / "mixed" / "policies" / "last").is_dir()


@pytest.mark.parametrize(
    ("iterations", "more"), [("2", 0.0), pytest.param("10", 200.0, marks=pytest.mark.slow)]
)
def test_training_with_functions_pays(
    iterations: str,
    more: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    printed = output_here(FUNCTIONS, tmp_path, monkeypatch, capsys, iterations)
    profits = [float(own) for own in re.findall(r"(\d+) thousand EUR$", printed, re.M)]
    assert profits[-1] >= profits[0] + more


@pytest.mark.slow
@pytest.mark.parametrize("script", TRAINS)
def test_training_with_a_library_pays(script: str, tmp_path: Path) -> None:
    iterations, library = TRAINS[script]
    pytest.importorskip(library, reason=f"needs the extra '{library}'")
    printed = output(script, tmp_path, iterations)
    rewards = dict(re.findall(r"^(.+): reward (-?[\d.]+)", printed, flags=re.MULTILINE))
    assert float(rewards["after training"]) > float(rewards["before training"]) + 5.0


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["sac", "dqn"])
def test_learners_of_stable_baselines_come_near_the_best_response(
    algorithm: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("stable_baselines3", reason="needs the extra 'sb3'")
    printed = output_here(THEIRS, tmp_path, monkeypatch, capsys, algorithm)
    before, after = (float(own) for own in re.findall(r"([\d.-]+)% of it", printed))
    assert before < 50.0
    assert 70.0 < after < 100.0


@pytest.mark.slow
def test_two_learners_of_torchrl_answer_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of them earns more than before, and most of what it could."""
    pytest.importorskip("torchrl", reason="needs the extra 'torchrl'")
    printed = output_here(TWO, tmp_path, monkeypatch, capsys)
    shares = [float(own) for own in re.findall(r"([\d.-]+)% of its best response", printed)]
    assert all(after > before + 20.0 for before, after in zip(shares[:2], shares[2:], strict=True))
