"""Updates and market steps as real CUDA graphs; none of these has been run where it was written."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from toys import fleet, random_joint
from toys import learner as on_the_cpu

from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.recorded import tensors
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.graphs import WARM_UP
from assume_rl.learning.learner import Learner
from assume_rl.learning.types import Joint
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = [pytest.mark.gpu, pytest.mark.unchecked]

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
BOXES = fleet((5, 2, 2), (5, 2, 2), (4, 1, 1))
SETTINGS = [
    {"algorithm": "matd3", "learning_rate_schedule": "linear", "target_noise_schedule": "linear"},
    {"algorithm": "matd3", "n_step": 2, "normalise": ["values"]},
    {"algorithm": "masac", "critic": "shared"},
    {"algorithm": "maddpg", "optimizer": "sgd"},
    {"algorithm": "mappo"},
    {"algorithm": "matd3", "autocast": True},
]
# Rows that are drawn twice have the priority of either, so that no two trainings are alike.
PRIORITISED = {"algorithm": "matd3", "sampling": "prioritised"}


def cuda() -> torch.device:
    return torch.device("cuda")


def learner_of(settings: dict[str, object], *, graphs: bool) -> Learner:
    small = {"batch_size": 16, "gradient_steps": 4, "cuda_graphs": graphs}
    config = LearningConfig.from_mapping(small | settings)
    return Learner(config, BOXES, seeds=(1, 2), device=cuda())


def transitions(settings: dict[str, object], seed: int) -> Joint:
    """Transitions of random numbers, drawn on the CPU."""
    return random_joint(on_the_cpu(BOXES, seeds=(1, 2), **settings), 20, seed=seed)


def numbers(ours: Learner) -> list[torch.Tensor]:
    """Networks, targets and moments of optimisers."""
    flats = [
        flat
        for net in ours.all_nets()
        for flat in (net.online, net.target, *net.optimizer.moments.values())
        if flat is not None
    ]
    return [flat.buffer.clone() for flat in flats]


def waiting_refused(function: Callable[[], object]) -> object:
    """Call a function that must not wait for the device."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        return function()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_recorded_updates_equal_plain_ones(settings: dict[str, object]) -> None:
    plain, recorded = (learner_of(settings, graphs=graphs) for graphs in (False, True))
    for number in range(2 * (WARM_UP + 2)):
        joint = transitions(settings, number)
        for each in (plain, recorded):
            each.observe(joint)
            metrics = each.update(1.0 - number / 10, 4)
            assert metrics.iterations > 0
    # Rates are read in float32 by the fused kernel of Adam: rounding, and no more.
    for ours, theirs in zip(numbers(plain), numbers(recorded), strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("settings", [*SETTINGS, PRIORITISED], ids=str)
def test_plain_updates_do_not_wait_for_the_device(settings: dict[str, object]) -> None:
    ours = learner_of(settings, graphs=False)
    ours.observe(transitions(settings, 1))
    ours.update(1.0)
    ours.observe(transitions(settings, 2))
    waiting_refused(lambda: ours.update(0.5))


@pytest.mark.parametrize("window", [None, 25])
@pytest.mark.parametrize("scenario", ["ten_learners", "single_learner"])
def test_recorded_market_steps_equal_plain_ones(scenario: str, window: int | None) -> None:
    compiled = compile_scenario(load_scenario(SCENARIOS / scenario, "tiny"))
    plain, recorded = (
        MarketEnv(
            compiled, num_envs=3, seeds=(1, 2), window=window, device="cuda", cuda_graphs=graphs
        )
        for graphs in (False, True)
    )
    for episode in range(WARM_UP + 2):
        ours, theirs = (played(env, 3 * episode) for env in (plain, recorded))
        assert len(ours) == len(theirs) > 0
        for a, b in zip(ours, theirs, strict=True):
            assert torch.equal(a, b)


def played(env: MarketEnv, number: int) -> list[torch.Tensor]:
    """All that the first decisions of an episode bring."""
    episodes = torch.arange(number, number + 3, device="cuda").repeat(2)
    with torch.inference_mode():
        state, found = env.reset(episodes), []
        for _ in range(5):
            state, happened = env.step(state, tuple(z.tanh() for z in env.noise(state)))
            found += tensors(happened)
    return found
