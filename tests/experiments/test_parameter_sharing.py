"""Units that share policies, from a study case to bids: both shells, files, units never seen."""

from pathlib import Path
from typing import Any

import pytest
import torch
from fleets import Unit, write_fleet
from test_every_algorithm import learned_the_same_and_bids_the_same
from test_resume import Impatient, assert_same_results

from assume_rl.errors import ConfigurationError, PolicyError
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.policies import all_policies, learner_specs, named_policies
from assume_rl.experiments.scales import compiled_to_play
from assume_rl.experiments.train import TrainResult, train
from assume_rl.learning.policies.folder import load_policies
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

pytestmark = pytest.mark.unchecked

OLD = [Unit("two", "A"), Unit("two", "B"), Unit("storage", "A")]
NEW = [Unit("two", "A"), Unit("rule", "A"), Unit("storage", "B"), Unit("two", "C")]
SMALL = {"actor_hidden": [16, 8], "critic_hidden": [16, 8], "replay_buffer_size": 8}
ENGINES = [pytest.param("agents", marks=pytest.mark.slow), "batch"]


def case(folder: Path, fleet: list[Unit], sharing: str | None = "technology") -> Scenario:
    chosen: dict[str, Any] = {"algorithm": "matd3", "parameter_sharing": sharing, **SMALL}
    return load_scenario(write_fleet(folder, fleet, **chosen))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    folder = tmp_path_factory.mktemp("trained")
    return train(case(folder / "case", OLD), engine="batch", out=folder / "out")


def test_both_shells_learn_the_same_and_bid_the_same(tmp_path: Path) -> None:
    learned_the_same_and_bids_the_same(case(tmp_path / "case", OLD), tmp_path)


@pytest.mark.parametrize("engine", ENGINES)
def test_resumed_is_uninterrupted(engine: Any, tmp_path: Path) -> None:
    scenario = case(tmp_path / "case", OLD)
    whole = train(scenario, engine=engine, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(scenario, engine=engine, out=tmp_path / "out", observer=Impatient(1, middle=True))
    train(scenario, engine=engine, out=tmp_path / "out", resume=True)
    assert_same_results(tmp_path / "out", whole.folder)


def test_observations_say_which_unit_it_is(tmp_path: Path) -> None:
    compiled = compiled_to_play(case(tmp_path / "case", OLD), None)
    assert compiled.shared == {"two 0": "gas", "two 1": "gas", "storage 2": "battery"}
    names = {a: [f[0] for f in spec.features[3:]] for a, spec in learner_specs(compiled).items()}
    own = ["max_power", "min_power", "hot_start_cost", "previous_power", "marginal_cost"]
    assert names["two 0"] == names["two 1"] == own
    own = ["max_power_discharge", "max_power_charge", "capacity", "efficiency"]
    assert names["storage 2"] == [*own, "state_of_charge", "stored_cost"]


def test_a_policy_acts_for_units_that_training_has_not_seen(
    trained: TrainResult, tmp_path: Path
) -> None:
    saved = load_policies(trained.folder / "policies" / "last")
    assert {unit for stack in saved.actors for unit in stack.unit_ids} == {"gas", "battery"}
    other = case(tmp_path / "case", NEW)
    policies = all_policies(compiled_to_play(other, trained.folder), trained.folder)
    assert list(policies) == ["two 0", "two 3", "storage 2"]
    for unit, name in {"two 0": "gas", "two 3": "gas", "storage 2": "battery"}.items():
        stack = next(stack for stack in saved.actors if name in stack.unit_ids)
        for key, weight in stack.module_state(name).items():
            assert torch.equal(policies[unit].module_state(unit)[key], weight)
    evaluations = [
        evaluate(other, policies=trained.folder, engine=engine, out=tmp_path / engine)
        for engine in ("agents", "batch")
    ]
    rewards = [{s.unit: s.reward for s in e.evaluation.units} for e in evaluations]
    assert rewards[0] == pytest.approx(rewards[1], rel=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_training_goes_on_with_units_never_seen(
    engine: Any, trained: TrainResult, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = case(tmp_path / "case", NEW)
    further = train(other, policies=trained.folder, engine=engine, out=tmp_path / "out")
    assert {score.unit for score in further.last.units} == {"two 0", "storage 2", "two 3"}
    assert "policies of" not in caplog.text  # all were loaded as they are


def test_a_study_case_names_a_shared_policy_for_a_unit(
    trained: TrainResult, tmp_path: Path
) -> None:
    last = trained.folder / "policies" / "last"
    named = {"policies.two 0": str(last), "policies.two 3": str(last / "gas.safetensors")}
    folder = write_fleet(tmp_path / "case", NEW, parameter_sharing="technology")
    fixed = named_policies(compiled_to_play(load_scenario(folder, overrides=named), None))
    (gas,) = (
        stack.select(["gas"]) for stack in load_policies(last).actors if "gas" in stack.unit_ids
    )
    for unit in ("two 0", "two 3"):
        assert fixed[unit].unit_ids == (unit,)
        for key, weight in gas.weights.items():
            assert torch.equal(fixed[unit].weights[key], weight)


def test_who_does_not_share_finds_no_policy_there(trained: TrainResult, tmp_path: Path) -> None:
    alone, last = case(tmp_path / "case", OLD, None), trained.folder / "policies" / "last"
    says = "'two 0' alone, but one for all of the technology 'gas': set .*sharing to technology"
    with pytest.raises(PolicyError, match=says):
        evaluate(alone, policies=trained.folder, out=tmp_path / "out")
    named = load_scenario(alone.folder, overrides={"policies.two 1": str(last)})
    with pytest.raises(PolicyError, match=says.replace("two 0", "two 1")):
        evaluate(named, policies=last, out=tmp_path / "out")


def test_who_shares_finds_no_policy_among_those_of_single_units(tmp_path: Path) -> None:
    folder = train(case(tmp_path / "alone", OLD, None), engine="batch", out=tmp_path / "out").folder
    says = "for all units like 'two 0', but one for it alone: set .*parameter_sharing to null"
    for by in ("technology", "bidder"):
        with pytest.raises(PolicyError, match=says):
            evaluate(case(tmp_path / by, OLD, by), policies=folder, out=tmp_path / "refused")


def test_units_that_bid_otherwise_cannot_share(tmp_path: Path) -> None:
    mixed = case(tmp_path / "case", [Unit("two", "A"), Unit("single", "B")])
    wrong = "parameter_sharing: 'two 0' and 'single 1' cannot share the policy 'gas': .* different"
    with pytest.raises(ConfigurationError, match=wrong):
        train(mixed, out=tmp_path / "out")
    each = case(tmp_path / "each", [Unit("two", "A"), Unit("single", "B")], "bidder")
    assert train(each, out=tmp_path / "out").last.units
