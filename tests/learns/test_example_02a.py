"""A single learner against a fixed merit order comes close to its exact best response."""

import statistics
from pathlib import Path

import pytest

from assume_rl.experiments.train import TrainResult, train
from assume_rl.scenario.read import load_scenario

# A bid does not change later hours, so the discount only adds noise to what is learned; and a
# learning rate that falls to 0 lets the last policy settle. Everything else is the study case's.
SETTINGS = {
    "learning_config.gamma": 0.0,
    "learning_config.learning_rate_schedule": "linear",
}
SEEDS = (1, 2, 3, 4, 5)


def trained(reference: Path, out: Path, seed: int) -> TrainResult:
    folder = reference / "examples" / "scenarios" / "example_02a"
    scenario = load_scenario(folder, "base", overrides=SETTINGS)
    return train(scenario, seed=seed, out=out / str(seed))


@pytest.mark.slow
@pytest.mark.reference
@pytest.mark.timeout(3600)
def test_the_learner_reaches_its_best_response(reference: Path, tmp_path: Path) -> None:
    results = [trained(reference, tmp_path, seed) for seed in SEEDS]
    last = [result.last.share or 0.0 for result in results]
    best = [result.best.share or 0.0 for result in results]
    report = f"last policies {last}, best policies {best}"
    print(report)
    assert results[0].last.best_reward == pytest.approx(77.09, abs=0.005)
    assert all(len(result.episodes) <= 100 + 20 for result in results)
    assert statistics.median(last) >= 0.85, report
    assert statistics.median(best) >= 0.85, report
    assert min(last) >= 0.75, report
