"""The same episode on the CPU and on a GPU."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from assume_rl.envs.market_env import MarketEnv
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"


def episode(compiled: Compiled, device: str, window: int | None) -> list[Tensor]:
    """Observations, prices and rewards of all copies."""
    env = MarketEnv(compiled, num_envs=5, seeds=(1, 2), window=window, device=device)
    state = env.reset(torch.arange(5, device=device).repeat(2))
    found = []
    while not env.done(state):
        (observed,), (z,) = env.observe(state), env.noise(state)
        state, happened = env.step(state, [observed[..., :2] - observed[..., -1:] + 0.1 * z])
        found += [observed, *(got.reward.reward for got in happened.learners)]
        found += [cleared.book.clearing.price for cleared in happened.cleared]
    return [value.cpu() for value in (*found, *env.observe(state))]


@pytest.mark.gpu
@pytest.mark.parametrize("window", [None, 25])
@pytest.mark.parametrize("name", ["ten_learners", "single_learner"])
def test_a_gpu_gives_what_the_cpu_gives(name: str, window: int | None) -> None:
    compiled = compile_scenario(load_scenario(SCENARIOS / name, "tiny"))
    ours, theirs = episode(compiled, "cuda", window), episode(compiled, "cpu", window)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
