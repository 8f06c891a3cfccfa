"""Small scenarios that several tests of environments play, each read once."""

from functools import cache
from pathlib import Path

from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@cache
def one_learner() -> Scenario:
    """One learner."""
    return load_scenario(SCENARIOS / "single_learner", "tiny")


@cache
def ten_learners() -> Scenario:
    """Ten learners."""
    return load_scenario(SCENARIOS / "ten_learners", "tiny")
