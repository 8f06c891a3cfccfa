"""A game that only an agent with a memory can play, and the transitions of it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from assume_rl.learning.exploration import Exploration, decide
from assume_rl.learning.learner import Learner
from assume_rl.learning.types import MEMORY, Joint, Transitions

STEPS = 3
"""Decisions of an episode: a cue is shown at the first, and asked for at the last."""
PARTS = ("obs", "action", "reward", "next_obs")
LAW = Exploration("noise", scale=0.3)


def shown(cue: Tensor, step: int) -> Tensor:
    """The observation at a step: the cue at the first one, then nothing, and the time."""
    return torch.cat([cue * (step == 0), torch.full_like(cue, step / STEPS)], dim=-1)


def played(ours: Learner, copies: int, generator: torch.Generator) -> Joint:
    """One episode of each copy; the last action earns by how near it is to half the cue."""
    shape = (len(ours.seeds), copies, 1, 1)
    cue = torch.randint(2, shape, generator=generator).double() * 2 - 1
    memories, rows = ours.memories(copies), []
    for step in range(STEPS):
        obs = shown(cue, step)
        with torch.no_grad():
            (out,), after = ours.step([obs], memories)
        z = torch.randn(shape, generator=generator, dtype=torch.float64)
        decision = decide(ours.heads[0], out, torch.zeros_like(z), z, LAW)
        error = (decision.action - 0.5 * cue).square().sum(-1)
        extras = {**decision.extras, MEMORY: memories[0]}
        following = shown(cue, step + 1)
        reward = -error * (step == STEPS - 1)
        rows.append(Transitions(obs, decision.action, reward, following, extras))
        memories = after
    part = Transitions(
        *(side_by_side([getattr(row, name) for row in rows]) for name in PARTS),
        {name: side_by_side([row.extras[name] for row in rows]) for name in ours.extras},
    )
    ended = torch.arange(STEPS * copies).expand(len(ours.seeds), -1) >= (STEPS - 1) * copies
    return Joint((part,), ended, torch.zeros_like(ended), copies)


def side_by_side(steps: Sequence[Tensor]) -> Tensor:
    """Values (seed, copy, ...) of several steps as rows, step by step and copy by copy."""
    return torch.stack(steps, dim=1).flatten(1, 2)


def regret(ours: Learner) -> float:
    """Squared error of the last action, mean over both cues; 0.25 if an agent forgets the cue."""
    cue = torch.tensor([-1.0, 1.0]).double().view(1, 2, 1, 1)
    memories = ours.memories(2)
    for step in range(STEPS):
        (out,), memories = ours.step([shown(cue, step)], memories)
    return float((ours.heads[0].mean(out) - 0.5 * cue).square().mean())
