"""The same code learns on CUDA."""

import pytest
import torch
from torch import Tensor

from assume_rl.learning.config import LearningConfig
from assume_rl.learning.learner import Learner
from assume_rl.learning.types import AgentSpec, Joint, Transitions

AGENTS = [AgentSpec("a", 6, 2, 2), AgentSpec("b", 6, 2, 2), AgentSpec("c", 5, 1, 1)]


def updated(device: str) -> list[Tensor]:
    """Actor weights after one update, float64, on the CPU."""
    config = LearningConfig(batch_size=32, gradient_steps=8)
    learner = Learner(config, AGENTS, seeds=(3,), device=torch.device(device), dtype=torch.float64)
    draw = torch.Generator().manual_seed(1)

    def part(agents: int, obs: int, act: int) -> Transitions:
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=draw, dtype=torch.float64)

        return Transitions(
            obs=normal(1, 64, agents, obs),
            action=normal(1, 64, agents, act).clamp(-1, 1),
            reward=normal(1, 64, agents),
            next_obs=normal(1, 64, agents, obs),
        )

    nothing = torch.zeros(1, 64, dtype=torch.bool)
    learner.observe(Joint((part(2, 6, 2), part(1, 5, 1)), nothing, nothing))
    learner.update(1.0)
    return [w.cpu() for stack in learner.actors() for w in stack.weights.values()]


@pytest.mark.gpu
def test_one_update_on_cuda_equals_one_on_the_cpu() -> None:
    for there, here in zip(updated("cuda"), updated("cpu"), strict=True):
        torch.testing.assert_close(there, here, rtol=1e-9, atol=1e-11)


def test_one_update_on_the_cpu_is_repeatable() -> None:
    for first, second in zip(updated("cpu"), updated("cpu"), strict=True):
        assert torch.equal(first, second)
