"""A plant learns to sell all hours of a day ahead, and does as well in a week not seen."""

from pathlib import Path

import pytest

from assume_rl.experiments.evaluate import evaluate
from assume_rl.experiments.train import train
from assume_rl.scenario.read import load_scenario

FOLDER = Path(__file__).resolve().parents[2] / "scenarios" / "single_learner"


@pytest.mark.slow
def test_a_day_ahead_is_learned_as_well_as_its_hours(tmp_path: Path) -> None:
    trained = train(load_scenario(FOLDER, "day_ahead"), seed=1, out=tmp_path / "trained")
    next_week = load_scenario(FOLDER, "day_ahead_next_week")
    unseen = evaluate(next_week, policies=trained.folder, out=tmp_path / "unseen").evaluation
    for evaluation in (trained.last, unseen):
        assert evaluation.best_reward is not None
        assert evaluation.reward >= 0.995 * evaluation.best_reward
        (own,) = evaluation.responses
        assert own.kind == "exact"
        assert own.best_profit is not None
        assert own.constant_profit is not None
        assert own.profit >= 0.995 * own.best_profit
        # AND hours differ, so that no constant bid comes near
        assert own.constant_profit < 0.85 * own.best_profit
