"""Gathers what gradient steps did; stays on the device."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.learning.critics.critic import GradientStep
from assume_rl.learning.types import UpdateMetrics


class Metrics:
    """Steps of an update, group by group.

    :param places: where each agent is when groups are side by side.
    """

    def __init__(self, groups: int, places: Int[Tensor, " agent"]) -> None:
        self._places = places
        self._critic: list[list[Tensor]] = [[] for _ in range(groups)]
        self._actor: list[list[Tensor | None]] = [[] for _ in range(groups)]

    def critic_step(self, group: int, step: GradientStep) -> None:
        """The critics of a group made a step; its actors have not, so far."""
        self._critic[group].append(_stack(step))
        self._actor[group].append(None)

    def actor_step(self, group: int, step: GradientStep) -> None:
        """The actors of a group made a step after the latest one of their critics."""
        self._actor[group][-1] = _stack(step)

    def collect(self, rate: float, seeds: int) -> UpdateMetrics:
        """All steps so far."""
        if not self._critic[0]:
            nothing = torch.empty(0, 3, seeds, len(self._places), device=self._places.device)
            return _named(nothing, nothing, rate)
        critic = self._in_agent_order([torch.stack(own) for own in self._critic])
        actor = self._in_agent_order(
            [
                torch.stack([torch.full_like(c, torch.nan) if a is None else a for a, c in pairs])
                for pairs in map(zip, self._actor, self._critic)
            ]
        )
        return _named(critic, actor, rate)

    def _in_agent_order(
        self, groups: Sequence[Float[Tensor, "iteration 3 seed _"]]
    ) -> Float[Tensor, "iteration 3 seed agent"]:
        return torch.cat(list(groups), dim=-1).index_select(-1, self._places)


def _named(
    critic: Float[Tensor, "iteration 3 seed agent"],
    actor: Float[Tensor, "iteration 3 seed agent"],
    rate: float,
) -> UpdateMetrics:
    return UpdateMetrics(
        critic[:, 0], critic[:, 1], critic[:, 2], actor[:, 0], actor[:, 1], actor[:, 2], rate
    )


def _stack(step: GradientStep) -> Float[Tensor, "3 seed agent"]:
    return torch.stack([step.loss, step.total_norm, step.max_norm])
