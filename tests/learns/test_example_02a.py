"""A single learner against a fixed merit order comes close to its exact best response."""

import statistics
from pathlib import Path

import pytest

from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.train import TrainResult, train_seeds
from assume_rl.scenario.read import load_scenario

# A bid does not change later hours, so the discount only adds noise to what is learned; and a
# learning rate that falls to 0 lets the last policy settle. Everything else is the study case's.
SETTINGS = {
    "learning_config.gamma": 0.0,
    "learning_config.learning_rate_schedule": "linear",
}
SEEDS = (1, 2, 3, 4, 5)


# The same number of transitions and of gradient steps, collected and learned in other portions:
# parts of the calendar side by side, and an update every nine hours of them.
PORTIONS = {
    "learning_config.episode_length": "90h",
    "learning_config.training_episodes": 800,
    "learning_config.episodes_collecting_initial_experience": 40,
    "learning_config.validation_episodes_interval": 40,
    "learning_config.num_envs": 40,
    "learning_config.train_freq": "9h",
    "learning_config.gradient_steps": 1,
}


def trained(
    reference: Path, out: Path, engine: EngineName, settings: dict[str, object]
) -> tuple[TrainResult, ...]:
    folder = reference / "examples" / "scenarios" / "example_02a"
    scenario = load_scenario(folder, "base", overrides=SETTINGS | settings)
    return train_seeds(scenario, seeds=SEEDS, engine=engine, out=out)


@pytest.mark.slow
@pytest.mark.reference
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("engine", "settings"), [("agents", {}), ("batch", {}), ("batch", PORTIONS)]
)
def test_the_learner_reaches_its_best_response(
    reference: Path, tmp_path: Path, engine: EngineName, settings: dict[str, object]
) -> None:
    results = trained(reference, tmp_path, engine, settings)
    last = [result.last.share or 0.0 for result in results]
    best = [result.best.share or 0.0 for result in results]
    report = f"{engine}: last policies {last}, best policies {best}"
    print(report)
    assert results[0].last.best_reward == pytest.approx(77.09, abs=0.005)
    assert all(sum(r.evaluation for r in result.episodes) <= 20 for result in results)
    assert statistics.median(last) >= 0.85, report
    assert statistics.median(best) >= 0.85, report
    assert min(last) >= 0.75, report
