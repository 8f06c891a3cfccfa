"""Mutated folders, studies, policies and options: a clean error, or a run that balances.

A failure names the seed: `draw(seed, place, policies)` gives the same input again.
"""

from collections import Counter
from pathlib import Path

import pytest
from inputs import CASES, TRAINING, Input, draw
from judging import ended, fault

from assume_rl.experiments.train import train
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Policies of the learner."""
    folder, name, end = CASES["learner"]
    changes = {"end_date": end, **{f"learning_config.{key}": v for key, v in TRAINING.items()}}
    scenario = load_scenario(folder, name, overrides=changes)
    return train(scenario, out=tmp_path_factory.mktemp("trained") / "out").policies[0] / "last"


def tried(
    seeds: range, place: Path, policies: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Counter[str], list[str]]:
    """Return how often commands ended how, and what was wrong with which input."""
    counts: Counter[str] = Counter()
    faults: list[str] = []
    for seed in seeds:
        own = place / str(seed)
        own.mkdir()
        monkeypatch.chdir(own)
        given: Input = draw(seed, own, policies)
        how = ended(given.command, given.arguments)
        wrong = fault(given, how)
        counts["fault" if wrong else "run" if how.code == 0 else "error"] += 1
        if wrong:
            faults.append(f"{given}\n{wrong}")
    return counts, faults


def test_a_hundred_inputs_end_in_a_clean_error_or_a_run_that_balances(
    tmp_path: Path, policies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, faults = tried(range(100), tmp_path, policies, monkeypatch)
    assert not faults, "\n\n".join(faults)
    assert counts["run"] >= 5  # else mutations are so rough that nothing is run
    assert counts["error"] >= 30


@pytest.mark.parametrize("seed", range(4))
def test_what_is_not_changed_runs(
    seed: int, tmp_path: Path, policies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = draw(seed, tmp_path, policies, changed=False)
    how = ended(given.command, given.arguments)
    assert how.code == 0, how.errors
    assert not fault(given, how)


@pytest.mark.slow
def test_a_thousand_inputs_end_in_a_clean_error_or_a_run_that_balances(
    tmp_path: Path, policies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, faults = tried(range(100, 1100), tmp_path, policies, monkeypatch)
    assert not faults, "\n\n".join(faults)
