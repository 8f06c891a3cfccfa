"""Own scenarios, and those with recorded results, on both shells."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from policies import fresh_policies

from assume_rl.agents.world import World
from assume_rl.envs.record import play_recorded
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.testing import assert_same_episode

pytestmark = pytest.mark.unchecked

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
CASES = [
    (folder.parent.name, case)
    for folder in sorted(SCENARIOS.glob("*/config.yaml"))
    for case in yaml.safe_load(folder.read_text())
]
# The same bidders learn in others.
LARGE = (("national", "ladder"), ("national", "learning"), ("single_learner", "two_learn"))
LIKE_OTHERS = ("next_week", "tiny")  # another part of the same calendar


def seen_elsewhere(scenario: str, case: str) -> bool:
    """Whether other cases have the same units, bidders and markets."""
    return (scenario, case) in (*LARGE, ("national", "week")) or case.endswith(LIKE_OTHERS)


QUICK = [
    pytest.param(*each, marks=pytest.mark.slow) if seen_elsewhere(*each) else each for each in CASES
]
RECORDED = [
    ("example_01a", "base"),
    ("example_01a", "dam"),
    ("example_02a", "base"),
    ("example_02b", "base"),
    ("example_02d", "base"),
]
# Actions of float32 networks differ by the order of sums; prices of up to 100 EUR/MWh with them.
ACTIONS = 5e-6


def first_days(folder: Path, case: str, days: int) -> Compiled:
    """A case, ended after so many days where it is longer."""
    whole = load_scenario(folder, case)
    end = min(whole.start + timedelta(days=days), whole.config.end_date)
    return compile_scenario(load_scenario(folder, case, overrides={"end_date": str(end)}))


@pytest.mark.parametrize(("scenario", "case"), QUICK)
def test_two_days_of_every_own_scenario(scenario: str, case: str) -> None:
    compiled = first_days(SCENARIOS / scenario, case, 2)
    assert_same_episode(compiled, fresh_policies(compiled))


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "case"), CASES)
def test_a_week_of_every_own_scenario(scenario: str, case: str) -> None:
    compiled = first_days(SCENARIOS / scenario, case, 7)
    assert_same_episode(compiled, fresh_policies(compiled))


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "case"), CASES)
def test_a_month_of_every_own_scenario(scenario: str, case: str) -> None:
    compiled = first_days(SCENARIOS / scenario, case, 31)
    assert_same_episode(compiled, fresh_policies(compiled))


@pytest.mark.reference
@pytest.mark.parametrize("days", [4, pytest.param(31, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("scenario", "case"), RECORDED)
def test_recorded_scenarios(reference: Path, scenario: str, case: str, days: int) -> None:
    compiled = first_days(reference / "examples" / "scenarios" / scenario, case, days)
    assert_same_episode(compiled, fresh_policies(compiled))


def test_float32_networks_agree_up_to_the_order_of_their_sums() -> None:
    compiled = first_days(SCENARIOS / "ten_learners", "tiny", 7)
    policies = fresh_policies(compiled, torch.float32)
    # Prices, and what they bring, are up to 100 times as far apart as the actions they come from.
    assert_same_episode(compiled, policies, tolerance=100 * ACTIONS)


def test_actions_of_float32_networks_agree() -> None:
    compiled = first_days(SCENARIOS / "ten_learners", "base", 3)
    policies = fresh_policies(compiled, torch.float32)
    agents, batch = MemorySink(), MemorySink()
    asyncio.run(World(compiled, seed=1, policies=policies).run_episode(0, sink=agents))
    play_recorded(compiled, seed=1, policies=policies, sink=batch)
    ours, theirs = (actions(sink.table("rl_params")) for sink in (agents, batch))
    assert len(ours) == 10 * 71
    assert np.abs(ours - theirs).max() <= ACTIONS


def actions(rows: dict[str, Any]) -> NDArray[np.float64]:
    """(delivery and unit, action), in the order of both."""
    order = np.lexsort((rows["unit"].astype(str), rows["datetime"]))
    return np.stack([rows["actions_0"], rows["actions_1"]], axis=1)[order]
