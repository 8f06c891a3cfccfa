"""Trainings with running statistics and shaped rewards: both shells, files, what is recorded."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fleets import Unit, write_fleet
from test_fleets import check_same_learning
from test_resume import Impatient, assert_same_results
from trained_runs import bids, table, tiny

from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.train import train
from assume_rl.learning.policies.folder import load_policies
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

pytestmark = pytest.mark.unchecked

FLEET = [Unit("two", "A"), Unit("storage", "B")]
ALL = {"normalise": ["observations", "critic_input", "values", "returns"]}


def case(folder: Path, **settings: Any) -> Scenario:
    return load_scenario(write_fleet(folder, FLEET, **{"actor_hidden": [16], **settings}))


def counts(folder: Path) -> set[float]:
    """How many observations the statistics of policies are of."""
    stacks = load_policies(folder / "policies" / "last").actors
    return {float(n) for stack in stacks for n in stack.weights["observation.count"].flatten()}


@pytest.mark.parametrize("algorithm", ["matd3", pytest.param("mappo", marks=pytest.mark.slow)])
def test_both_shells_learn_the_same_and_policies_act_on_what_was_saved(
    algorithm: str, tmp_path: Path
) -> None:
    scenario = case(tmp_path / "case", algorithm=algorithm, reward={"scale": 5.0}, **ALL)
    agents = train(scenario, engine="agents", out=tmp_path / "agents")
    batch = train(scenario, engine="batch", out=tmp_path / "batch")
    check_same_learning(scenario, agents, batch)
    # Two episodes of six deliveries. The rewards of the latest ones come after the last update;
    # nothing is counted in evaluations.
    assert counts(agents.folder) == counts(batch.folder)
    (count,) = counts(agents.folder)
    assert 6 < count < 12
    last = agents.folder / "policies" / "last"
    again = evaluate(scenario, policies=last, engine="batch", out=tmp_path / "again")
    assert again.evaluation.reward == pytest.approx(agents.last.reward, rel=1e-12)
    found, expected = bids(tmp_path / "again"), bids(agents.folder)
    pd.testing.assert_series_equal(found, expected, rtol=0, atol=0)


@pytest.mark.slow
def test_resumed_is_uninterrupted_and_another_training_counts_on(tmp_path: Path) -> None:
    scenario = case(tmp_path / "case", training_episodes=3, **ALL)
    whole = train(scenario, engine="batch", out=tmp_path / "whole")
    out, observer = tmp_path / "out", Impatient(len(whole.episodes) - 2, middle=True)
    with pytest.raises(KeyboardInterrupt):
        train(scenario, engine="batch", out=out, observer=observer)
    train(scenario, engine="batch", out=out, resume=True)
    assert_same_results(out, whole.folder)
    load = {"continue_learning": True, "trained_policies_load_path": str(whole.folder)}
    later = case(tmp_path / "later", **load, **ALL)
    continued = train(later, engine="batch", out=tmp_path / "continued")
    (before,), (after,) = counts(whole.folder), counts(continued.folder)
    assert before < after


def rewards(folder: Path) -> pd.DataFrame:
    """Rows of the first episode, whose actions are random."""
    rows = table(folder, "rl_params").query("episode == 1 and evaluation_mode == 0")
    return rows.set_index(["unit", "datetime"]).sort_index()[["reward", "profit", "regret"]]


@pytest.mark.slow
def test_profit_is_recorded_whatever_is_learned_from(tmp_path: Path) -> None:
    found = {}
    for name, reward in {
        "usual": {},
        "scaled": {"scale": 9.0},
        "profit": {"type": "profit"},
    }.items():
        scenario = tiny("single_learner", **{"learning_config.reward": reward})
        found[name] = rewards(train(scenario, engine="agents", out=tmp_path / name).folder)
    usual, profit = found["usual"], found["profit"]
    pd.testing.assert_frame_equal(found["scaled"], usual)
    pd.testing.assert_frame_equal(profit[["profit", "regret"]], usual[["profit", "regret"]])
    differs = usual["regret"] > 0
    assert differs.any()
    assert (profit["reward"] > usual["reward"])[differs].all()
    scale = (usual["profit"] - usual["regret"]) / usual["reward"]
    np.testing.assert_allclose(profit["reward"], usual["profit"] / scale, atol=1e-9)
