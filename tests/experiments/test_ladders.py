"""Learners on a ladder from a study case to bids: with others in one fleet, on both shells."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fleets import Unit, names, write_fleet
from test_fleets import check_fleet, check_same_learning
from test_resume import Impatient, assert_same_results
from trained_runs import bids, table

from assume_rl.errors import ConfigurationError
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.run import run
from assume_rl.experiments.train import TrainResult, train
from assume_rl.experiments.train_task import training_task
from assume_rl.learning.algorithms import able
from assume_rl.learning.config import SETTINGS, RungValuesConfig
from assume_rl.learning.policies.folder import load_policies
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

pytestmark = pytest.mark.unchecked

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
ENGINES: tuple[EngineName, ...] = ("agents", "batch")
PLANTS = [Unit("ladder", "A"), Unit("ladder", "B"), Unit("rule", "A")]
MIXED = [
    Unit("ladder", "A"),
    Unit("two", "A"),
    Unit("storage ladder", "B"),
    Unit("renewable ladder", "B"),
]


def test_boxes_and_ladders_learn_the_same_on_both_shells(tmp_path: Path) -> None:
    settings = {"algorithm": "mappo", "learning_rate": 0.003, "epochs": 2}
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


def test_curves_are_learned_from_and_resumed_with_the_same_bytes(tmp_path: Path) -> None:
    settings = {"algorithm": "fictitious_play", "gradient_steps": 2, "training_episodes": 3}
    scenario = load_scenario(write_fleet(tmp_path / "case", PLANTS, **settings))
    resumed_is_uninterrupted(scenario, "batch", tmp_path)
    rows = table(tmp_path / "whole", "rl_grad_params")
    assert set(rows["unit"]) == set(names(PLANTS)[:2])
    assert (rows["gap"] >= 0).all()
    assert (rows["gap"] > 0).any()


DRAWN = {"learning_rate": 0.003, "passes": 2}
MIXED_HEADS = [("mirror_descent", "mixed_21"), ("regret_matching", "averaged_21")]


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "head"), MIXED_HEADS)
def test_mixed_policies_are_drawn_from_alike_wherever_they_bid(
    algorithm: str, head: str, tmp_path: Path
) -> None:
    # GIVEN the same training on both shells
    settings = {**DRAWN, "algorithm": algorithm}
    scenario = load_scenario(write_fleet(tmp_path / "case", PLANTS, **settings))
    trained = [train(scenario, engine=engine, out=tmp_path / engine) for engine in ENGINES]
    check_same_learning(scenario, *trained)
    # WHEN the last policies bid from their files, on either shell
    last = trained[0].folder / "policies" / "last"
    for engine in ENGINES:
        run(scenario, policies=last, engine=engine, out=tmp_path / f"run {engine}")
    # THEN both draw the same bids, which are not always the most probable ones
    found = [bids(tmp_path / f"run {engine}") for engine in ENGINES]
    pd.testing.assert_series_equal(*found, rtol=0, atol=1e-9)
    assert found[0].groupby("unit_id").nunique()[names(PLANTS)[:2]].gt(1).all()
    assert {stack.head for stack in load_policies(last).actors} == {head}
    # AND other seeds draw others
    run(scenario, policies=last, engine="batch", seed=99, out=tmp_path / "other")
    assert not bids(tmp_path / "other").equals(found[1])
    # AND what each could gain is known on average, so that policies are kept by it
    for own in trained:
        assert {response.kind for response in own.last.responses} == {"sampled"}
        validated = [report for report in own.episodes if report.evaluation]
        assert all(report.exploitability is not None for report in validated)
        assert (own.folder / "policies" / "best_exploitability").exists()


@pytest.mark.parametrize(
    "algorithm", [pytest.param("regret_matching", marks=pytest.mark.slow), "mirror_descent"]
)
def test_mixed_policies_are_resumed_with_the_same_bytes(algorithm: str, tmp_path: Path) -> None:
    settings = {**DRAWN, "algorithm": algorithm, "training_episodes": 3}
    scenario = load_scenario(write_fleet(tmp_path / "case", PLANTS, **settings))
    resumed_is_uninterrupted(scenario, "batch", tmp_path)
    assert (table(tmp_path / "whole", "rl_grad_params")["gain"] >= 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_resumed_is_uninterrupted(engine: EngineName, tmp_path: Path) -> None:
    settings = {"algorithm": "mappo", "training_episodes": 3}
    scenario = load_scenario(write_fleet(tmp_path / "case", MIXED, **settings))
    resumed_is_uninterrupted(scenario, engine, tmp_path)


def resumed_is_uninterrupted(scenario: Scenario, engine: EngineName, tmp_path: Path) -> TrainResult:
    """Train a case at once, and again with a break within the last episode."""
    whole = train(scenario, engine=engine, out=tmp_path / "whole")
    observer = Impatient(len(whole.episodes) - 2, middle=True)
    with pytest.raises(KeyboardInterrupt):
        train(scenario, engine=engine, out=tmp_path / "out", observer=observer)
    train(scenario, engine=engine, out=tmp_path / "out", resume=True)
    assert_same_results(tmp_path / "out", whole.folder)
    return whole


@pytest.mark.parametrize("algorithm", ["matd3", "isac"])
def test_other_algorithms_refuse_a_ladder_by_name(algorithm: str, tmp_path: Path) -> None:
    scenario = load_scenario(write_fleet(tmp_path / "case", MIXED, algorithm=algorithm))
    sentence = (
        f"{algorithm} cannot choose rungs of a ladder, as unit 'ladder 0' with the bidder "
        "powerplant_energy_learning_ladder must; ippo, mappo, a2c, reinforce, vpg, "
        "fictitious_play, curve_actor_critic, independent_curve_actor_critic, dqn, qrdqn, "
        "r2d2, q_learning, mirror_descent, regret_matching can"
    )
    with pytest.raises(ConfigurationError, match=sentence):
        training_task(scenario, None, None, "auto")


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (
            Unit("two", "A"),
            "cannot choose numbers, as unit 'two 3' with the bidder powerplant_energy_learning "
            "must; .* can, or let it bid by powerplant_energy_learning_ladder",
        ),
        (Unit("storage ladder", "A"), "storage ladder 3 is no power plant"),
    ],
)
def test_what_has_no_curves_is_refused_by_name(other: Unit, says: str, tmp_path: Path) -> None:
    chosen = {"algorithm": "fictitious_play"}
    scenario = load_scenario(write_fleet(tmp_path / "case", [*PLANTS, other], **chosen))
    with pytest.raises(ConfigurationError, match=says):
        training_task(scenario, None, None, "auto")


def test_a_memory_that_forgets_is_warned_of(tmp_path: Path) -> None:
    settings = {"algorithm": "fictitious_play", "replay_buffer_size": 4}
    scenario = load_scenario(write_fleet(tmp_path / "case", PLANTS, **settings))
    says = "replay_buffer_size: is 4, but of 10 transitions of the training fictitious_play should"
    assert says in " ".join(training_task(scenario, None, None, "auto").warnings)
    large = load_scenario(tmp_path / "case", overrides={"learning_config.replay_buffer_size": 5})
    assert "replay" not in " ".join(training_task(large, None, None, "auto").warnings)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ({"units.ladder 0.ramp_up": 10}, "ladder 0 has ramps"),
        ({"units.ladder 1.hot_start_cost": 50}, "ladder 1 has start costs"),
        (
            {"bidding_strategy_params": {"learned_products": "first"}},
            "ladder 0 decides for 1 of 2 products",
        ),
        (
            {
                "markets_config.EOM.products": [
                    {"duration": "1h", "count": 1, "first_delivery": "1h"},
                    {"duration": "2h", "count": 1, "first_delivery": "2h"},
                ],
                "markets_config.EOM.opening_frequency": "3h",
            },
            "an auction has products of different lengths",
        ),
    ],
)
def test_curves_that_do_not_say_all_are_refused_by_name(
    override: dict[str, Any], says: str, tmp_path: Path
) -> None:
    folder = write_fleet(tmp_path / "case", PLANTS, 2, algorithm="fictitious_play")
    with pytest.raises(ConfigurationError, match=says):
        training_task(load_scenario(folder, overrides=override), None, None, "auto")


def test_a_market_that_publishes_no_curves_is_refused_with_what_can_do_without(
    tmp_path: Path,
) -> None:
    folder = write_fleet(tmp_path / "case", PLANTS, algorithm="fictitious_play")
    secret = {"markets_config.EOM.information": "own_results"}
    says = "EOM.information: is own_results, but fictitious_play .*algorithm: ippo, mappo, a2c"
    with pytest.raises(ConfigurationError, match=says):
        training_task(load_scenario(folder, overrides=secret), None, None, "auto")
    task = training_task(
        load_scenario(folder, overrides=secret | {"learning_config.algorithm": "mappo"}),
        None, None, "auto",
    )  # fmt: skip
    assert not task.compiled.markets[0].publishes_curves


@pytest.mark.parametrize("products", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_both_shells_learn_the_same_from_curves(products: int, tmp_path: Path) -> None:
    fleet = [*PLANTS, Unit("renewable ladder", "B")]
    settings = {"algorithm": "fictitious_play", "learning_rate": 0.003}
    scenario = load_scenario(write_fleet(tmp_path / "case", fleet, products, **settings))
    trained = [train(scenario, engine=engine, out=tmp_path / engine) for engine in ENGINES]
    check_same_learning(scenario, *trained)


COUPLED = [Unit("ladder", "A"), Unit("storage ladder", "B"), Unit("ladder", "B")]


@pytest.mark.slow
def test_both_shells_learn_the_same_from_what_rungs_lead_to_and_resume_it(tmp_path: Path) -> None:
    """Of a storage, and of plants of which one has ramps and one start costs."""
    settings = {"algorithm": "curve_actor_critic", "learning_rate": 0.003, "training_episodes": 3}
    folder = write_fleet(tmp_path / "case", COUPLED, **settings)
    changes = {"units.ladder 0.ramp_up": 10, "units.ladder 2.hot_start_cost": 50}
    scenario = load_scenario(folder, overrides=changes)
    trained = [train(scenario, engine=engine, out=tmp_path / engine) for engine in ENGINES]
    check_same_learning(scenario, *trained)
    last = trained[0].folder / "policies" / "last"
    assert {stack.head for stack in load_policies(last).actors} == {"categorical_21"}
    observer = Impatient(len(trained[1].episodes) - 2, middle=True)
    with pytest.raises(KeyboardInterrupt):
        train(scenario, engine="batch", out=tmp_path / "out", observer=observer)
    train(scenario, engine="batch", out=tmp_path / "out", resume=True)
    assert_same_results(tmp_path / "out", trained[1].folder)


@pytest.mark.parametrize(
    ("products", "change", "says"),
    [
        (2, {}, "an auction has 2 products"),
        (1, {"markets_config.EOM.opening_duration": "2h"}, "opens before the one before it has"),
    ],
)
def test_what_rungs_lead_to_is_not_always_known(
    products: int, change: dict[str, str], says: str, tmp_path: Path
) -> None:
    folder = write_fleet(tmp_path / "case", COUPLED, products, algorithm="curve_actor_critic")
    with pytest.raises(ConfigurationError, match=says):
        training_task(load_scenario(folder, overrides=change), None, None, "auto")


BY_VALUE: dict[str, tuple[dict[str, Any], str, set[str]]] = {
    "q_learning": ({"temperature": 0.1}, "uniform", {"categorical_21"}),
    "dqn": (
        {"double": "random_roles", "dueling": True, "clip_targets": True, "noisy": "factorised"},
        "uniform",
        {"dueling_21"},
    ),
    "qrdqn": (
        {"quantiles": 4, "worst_share": 0.3},
        "forecast_quantiles",
        {"quantile-4-0.3_21", "quantile-4-0.3_20"},
    ),
    "r2d2": ({"sequence_length": 3}, "relative", {"dueling_21", "dueling_20"}),
}
"""Algorithms that learn values of rungs, with settings, prices of rungs and the heads they make."""


def of_values(algorithm: str, tmp_path: Path, **settings: Any) -> Scenario:
    """A storage and two plants that learn the values of their rungs."""
    own, prices, _ = BY_VALUE[algorithm]
    settings |= {"algorithm": algorithm, "learning_rate": 0.003, **own}
    folder = write_fleet(tmp_path / "case", COUPLED, **settings)
    return load_scenario(folder, overrides={"bidding_strategy_params.rung_prices": prices})


def test_all_that_learn_values_of_rungs_are_tried_here() -> None:
    found = {name for name in able("ladder") if issubclass(SETTINGS[name], RungValuesConfig)}
    assert found == BY_VALUE.keys()


@pytest.mark.parametrize(
    "algorithm",
    [n if n == "qrdqn" else pytest.param(n, marks=pytest.mark.slow) for n in BY_VALUE],
)
def test_values_of_rungs_are_learned_the_same_and_kept(algorithm: str, tmp_path: Path) -> None:
    scenario, heads = of_values(algorithm, tmp_path), BY_VALUE[algorithm][2]
    trained = [train(scenario, engine=engine, out=tmp_path / engine) for engine in ENGINES]
    check_same_learning(scenario, *trained)
    last = trained[0].folder / "policies" / "last"
    assert {stack.head for stack in load_policies(last).actors} == heads
    again = evaluate(scenario, policies=last, out=tmp_path / "evaluate")
    assert again.evaluation.reward == pytest.approx(trained[0].last.reward, rel=1e-12)


@pytest.mark.parametrize(
    "algorithm",
    [n if n == "r2d2" else pytest.param(n, marks=pytest.mark.slow) for n in BY_VALUE],
)
def test_values_of_rungs_are_resumed_with_the_same_bytes(algorithm: str, tmp_path: Path) -> None:
    resumed_is_uninterrupted(of_values(algorithm, tmp_path, training_episodes=3), "batch", tmp_path)


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
