"""Mutated files and options of commands: a clean error, or a run that balances.

A failure names the seed: `draw(seed, place, made)` gives the same input again.
"""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from inputs import CASES, COMMANDS, STUDY, TRAINING, Input, Made, draw, write, write_scenario
from judging import ended, fault

from assume_rl.experiments.run import run
from assume_rl.experiments.train import train
from assume_rl.scenario.read import load_scenario
from assume_rl.studies.driver import run_study
from assume_rl.studies.file import read_study

pytestmark = pytest.mark.unchecked


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Policies of the learner, a run and a study."""
    place = tmp_path_factory.mktemp("made")
    folder, name, end = CASES["learner"]
    changes = {"end_date": end, **{f"learning_config.{key}": v for key, v in TRAINING.items()}}
    scenario = load_scenario(folder, name, overrides=changes)
    policies = train(scenario, out=place / "trained").policies[0] / "last"
    case = write_scenario(place / "scenario", "storage")
    run(load_scenario(place / "scenario", case), out=place / "run")
    (place / "study.yaml").write_text(STUDY.replace(", pay_as_bid", ""))
    run_study(replace(read_study(place / "study.yaml"), folder=place / "study"))
    return Made(policies, place / "run", place / "study")


def tried(
    seeds: range, place: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> tuple[Counter[str], list[str]]:
    """Return how often commands ended how, and what was wrong with which input."""
    counts: Counter[str] = Counter()
    faults: list[str] = []
    for seed in seeds:
        own = place / str(seed)
        own.mkdir()
        monkeypatch.chdir(own)
        given: Input = draw(seed, own, made)
        how = ended(given.command, given.arguments)
        wrong = fault(given, how)
        counts["fault" if wrong else "run" if how.code == 0 else "error"] += 1
        if wrong:
            faults.append(f"{given}\n{wrong}")
    return counts, faults


def test_a_hundred_inputs_end_in_a_clean_error_or_a_run_that_balances(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, faults = tried(range(100), tmp_path, made, monkeypatch)
    assert not faults, "\n\n".join(faults)
    assert counts["run"] >= 5  # else mutations are so rough that nothing is run
    assert counts["error"] >= 30


@pytest.mark.parametrize("command", list(COMMANDS))
def test_what_is_not_changed_runs(
    command: str, tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = Input(0, tmp_path, command)
    write(random.Random(0), given, made)
    how = ended(given.command, given.arguments)
    assert how.code == 0, how.errors
    assert not fault(given, how)


@pytest.mark.slow
def test_a_thousand_inputs_end_in_a_clean_error_or_a_run_that_balances(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, faults = tried(range(100, 1100), tmp_path, made, monkeypatch)
    assert not faults, "\n\n".join(faults)
