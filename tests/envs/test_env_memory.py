"""Memory is estimated before anything is allocated, and an estimate that is exceeded is told."""

from pathlib import Path

import pytest
import torch
from live_memory import LiveMemory

from assume_rl.envs import memory
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.memory import available_bytes, copy_bytes, env_bytes, waiting_bytes
from assume_rl.errors import ConfigurationError
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"


def scenario(name: str, case: str) -> Compiled:
    return compile_scenario(load_scenario(SCENARIOS / name, case))


@pytest.mark.parametrize(
    ("name", "case"),
    [("ten_learners", "tiny"), ("single_learner", "tiny"), ("national", "learning")],
)
def test_the_estimate_is_an_upper_bound_and_not_a_wild_one(name: str, case: str) -> None:
    compiled = scenario(name, case)
    for copies in (200, 1000):
        with LiveMemory() as memory_used:
            env = MarketEnv(compiled, num_envs=copies, seeds=(1,), window=25)
            shared = memory_used.live
            state = env.reset(torch.arange(copies))
            for _ in range(3):
                actions = [torch.zeros_like(z) for z in env.noise(state)]
                state, _ = env.step(state, actions)
        used = memory_used.peak - shared
        drawn = env_bytes(env.setting, 1) - copy_bytes(env.setting)
        assert used <= env_bytes(env.setting, copies) <= 3 * used + drawn


def test_too_many_copies_are_refused_with_a_number_that_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled = scenario("ten_learners", "tiny")
    monkeypatch.setattr(memory, "available_bytes", lambda device: 200_000_000)
    with pytest.raises(ConfigurationError) as error:
        MarketEnv(compiled, num_envs=1_000_000, seeds=(1, 2))
    text = str(error.value)
    assert text.startswith("num_envs 1000000 needs about ")
    assert "cpu has 0.2 GB available" in text
    fitting = int(text.split()[-3])
    MarketEnv(compiled, num_envs=fitting, seeds=(1, 2))
    with pytest.raises(ConfigurationError):
        MarketEnv(compiled, num_envs=fitting + 1, seeds=(1, 2))


def test_what_waits_for_an_update_counts() -> None:
    env = MarketEnv(scenario("ten_learners", "tiny"), num_envs=1, seeds=(1,))
    transition = 10 * (38 + 2 + 1) * 4  # agents, numbers of each, bytes
    assert waiting_bytes(env.setting, [12 * 3600, 24 * 3600], 4) == 2 * (23 + 2) * transition
    assert waiting_bytes(env.setting, [], 4) == 2 * (47 + 2) * transition


def test_what_curves_need_waits_too() -> None:
    chosen = {"units.learner.bidding_EOM": "powerplant_energy_learning_ladder"}
    found = load_scenario(SCENARIOS / "single_learner", "tiny", overrides=chosen)
    compiled = compile_scenario(found)
    without, env = (
        MarketEnv(compiled, num_envs=1, seeds=(1,), curves=curves) for curves in (False, True)
    )
    (window,) = (own for own in env.reset(torch.tensor([1])).positions if own is not None)
    position, orders = 3 * window.state.energy.numel(), len(env.setting.markets["EOM"].unit_ids)
    # A curve of 21 rungs for each of two numbers; where the plant stood twice, and the book.
    each = 2 * (2 * 21) * 4 + (2 * position + 4 * orders) * 8
    more = waiting_bytes(env.setting, [], 4) - waiting_bytes(without.setting, [], 4)
    assert more == (47 + 2) * each


def test_nothing_fits_where_there_is_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda device: 1000)
    with pytest.raises(ConfigurationError, match="not even one copy fits"):
        MarketEnv(scenario("ten_learners", "tiny"), num_envs=4, seeds=(1,))


def test_a_machine_tells_what_memory_it_has() -> None:
    found = available_bytes(torch.device("cpu"))
    assert found is None or 1e6 < found < 1e14
