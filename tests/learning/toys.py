"""Fleets and transitions for tests of the learner."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from assume_rl.learning.config import LearningConfig
from assume_rl.learning.exploration import Exploration, decide
from assume_rl.learning.learner import Learner
from assume_rl.learning.types import (
    CURVE,
    MEMORY,
    NEXT_OWN,
    AgentSpec,
    ExtraSize,
    Joint,
    Transitions,
)

CPU = torch.device("cpu")
USUAL_SIZES: dict[str, Any] = {"actor_hidden": None, "critic_hidden": None}
"""Of networks, where a test is about them."""


def fleet(*shapes: tuple[int, int, int]) -> tuple[AgentSpec, ...]:
    """Agents of the given (obs, act, unique) sizes."""
    return tuple(AgentSpec(f"unit_{i}", *shape) for i, shape in enumerate(shapes))


def learner(
    agents: Sequence[AgentSpec],
    *,
    dtype: torch.dtype = torch.float64,
    seeds: Sequence[int] = (3,),
    **settings: Any,
) -> Learner:
    """A learner with settings of one's own, and networks that take little time."""
    settings = {"actor_hidden": (32, 32), "critic_hidden": (32, 32)} | settings
    return Learner(LearningConfig(**settings), agents, seeds=seeds, device=CPU, dtype=dtype)


def random_joint(agent: Learner, rows: int, *, seed: int = 0, scale: float = 1.0) -> Joint:
    """Transitions of random numbers; a quarter terminated, a quarter truncated.

    Memories are of episodes of five decisions. Actions are drawn by the policies where the
    algorithm must know how they were.
    """
    draw = torch.Generator().manual_seed(seed)
    seeds = len(agent.seeds)

    def part(n: int, obs: int, act: int) -> Transitions:
        def normal(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=draw, dtype=torch.float64)

        return Transitions(
            obs=normal(seeds, rows, n, obs),
            action=normal(seeds, rows, n, act).clamp(-1, 1),
            reward=normal(seeds, rows, n) * scale,
            next_obs=normal(seeds, rows, n, obs),
        )

    groups = [part(len(g.specs), g.obs_size, g.act_size) for g in agent.groups]
    kind = torch.randint(4, (seeds, rows), generator=draw)
    if agent.algorithm.on_policy:
        with torch.no_grad():
            outs = agent.outputs([part.obs for part in groups])
        for k, (part, out) in enumerate(zip(groups, outs, strict=True)):
            z = torch.randn(part.action.shape, generator=draw, dtype=torch.float64).to(out.dtype)
            drawn = decide(agent.heads[k], out, z, z, Exploration("noise"))
            extras = {name: drawn.extras[name] for name in agent.algorithm.extras}
            groups[k] = replace(part, action=drawn.action, extras=extras)
    for name in (CURVE, NEXT_OWN):
        for k, (part, group) in enumerate(zip(groups, agent.groups, strict=True)):
            if name in agent.extras:
                shape = (*part.reward.shape, group.specs[0].entries(agent.extras[name]))
                curve = torch.randn(shape, generator=draw, dtype=torch.float64) * scale
                groups[k] = replace(part, extras={**part.extras, name: curve})
    if MEMORY in agent.extras:
        groups = [with_memories(part, agent.extras[MEMORY], draw) for part in groups]
    return Joint(tuple(groups), terminated=kind == 0, truncated=kind == 1)


def with_memories(part: Transitions, size: ExtraSize, draw: torch.Generator) -> Transitions:
    """Transitions with random memories, whose last entry counts the decisions of an episode."""
    assert isinstance(size, int)
    memory = torch.randn((*part.reward.shape, size), generator=draw, dtype=torch.float64)
    memory[..., -1] = (torch.arange(memory.shape[1]) % 5)[:, None]
    return replace(part, extras={**part.extras, MEMORY: memory})


def changed(part: Transitions, change: Callable[[torch.Tensor], torch.Tensor]) -> Transitions:
    """One group's transitions with each tensor changed."""
    own = {name: change(getattr(part, name)) for name in ("obs", "action", "reward", "next_obs")}
    return Transitions(**own, extras={name: change(v) for name, v in part.extras.items()})


def one_seed(joint: Joint, k: int) -> Joint:
    """The k-th seed's part of transitions."""
    own = slice(k, k + 1)
    groups = tuple(changed(part, lambda value: value[own]) for part in joint.groups)
    return Joint(groups, joint.terminated[own], joint.truncated[own], joint.copies)
