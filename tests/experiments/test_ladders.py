"""Learners on a ladder from a study case to bids: with others in one fleet, on both shells."""

from pathlib import Path

import pytest
from fleets import Unit, write_fleet
from test_fleets import check_fleet
from test_resume import Impatient, assert_same_results
from trained_runs import table

from assume_rl.errors import ConfigurationError
from assume_rl.experiments.train import train
from assume_rl.experiments.train_task import training_task
from assume_rl.learning.policies.folder import load_policies
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

MIXED = [Unit("ladder", "A"), Unit("two", "A"), Unit("storage ladder", "B"), Unit("ladder", "B")]


@pytest.mark.parametrize(
    ("algorithm", "products", "critic"),
    [
        ("mappo", 1, "concat"),
        pytest.param("mappo", 2, "shared", marks=pytest.mark.slow),
        pytest.param("a2c", 2, "concat", marks=pytest.mark.slow),
    ],
)
def test_boxes_and_ladders_learn_together_on_both_shells(
    algorithm: str, products: int, critic: str, tmp_path: Path
) -> None:
    check_fleet(tmp_path, MIXED, critic, products, algorithm=algorithm, learning_rate=0.003)
    loaded = load_policies(tmp_path / "train batch" / "policies" / "last")
    heads = {unit: stack.head for stack in loaded.actors for unit in stack.unit_ids}
    ladder, box = "categorical_21", "squashed_gaussian"
    assert list(heads.values()) == [ladder, ladder, box, ladder] or heads == {
        "ladder 0": ladder,
        "two 1": box,
        "storage ladder 2": ladder,
        "ladder 3": ladder,
    }
    # Every order of a ladder is on it, whatever explored.
    orders = table(tmp_path / "train batch", "market_orders")
    own = orders[orders["unit_id"].str.contains("ladder")]
    assert ((own["price"] / 10.0).round() * 10.0 == own["price"]).all()


def test_resumed_is_uninterrupted(tmp_path: Path) -> None:
    settings = {"algorithm": "mappo", "training_episodes": 3}
    scenario = load_scenario(write_fleet(tmp_path / "case", MIXED, **settings))
    whole = train(scenario, engine="batch", out=tmp_path / "whole")
    observer = Impatient(len(whole.episodes) - 2, middle=True)
    with pytest.raises(KeyboardInterrupt):
        train(scenario, engine="batch", out=tmp_path / "out", observer=observer)
    train(scenario, engine="batch", out=tmp_path / "out", resume=True)
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
