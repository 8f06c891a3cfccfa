"""Rules, finished policies and learners in one market."""

from pathlib import Path

import pytest
from trained_runs import Trained, bids, table, tiny

from assume_rl.errors import ConfigurationError, PolicyError, ScenarioError
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.policies import all_policies
from assume_rl.experiments.run import run
from assume_rl.experiments.train import train
from assume_rl.scenario.compile.compiled import compile_scenario

pytestmark = pytest.mark.unchecked

FIXED = ("learner_02", "learner_05")


def mixed(ten: Trained) -> dict[str, str]:
    return {f"policies.{unit}": str(ten.last) for unit in FIXED}


def test_units_with_a_policy_keep_it_while_the_others_learn(ten: Trained, tmp_path: Path) -> None:
    result = train(tiny("ten_learners", **mixed(ten)), out=tmp_path / "mixed")
    learned = set(table(result.folder, "rl_grad_params")["unit"])
    assert learned == {f"learner_{i:02}" for i in range(1, 11)} - set(FIXED)
    finished = all_policies(compile_scenario(tiny("ten_learners", **mixed(ten))), result.folder)
    before = all_policies(compile_scenario(ten.scenario), ten.folder)
    for unit in before:
        weights = zip(finished[unit].weights.values(), before[unit].weights.values(), strict=True)
        same = all(a.equal(b) for a, b in weights)
        assert same == (unit in FIXED), unit
    assert {own.agent for own in result.last.responses} == set(before)
    # Progress and final figures count the same units: those that learn.
    assert {score.unit for score in result.last.units} == learned
    validated = next(report for report in reversed(result.episodes) if report.evaluation)
    assert result.last.reward == pytest.approx(validated.reward, rel=1e-6)
    assert result.last.profit == pytest.approx(validated.profit, rel=1e-6)


def test_a_policy_of_another_unit_acts_for_the_unit_that_names_its_file(
    ten: Trained, tmp_path: Path
) -> None:
    file = next(ten.last.glob("*learner_02*.safetensors"))
    case = tiny("ten_learners", **{"policies.learner_04": str(file)})
    actors = all_policies(compile_scenario(case), ten.last)
    ours, other = actors["learner_04"].weights, actors["learner_02"].weights
    assert all(ours[name].equal(other[name]) for name in ours)
    run(case, policies=ten.last, out=tmp_path / "run")
    assert not bids(tmp_path / "run").equals(bids(ten.folder))


def test_a_learner_without_a_policy_is_an_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    for experiment in (run, evaluate):
        with pytest.raises(ConfigurationError, match=r"learner.*--policies"):
            experiment(tiny("single_learner"), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_policy_for_a_unit_that_has_no_use_for_it_is_an_error(ten: Trained) -> None:
    with pytest.raises(ScenarioError, match=r"no such unit.*did you mean 'wind'"):
        tiny("ten_learners", **{"policies.wnd": str(ten.last)})
    with pytest.raises(ScenarioError, match="no learning bidder"):
        tiny("ten_learners", **{"policies.coal": str(ten.last)})


def test_a_policy_of_another_size_is_refused(ten: Trained, tmp_path: Path) -> None:
    other = tiny("single_learner", **{"policies.learner": str(single_file(ten))})
    compiled = compile_scenario(other)
    smaller = tiny(
        "single_learner",
        **{
            "policies.learner": str(single_file(ten)),
            "bidding_strategy_params.foresight": 3,
        },
    )
    assert all_policies(compiled, None)
    with pytest.raises(PolicyError, match="learner"):
        run(smaller, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def single_file(ten: Trained) -> Path:
    return next(ten.last.glob("*learner_02*.safetensors"))


def test_a_folder_without_the_unit_names_the_nearest(ten: Trained, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="'learner'"):
        run(tiny("single_learner"), policies=ten.last, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
