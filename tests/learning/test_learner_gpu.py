"""The same code learns on CUDA."""

import pytest
import torch
from torch import Tensor
from toys import with_memories

from assume_rl.learning.config import ArchitectureName, LearningConfig
from assume_rl.learning.learner import Learner
from assume_rl.learning.nets.trunks import TRUNKS
from assume_rl.learning.types import MEMORY, AgentSpec, Joint, Transitions

EIGHT = (("residual_load", 2, ""), ("price_forecast", 2, ""), ("own", 4, ""))
FOUR = (("residual_load", 1, ""), ("price_forecast", 1, ""), ("own", 2, ""))
AGENTS = [
    AgentSpec("a", 8, 2, 2, EIGHT),
    AgentSpec("b", 8, 2, 2, EIGHT),
    AgentSpec("c", 4, 1, 1, FOUR),
]
architectures = pytest.mark.parametrize("architecture", TRUNKS)


def updated(device: str, architecture: ArchitectureName) -> list[Tensor]:
    """Actor weights after one update, float64, on the CPU."""
    config = LearningConfig(batch_size=32, gradient_steps=8, actor_architecture=architecture)
    learner = Learner(config, AGENTS, seeds=(3,), device=torch.device(device), dtype=torch.float64)
    draw = torch.Generator().manual_seed(1)

    def part(agents: int, obs: int, act: int) -> Transitions:
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=draw, dtype=torch.float64)

        own = Transitions(
            obs=normal(1, 64, agents, obs),
            action=normal(1, 64, agents, act).clamp(-1, 1),
            reward=normal(1, 64, agents),
            next_obs=normal(1, 64, agents, obs),
        )
        size = learner.extras.get(MEMORY)
        return own if size is None else with_memories(own, size, draw)

    nothing = torch.zeros(1, 64, dtype=torch.bool)
    learner.observe(Joint((part(2, 8, 2), part(1, 4, 1)), nothing, nothing))
    learner.update(1.0)
    return [w.cpu() for stack in learner.actors() for w in stack.weights.values()]


@pytest.mark.gpu
@architectures
def test_one_update_on_cuda_equals_one_on_the_cpu(architecture: ArchitectureName) -> None:
    pairs = zip(updated("cuda", architecture), updated("cpu", architecture), strict=True)
    for there, here in pairs:
        torch.testing.assert_close(there, here, rtol=1e-9, atol=1e-11)


@architectures
def test_one_update_on_the_cpu_is_repeatable(architecture: ArchitectureName) -> None:
    pairs = zip(updated("cpu", architecture), updated("cpu", architecture), strict=True)
    for first, second in pairs:
        assert torch.equal(first, second)
