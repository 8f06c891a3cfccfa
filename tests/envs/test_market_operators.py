"""A step reads no scalar, copies nothing between devices, and its operators do not grow."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from assume_rl.envs.market_env import MarketEnv
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
READS = {"_local_scalar_dense", "item", "is_nonzero", "nonzero"}


class Operators(TorchDispatchMode):
    """Counts operators by name, and copies to another device."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()
        self.moves = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.seen[func.overloadpacket.__name__] += 1
        device = kwargs.get("device")
        if func.overloadpacket.__name__ == "_to_copy" and device not in (None, args[0].device):
            self.moves += 1
        return func(*args, **kwargs)


def scenario(name: str, case: str, learners: int | None = None) -> Compiled:
    """A case; of its learning units only the first `learners` are kept."""
    loaded = load_scenario(SCENARIOS / name, case)
    if learners is not None:
        learning = [p for p in loaded.of("power_plant") if "learning" in p.bidding["EOM"]]
        gone = {p.id for p in learning[learners:]}
        kept = [p for p in loaded.of("power_plant") if p.id not in gone]
        loaded = loaded.with_units("power_plant", kept)
    return compile_scenario(loaded)


def operators(compiled: Compiled, copies: int, window: int | None) -> Operators:
    """Those of one step in the middle of an episode."""
    env = MarketEnv(compiled, num_envs=copies, seeds=(1,), window=window)
    state = env.reset(torch.arange(copies))
    actions = [torch.zeros_like(z) for z in env.noise(state)]
    for _ in range(4):
        state, _ = env.step(state, actions)
    with Operators() as counted:
        env.noise(state)
        env.step(state, actions)
    return counted


@pytest.mark.parametrize("window", [None, 25])
def test_a_step_reads_no_scalar_and_moves_nothing(window: int | None) -> None:
    counted = operators(scenario("ten_learners", "tiny"), 8, window)
    assert sum(counted.seen.values()) > 50
    assert not READS & counted.seen.keys()
    assert counted.moves == 0


@pytest.mark.parametrize("window", [None, 25])
def test_operators_do_not_grow_with_copies_units_or_agents(window: int | None) -> None:
    base = operators(scenario("ten_learners", "tiny"), 8, window).seen
    assert operators(scenario("ten_learners", "tiny"), 64, window).seen == base
    assert operators(scenario("ten_learners", "tiny", 3), 8, window).seen == base
    assert operators(scenario("national", "learning"), 8, window).seen == base
