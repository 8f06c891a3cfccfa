"""Learners on a ladder from a study case to bids: with others in one fleet, on both shells."""

from pathlib import Path

import pytest
from fleets import Unit, write_fleet
from test_fleets import check_fleet, check_same_learning
from test_resume import Impatient, assert_same_results
from trained_runs import table

from assume_rl.errors import ConfigurationError
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.train import train
from assume_rl.experiments.train_task import training_task
from assume_rl.learning.policies.folder import load_policies
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
ENGINES: tuple[EngineName, ...] = ("agents", "batch")
MIXED = [Unit("ladder", "A"), Unit("two", "A"), Unit("storage ladder", "B"), Unit("ladder", "B")]


def test_boxes_and_ladders_learn_the_same_on_both_shells(tmp_path: Path) -> None:
    settings = {"algorithm": "mappo", "learning_rate": 0.003}
    scenario = load_scenario(write_fleet(tmp_path / "case", MIXED, **settings))
    trained = [train(scenario, engine=engine, out=tmp_path / engine) for engine in ENGINES]
    check_same_learning(scenario, *trained)
    loaded = load_policies(trained[0].folder / "policies" / "last")
    heads = {unit: stack.head for stack in loaded.actors for unit in stack.unit_ids}
    expected = {unit: "categorical_21" for unit in heads} | {"two 1": "squashed_gaussian"}
    assert heads == expected
    # Every order of a ladder is on it, while learning and when the finished policies bid.
    orders = table(trained[0].folder, "market_orders")
    prices = orders[orders["unit_id"].str.contains("ladder")]["price"]
    assert ((prices / 10.0).round() * 10.0 == prices).all()
    assert prices.nunique() > 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "products", "critic"),
    [("mappo", 2, "shared"), ("a2c", 1, "concat"), ("vpg", 2, "concat")],
)
def test_saved_policies_of_a_ladder_are_evaluated_and_gone_on_from(
    algorithm: str, products: int, critic: str, tmp_path: Path
) -> None:
    check_fleet(tmp_path, MIXED, critic, products, algorithm=algorithm, learning_rate=0.003)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_resumed_is_uninterrupted(engine: EngineName, tmp_path: Path) -> None:
    settings = {"algorithm": "mappo", "training_episodes": 3}
    scenario = load_scenario(write_fleet(tmp_path / "case", MIXED, **settings))
    whole = train(scenario, engine=engine, out=tmp_path / "whole")
    observer = Impatient(len(whole.episodes) - 2, middle=True)
    with pytest.raises(KeyboardInterrupt):
        train(scenario, engine=engine, out=tmp_path / "out", observer=observer)
    train(scenario, engine=engine, out=tmp_path / "out", resume=True)
    assert_same_results(tmp_path / "out", whole.folder)


@pytest.mark.parametrize("algorithm", ["matd3", "isac"])
def test_other_algorithms_refuse_a_ladder_by_name(algorithm: str, tmp_path: Path) -> None:
    scenario = load_scenario(write_fleet(tmp_path / "case", MIXED, algorithm=algorithm))
    sentence = (
        f"{algorithm} cannot choose rungs of a ladder, as unit 'ladder 0' with the bidder "
        "powerplant_energy_learning_ladder must; ippo, mappo, a2c, reinforce, vpg can"
    )
    with pytest.raises(ConfigurationError, match=sentence):
        training_task(scenario, None, None, "auto")


@pytest.mark.slow
def test_a_single_learner_comes_near_the_best_response(tmp_path: Path) -> None:
    """It earns 2.8 at marginal cost, and 7.6 at the best of all prices, on a ladder or not."""
    settings = {
        "units.learner.bidding_EOM": "powerplant_energy_learning_ladder",
        "learning_config.algorithm": "mappo",
        "learning_config.num_envs": 16,
        "learning_config.training_episodes": 96,
        "learning_config.validation_episodes_interval": 16,
        "learning_config.learning_rate": 0.003,
    }
    scenario = load_scenario(SCENARIOS / "single_learner", "tiny", overrides=settings)
    result = train(scenario, out=tmp_path / "out")
    assert result.last.best_reward is not None
    assert result.last.reward > 0.75 * result.last.best_reward
