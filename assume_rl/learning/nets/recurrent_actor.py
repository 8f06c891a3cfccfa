"""Actors with memory, and the windows of observations that they learn from.

Everything else takes an actor as a function of one row of numbers. So the row of an actor with
memory is a window: the memory before its first step, how many of its steps there are, and the
observations of all its steps, of which the last one stands last. The actor works through them and
gives the outputs of the last step. Kapturowski et al. 2019, openreview.net/forum?id=r1lyTjAqYX
(R2D2): memories are stored with the transitions, and the first steps of a window, the burn-in, only
bring the memory up to date.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.heads import head_of
from assume_rl.learning.nets.recurrent import Recurrent
from assume_rl.learning.nets.trunks import TRUNKS


@dataclass(frozen=True)
class RecurrentActorForm(ActorForm):
    """A trunk with memory.

    :param burn_in: first steps of a window that have no gradient
    """

    burn_in: int = 0

    @property
    def memory_size(self) -> int:
        """Return the length of a memory."""
        return memory_size(self.architecture, self.hidden)

    @property
    def trunk(self) -> Recurrent:
        """Return the trunk."""
        found = TRUNKS[self.architecture]
        assert isinstance(found, Recurrent)
        return found

    def outputs(
        self, nets: Any, obs: Float[Tensor, "seed agent row window"]
    ) -> Float[Tensor, "seed agent row out"]:
        """Return the outputs that the head reads after the last step of windows."""
        out = self.trunk.unrolled(self.mean(nets), *self._steps(obs))
        return head_of(self.head).masked(out.view(*obs.shape[:-1], -1), obs)

    def sequence(
        self, nets: Any, obs: Float[Tensor, "seed agent row window"]
    ) -> Float[Tensor, "seed agent row step out"]:
        """Return the outputs that the head reads after each step of windows."""
        out = self.trunk.sequence(self.mean(nets), *self._steps(obs))
        seen = self.observations(obs)
        return head_of(self.head).masked(out.reshape(*seen.shape[:-1], -1), seen)

    def observations(
        self, obs: Float[Tensor, "seed agent row window"]
    ) -> Float[Tensor, "seed agent row step obs"]:
        """Return the observations of windows, step by step."""
        seen = obs[..., self.memory_size + 1 :]
        return seen.reshape(*obs.shape[:-1], -1, self.group.obs_size)

    def _steps(
        self, obs: Float[Tensor, "seed agent row window"]
    ) -> tuple[
        Float[Tensor, "net all step obs"],
        Float[Tensor, "net all memory"],
        Bool[Tensor, "net all step"],
        int,
    ]:
        """Return the trunk's inputs from windows.

        That is observations, the memory before the first that there is, which there are, and how
        many steps have no gradient.
        """
        own, size = self.by_policy(obs), self.memory_size
        rows = own.flatten(0, 1)
        memory, count = rows[..., :size], rows[..., size : size + 1]
        seen = self._normalised(own[..., size + 1 :])
        window = seen.reshape(*rows.shape[:2], -1, self.group.obs_size)
        steps = window.shape[2]
        there = torch.arange(steps, device=obs.device) >= steps - count
        # The last step always has a gradient.
        return window, memory, there, min(self.burn_in, steps - 1)

    def step(
        self,
        nets: Any,
        obs: Float[Tensor, "seed agent row obs"],
        memory: Float[Tensor, "seed agent row memory"],
    ) -> tuple[Float[Tensor, "seed agent row out"], Float[Tensor, "seed agent row memory"]]:
        """Return the outputs that the head reads, and the memory at the next decision.

        :param nets: parameters
        :param obs: observations
        :param memory: before them
        """
        read, before = (self.by_policy(part) for part in (obs, memory))
        out, later = self.trunk.step(
            self.mean(nets), self._normalised(read).flatten(0, 1), before.flatten(0, 1)
        )
        out = head_of(self.head).masked(out.view(*obs.shape[:-1], -1), obs)
        return out, later.view(memory.shape)


def memory_size(architecture: str, hidden: tuple[int, ...] | None) -> int:
    """Return the length of an actor's memory; 0: it carries nothing.

    :param architecture: key of `TRUNKS`
    :param hidden: outputs of the cell, then sizes of the hidden linear layers; None: the trunk's
    """
    trunk = TRUNKS[architecture]
    if not isinstance(trunk, Recurrent):
        return 0
    return trunk.memory_size((trunk.hidden if hidden is None else hidden)[0])


def window(
    memory: Float[Tensor, "seed agent row memory"],
    count: Int[Tensor, "seed row"],
    obs: Float[Tensor, "seed agent row step obs"],
) -> Float[Tensor, "seed agent row window"]:
    """Return the rows that actors with memory take; steps that there are not become zeros.

    :param memory: before the first step that there is
    :param count: steps that there are, the last ones
    :param obs: observations in order of time
    """
    missing = obs.shape[3] - count[:, None, :, None]
    there = torch.arange(obs.shape[3], device=obs.device) >= missing
    obs = obs.where(there[..., None], 0.0)
    steps = count[:, None, :, None].expand(*memory.shape[:-1], 1).to(obs.dtype)
    return torch.cat([memory, steps, obs.flatten(3)], dim=-1)
