"""Learners of every strategy, spread over operators in any way: train, save, load, evaluate."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fleets import STRATEGIES, Unit, names, write_fleet
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from trained_runs import table

from assume_rl.experiments.evaluate import EvaluationResult, evaluate
from assume_rl.experiments.policies import all_policies
from assume_rl.experiments.scales import compiled_to_play
from assume_rl.experiments.train import TrainResult, train
from assume_rl.learning.critics import CRITICS
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

pytestmark = pytest.mark.unchecked

ENGINES = ("agents", "batch")
# Kinds that every algorithm learns; those on a ladder are in test_ladders.py.
LEARNED = sorted(kind for kind in STRATEGIES if kind != "rule" and "ladder" not in kind)
ACTIONS = {"two": 2, "curve": 5, "ladder": 2}  # numbers per product, where there is more than one


def of(kind: str, operators: str) -> list[Unit]:
    """Units of one kind, the operator of each."""
    return [Unit(kind, operator) for operator in operators]


FLEETS = {
    "six of one operator": of("single", "AAAAAA"),
    "operators across blocks": of("single", "AAABBBBCCCCC"),
    "operators that alternate": of("single", "ABABABAB"),
    "the longer action first": [Unit("two", "A"), Unit("single", "B")],
    "the longer action last": [Unit("single", "A"), Unit("two", "B")],
    "both lengths in one operator": [*of("single", "AA"), *of("two", "AA"), *of("rule", "A")],
    "a storage and a renewable": [Unit("storage", "A"), Unit("renewable", "B")],
    "a renewable and a storage in one": [Unit("renewable", "A"), Unit("storage", "A")],
    "a storage and a plant of equal sizes": [Unit("storage", "A"), Unit("single", "B")],
    "a storage and a plant of other sizes": [Unit("two", "A"), Unit("storage", "B")],
    "everything": [Unit(kind, op) for kind in [*LEARNED, "rule"] for op in "AB"],
}

QUICK = "a renewable and a storage in one"  # test_ladders.py has actions of different lengths


def check_fleet(
    folder: Path, fleet: Sequence[Unit], critic: str = "concat", products: int = 1, **learning: Any
) -> None:
    """Train on both shells, evaluate what was saved on both, and start from it."""
    scenario = load_scenario(
        write_fleet(folder / "scenario", fleet, products, critic=critic, **learning)
    )
    trained = [train(scenario, engine=e, out=folder / f"train {e}") for e in ENGINES]
    learners = {n for n, unit in zip(names(fleet), fleet, strict=True) if unit.kind != "rule"}
    for result in trained:
        assert {score.unit for score in result.last.units} == learners
        assert set(table(result.folder, "rl_grad_params")["unit"]) == learners
        check_actions(result.folder, fleet, products)
    check_same_learning(scenario, *trained)
    evaluations = [
        evaluate(scenario, policies=trained[0].folder, engine=e, out=folder / f"evaluate {e}")
        for e in ENGINES
    ]
    check_same_evaluation(*evaluations)
    for engine in ENGINES:
        further = train(
            scenario, policies=trained[0].folder, engine=engine, out=folder / f"further {engine}"
        )
        assert {score.unit for score in further.last.units} == learners


def check_actions(folder: Path, fleet: Sequence[Unit], products: int) -> None:
    """A row has as many actions as the unit's strategy, whichever unit came first."""
    rows = table(folder, "rl_params").set_index("unit")
    for name, unit in zip(names(fleet), fleet, strict=True):
        if unit.kind != "rule":
            own = rows.loc[[name], [c for c in rows if c.startswith("actions_")]]
            assert (own.notna().sum(axis=1) == products * ACTIONS.get(unit.kind, 1)).all()


def check_same_learning(scenario: Scenario, one: TrainResult, other: TrainResult) -> None:
    """Both shells learn the same policies."""
    compiled = compiled_to_play(scenario, one.folder)
    first, second = (all_policies(compiled, result.folder) for result in (one, other))
    assert list(first) == list(second)
    for unit in first:
        pairs = zip(first[unit].weights.values(), second[unit].weights.values(), strict=True)
        for a, b in pairs:
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    manifests = [
        json.loads((r.folder / "policies/last/manifest.json").read_text()) for r in (one, other)
    ]
    assert list(manifests[0]["units"]) == list(manifests[1]["units"])
    for a, b in zip(one.episodes, other.episodes, strict=True):
        assert a.reward == pytest.approx(b.reward, abs=1e-4)


def check_same_evaluation(one: EvaluationResult, other: EvaluationResult) -> None:
    """Both shells bring the same for the same policies."""
    scores = [{s.unit: (s.reward, s.profit) for s in r.evaluation.units} for r in (one, other)]
    assert scores[0].keys() == scores[1].keys()
    for unit, earned in scores[0].items():
        np.testing.assert_allclose(earned, scores[1][unit], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "name",
    [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FLEETS],
)
def test_a_fleet_learns_on_both_shells(tmp_path: Path, name: str) -> None:
    check_fleet(tmp_path, FLEETS[name])


@pytest.mark.slow
@pytest.mark.parametrize("critic", [critic for critic in CRITICS if critic != "concat"])
def test_agents_of_different_kinds_have_any_critic(tmp_path: Path, critic: str) -> None:
    check_fleet(tmp_path, FLEETS["everything"], critic)


units = st.builds(Unit, st.sampled_from([*LEARNED, "rule"]), st.sampled_from("ABC"))
fleets = st.lists(units, min_size=1, max_size=13).filter(
    lambda fleet: any(unit.kind != "rule" for unit in fleet)
)
products = st.sampled_from([1, 2])
critics = st.sampled_from(sorted(CRITICS))
DRAWN = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[*HealthCheck],
)


@pytest.mark.slow
@settings(DRAWN, max_examples=2)
@given(fleets, critics, products)
def test_any_fleet_learns_on_both_shells(fleet: list[Unit], critic: str, products: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_fleet(Path(folder), fleet, critic, products)


@pytest.mark.slow
@settings(DRAWN, max_examples=60)
@given(fleets, critics, products)
def test_many_fleets_learn_on_both_shells(fleet: list[Unit], critic: str, products: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_fleet(Path(folder), fleet, critic, products)
