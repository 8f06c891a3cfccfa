"""Small trainings that several tests look at."""

import jaxtyping
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
    """Ten learners after a tiny training, whose shapes are checked in that of a single one."""
    scenario, folder = tiny("ten_learners"), tmp_path_factory.mktemp("runs") / "ten"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jaxtyping.config, "jaxtyping_disable", True)
        result = train(scenario, out=folder)
    return Trained(scenario, result)
