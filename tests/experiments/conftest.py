"""Small trainings that several tests look at."""

import pytest
from trained_runs import Trained, tiny

from assume_rl.experiments.train import train


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One learner after a tiny training."""
    scenario = tiny("single_learner")
    return Trained(scenario, train(scenario, out=tmp_path_factory.mktemp("runs") / "single"))


@pytest.fixture(scope="session")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Ten learners after a tiny training."""
    scenario = tiny("ten_learners")
    return Trained(scenario, train(scenario, out=tmp_path_factory.mktemp("runs") / "ten"))
