"""Every algorithm from a study case to bids: both shells, save and load, resume, seeds, copies."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from fleets import Unit, write_fleet
from test_fleets import FLEETS, check_fleet, check_same_learning
from test_resume import Impatient, assert_same_results
from trained_runs import bids, table

from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.run import run
from assume_rl.experiments.train import TrainResult, train, train_seeds
from assume_rl.learning.algorithms import ALGORITHMS, able
from assume_rl.learning.config import SETTINGS
from assume_rl.learning.nets.heads import HEADS
from assume_rl.learning.policies.folder import load_policies
from assume_rl.reports.report import report
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

pytestmark = pytest.mark.unchecked

ENGINES: tuple[EngineName, ...] = ("agents", "batch")
# Different sizes and kinds under one joint critic, two operators.
MIXED = [Unit("two", "A"), Unit("single", "B"), Unit("storage", "A")]
NAMES = [n if n == "mappo" else pytest.param(n, marks=pytest.mark.slow) for n in able("box")]
LONG = [pytest.param(name, marks=pytest.mark.slow) for name in able("box") if name != "mappo"]
ON_POLICY = [name for name in able("box") if ALGORITHMS[name].on_policy]


def case(folder: Path, algorithm: str, **settings: Any) -> Scenario:
    few = {"epochs": 2} if "epochs" in SETTINGS[algorithm].model_fields else {}
    chosen = {"algorithm": algorithm, "learning_rate": 0.003, **few} | settings
    return load_scenario(write_fleet(folder, MIXED, **chosen))


def weights(result: TrainResult) -> dict[str, torch.Tensor]:
    loaded = load_policies(result.folder / "policies" / "last")
    return {
        f"{unit} {name}": value
        for stack in loaded.actors
        for unit in stack.unit_ids
        for name, value in stack.module_state(unit).items()
    }


# itd3 does so with memory in test_actors_with_memory.py.
@pytest.mark.parametrize("name", ["mappo", *LONG])
def test_both_shells_learn_the_same_and_saved_policies_bid_the_same(
    name: str, tmp_path: Path
) -> None:
    learned_the_same_and_bids_the_same(case(tmp_path / "case", name), tmp_path)


def learned_the_same_and_bids_the_same(scenario: Scenario, tmp_path: Path) -> None:
    """Train a case on both shells, and act on the policies."""
    trained = [train(scenario, engine=engine, out=tmp_path / engine) for engine in ENGINES]
    check_same_learning(scenario, *trained)
    steps = [table(result.folder, "rl_grad_params")["step"].unique().tolist() for result in trained]
    assert steps[0] == steps[1] == list(range(len(steps[0])))
    # The last policies: as the training recorded them, evaluated, and in a run.
    last = trained[0].folder / "policies" / "last"
    head = ALGORITHMS[scenario.learning.algorithm].networks()["actor"].head
    assert {stack.head for stack in load_policies(last).actors} == {head}
    again = evaluate(scenario, policies=last, out=tmp_path / "evaluate")
    assert again.evaluation.reward == pytest.approx(trained[0].last.reward, rel=1e-12)
    run(scenario, policies=last, out=tmp_path / "run")
    for folder in ("evaluate", "run"):
        found, expected = bids(tmp_path / folder), bids(trained[0].folder)
        pd.testing.assert_series_equal(found, expected, rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", able("box"))
def test_all_kinds_of_learners_in_one_fleet(name: str, tmp_path: Path) -> None:
    check_fleet(tmp_path, FLEETS["everything"], algorithm=name)


@pytest.mark.parametrize("engine", [pytest.param("agents", marks=pytest.mark.slow), "batch"])
@pytest.mark.parametrize("name", NAMES)
def test_resumed_is_uninterrupted(name: str, engine: EngineName, tmp_path: Path) -> None:
    resumed_is_uninterrupted(name, engine, tmp_path)


def resumed_is_uninterrupted(
    name: str, engine: EngineName, tmp_path: Path, **settings: Any
) -> None:
    """Train a case at once, and again with a break."""
    settings |= {"training_episodes": 3, "replay_buffer_size": 8, "batch_size": 4}
    scenario = case(tmp_path / "case", name, **settings)
    whole = train(scenario, engine=engine, out=tmp_path / "whole")
    out = tmp_path / "out"
    observer = Impatient(len(whole.episodes) - 2, middle=True)
    with pytest.raises(KeyboardInterrupt):
        train(scenario, engine=engine, out=out, observer=observer)
    train(scenario, engine=engine, out=out, resume=True)
    assert_same_results(out, whole.folder)


@pytest.mark.parametrize("name", [pytest.param("mappo", marks=pytest.mark.slow), *LONG])
def test_seeds_side_by_side_learn_what_each_learns_alone(name: str, tmp_path: Path) -> None:
    seeds_learn_what_each_learns_alone(name, tmp_path)


def seeds_learn_what_each_learns_alone(name: str, tmp_path: Path, **settings: Any) -> None:
    """Train a case with two seeds side by side, two copies each, and each seed alone."""
    settings |= {"num_envs": 2, "training_episodes": 3, "validation_episodes_interval": 3}
    settings |= {} if ALGORITHMS[name].on_policy else {"training_episodes": 6}
    scenario = case(tmp_path / "case", name, **settings)
    together = train_seeds(scenario, seeds=(5, 6), out=tmp_path / "together")
    for seed, result in zip((5, 6), together, strict=True):
        alone = train(scenario, seed=seed, out=tmp_path / f"alone {seed}")
        for key, value in weights(alone).items():
            torch.testing.assert_close(value, weights(result)[key], rtol=1e-4, atol=1e-5)
        assert result.last.reward == pytest.approx(alone.last.reward, abs=1e-5)


@pytest.mark.parametrize(
    "name", [n if n == "mappo" else pytest.param(n, marks=pytest.mark.slow) for n in ON_POLICY]
)
def test_copies_side_by_side_are_learned_from_together(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN three episodes, two side by side and then one
    seen: list[list[tuple[int, int]]] = []
    algorithm = ALGORITHMS[name]
    update = type(algorithm).update

    def spy(self: Any, work: Any) -> int:
        seen.append([(stretch.rows, stretch.copies) for stretch in work.stretches])
        return update(self, work)

    monkeypatch.setattr(type(algorithm), "update", spy)
    settings = {"num_envs": 2, "training_episodes": 3, "validation_episodes_interval": 3}
    train(case(tmp_path / "case", name, **settings), engine="batch", out=tmp_path / "out")
    # THEN what was not learned from when the first two ended is learned from in the third
    # (an update every 3 h; a reward comes an hour after the decision)
    copies = [[c for _, c in stretches] for stretches in seen]
    assert copies == [[2], [2], [2, 1], [1]]
    rows = sum(r for stretches in seen for r, _ in stretches)
    assert all(r % c == 0 for stretches in seen for r, c in stretches)
    assert 0 < rows < 3 * 6


@pytest.mark.parametrize(
    ("before", "after", "engine"),
    [
        pytest.param("matd3", "masac", "agents", marks=pytest.mark.slow),
        ("masac", "mappo", "batch"),
        pytest.param("itd3", "matd3", "batch", marks=pytest.mark.slow),
    ],
)
def test_policies_of_another_algorithm_are_taken_over_or_named(
    before: str, after: str, engine: EngineName, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = train(case(tmp_path / "before", before), out=tmp_path / "first")
    load = {"continue_learning": True, "trained_policies_load_path": str(first.folder)}
    second = case(tmp_path / "after", after, **load)
    train(second, engine=engine, out=tmp_path / "second")
    heads = [ALGORITHMS[name].networks()["actor"].head for name in (before, after)]
    refused = f"it is of {before} and has the head {heads[0]}, actors of {after} have {heads[1]}"
    assert (refused in caplog.text) == (heads[0] != heads[1])
    temperature = ", initial_temperature: 0.01" if before == "masac" else ""
    was = f"they are of {before} with critic: concat and mlp actors{temperature}"
    assert f"{was}, this training is of {after}" in caplog.text
    assert set(heads) <= set(HEADS)


def test_algorithms_share_a_database_and_have_reports(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'results.db'}"
    for name in ("masac", "mappo"):
        result = train(case(tmp_path / name, name), out=tmp_path / f"out {name}", db=url)
        report(result.folder)
        state = json.loads((result.folder / "manifest.json").read_text())["state"]
        assert state == "finished"
    rows = table(tmp_path, "rl_grad_params")
    assert {"temperature", "kl", "value_loss", "critic_loss", "entropy"} <= set(rows.columns)
    # A row has what its algorithm measures, and nothing else.
    measured = rows.groupby("simulation").count()
    assert (measured["temperature"] > 0).sum() == (measured["kl"] > 0).sum() == 1
    assert (measured["entropy"] > 0).all()
