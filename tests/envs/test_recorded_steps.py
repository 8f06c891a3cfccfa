"""Market steps recorded and done again, on the CPU by a tape that knows what a graph knows."""

from pathlib import Path

import pytest
import torch
from tape import TapeRecorder

from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.recorded import tensors
from assume_rl.learning.graphs import WARM_UP, Graphs
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import load_scenario

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
DECISIONS = 2
CASES = [
    ("ten_learners", "tiny", 25),
    pytest.param("ten_learners", "tiny", None, marks=pytest.mark.slow),
    pytest.param("ten_learners", "ladder", None, marks=pytest.mark.slow),
    pytest.param("single_learner", "starts", 25, marks=pytest.mark.slow),
    pytest.param("single_learner", "day_ahead", None, marks=pytest.mark.slow),
    pytest.param("summer_week", "storage_learns", 25, marks=pytest.mark.slow),
    pytest.param("wind_owner", "tiny", None, marks=pytest.mark.slow),
]
"""Scenario, case, and steps of an episode; None: the whole calendar."""


def environment(scenario: str, case: str, window: int | None) -> MarketEnv:
    compiled = compile_scenario(load_scenario(SCENARIOS / scenario, case))
    return MarketEnv(compiled, num_envs=2, seeds=(1, 2), window=window)


def played(env: MarketEnv, number: int) -> list[torch.Tensor]:
    """All that the first decisions of an episode bring, and the state after them."""
    state = env.reset(torch.tensor([number, number + 1] * 2))
    found = []
    for _ in range(DECISIONS):
        actions = tuple(z.tanh() for z in env.noise(state))
        state, happened = env.step(state, actions)
        found += tensors(happened)
    return found + tensors(state)


@pytest.mark.unchecked
@pytest.mark.parametrize(("scenario", "case", "window"), CASES)
def test_steps_done_again_equal_plain_ones(scenario: str, case: str, window: int | None) -> None:
    plain, recorded = (environment(scenario, case, window) for _ in range(2))
    recorder = TapeRecorder()
    recorded._recorded = recorded.recorded_by(Graphs(recorder))
    kept = []
    for episode in range(WARM_UP + 2):
        kept.append((played(plain, 2 * episode), played(recorded, 2 * episode)))
    assert recorder.recordings == DECISIONS
    for ours, theirs in kept:  # what came out before is not written to by what comes after
        assert len(ours) == len(theirs) > 0
        for a, b in zip(ours, theirs, strict=True):
            assert torch.equal(a, b)


def test_on_a_cpu_no_step_is_recorded() -> None:
    compiled = compile_scenario(load_scenario(SCENARIOS / "ten_learners", "tiny"))
    env = MarketEnv(compiled, num_envs=1, seeds=(1,), cuda_graphs=True)
    assert env._recorded is None
