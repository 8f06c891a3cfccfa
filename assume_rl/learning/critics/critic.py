"""What all critics have in common: what they are shown, what they give, and one step of theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.learning.nets.flat import Adam, Flat
from assume_rl.learning.nets.stack import CriticStack
from assume_rl.learning.types import AgentSpec

MAX_GRAD_NORM = 1.0
Weights = dict[str, Tensor]
States = Mapping[str, Mapping[str, Tensor]]  # networks by name, each a state dict


@dataclass(frozen=True)
class Seen:
    """Rows of joint data; groups in the learner's order.

    `joint`: the private entries of all agents, then the actions of all agents, agents in the order
    of the groups. It is stored once, whatever the number of critics that read it.
    """

    obs: tuple[Float[Tensor, "seed _ row _"], ...]  # per group (seed, agent, row, obs)
    action: tuple[Float[Tensor, "seed _ row _"], ...]  # per group (seed, agent, row, act)
    joint: Float[Tensor, "seed row entry"]

    def rows(self, start: int, stop: int) -> "Seen":
        """Some of the rows; no copies."""
        return Seen(
            tuple(part[:, :, start:stop] for part in self.obs),
            tuple(part[:, :, start:stop] for part in self.action),
            self.joint[:, start:stop],
        )


@dataclass(frozen=True)
class GradientStep:
    """What one step of the networks of a group's agents did."""

    loss: Float[Tensor, "seed agent"]
    total_norm: Float[Tensor, "seed agent"]  # before clipping
    max_norm: Float[Tensor, "seed agent"]  # largest norm of one weight or bias


@dataclass(frozen=True)
class CriticNets:
    """Networks that the agents of a shape share, `(critic, ...)` each."""

    unit_ids: tuple[str, ...]
    critics: int
    weights: Weights


@dataclass(frozen=True)
class Fleet:
    """All agents, in groups, as critics must know them."""

    agents: tuple[AgentSpec, ...]
    positions: tuple[tuple[int, ...], ...]  # of each group's members among the agents
    seeds: int

    @property
    def size(self) -> int:
        """Number of groups."""
        return len(self.positions)

    @property
    def order(self) -> list[int]:
        """Positions of the agents, group by group."""
        return [p for group in self.positions for p in group]

    @property
    def unique_size(self) -> int:
        """Private entries of all agents."""
        return sum(agent.unique_size for agent in self.agents)

    @property
    def joint_size(self) -> int:
        """Length of a row of `Seen.joint`."""
        return self.unique_size + sum(agent.act_size for agent in self.agents)

    def action_columns(self) -> dict[int, range]:
        """Columns of `Seen.joint` with the action of each agent."""
        columns, start = {}, self.unique_size
        for p in self.order:
            columns[p] = range(start, start + self.agents[p].act_size)
            start = columns[p].stop
        return columns


@runtime_checkable
class Critic(Protocol):
    """Critics of one or several groups of agents, all seeds and all Q-functions of an agent.

    Weights, targets and optimiser are written in place.
    """

    @property
    def groups(self) -> tuple[int, ...]:
        """Groups whose agents it values, by position among all groups."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its networks in `states`: units or shapes of agents."""
        ...

    @property
    def online(self) -> Flat:
        """The networks."""
        ...

    @property
    def target(self) -> Flat:
        """Their target networks."""
        ...

    @property
    def gradient(self) -> Flat:
        """Of the latest step, clipped; critics of equal shape may share it."""
        ...

    @property
    def adam(self) -> Adam:
        """Their optimiser."""
        ...

    def target_values(self, seen: Seen) -> list[Float[Tensor, "seed _ row"]]:
        """Per group of this critic, the least of the target networks' values."""
        ...

    def descend(
        self, seen: Seen, targets: Sequence[Float[Tensor, "seed _ row"]], rate: float
    ) -> list[GradientStep]:
        """One step towards `targets`, per group of this critic (seed, agent, row)."""
        ...

    def context(self, seen: Seen) -> Any:
        """What `uphill` needs of these rows, whichever of its groups is asked for."""
        ...

    def uphill(
        self, context: Any, seen: Seen, group: int, action: Float[Tensor, "seed agent row act"]
    ) -> tuple[Float[Tensor, "seed agent row"], Float[Tensor, "seed agent row act"]]:
        """First values with the own `action` in place of the one taken, and their gradients."""
        ...

    def snapshot(self, seed: int) -> CriticStack | CriticNets:
        """Copies of one seed's networks."""
        ...

    def initialise(self, fleet: Fleet, seeds: Sequence[int]) -> None:
        """Fresh networks, keyed by seed and unit; targets are copies."""
        ...

    def states(self, flat: Flat, seed: int) -> dict[str, Weights]:
        """Copies of one seed's networks (or moments) by name: a unit or a shape of agents."""
        ...

    def load(self, flat: Flat, seed: int, states: States) -> None:
        """Overwrite one seed's networks (or moments) by those in `states`."""
        ...


def part_norms(gradient: Flat, axes: int) -> Float[Tensor, "*net part"]:
    """Norm of each part of each network; the first `axes` axes tell networks apart.

    Parts are last, also for whatever is worked out of them: a reduction over another axis would
    round otherwise where there is only one network.
    """
    norms = [torch.linalg.vector_norm(v.flatten(axes), dim=-1) for v in gradient.views.values()]
    return torch.stack(norms, dim=-1)


def clip_(gradient: Flat, total: Float[Tensor, "*owner"]) -> None:
    """Scale gradients, in place, so that each owner's norm is `MAX_GRAD_NORM` at most.

    :param total: norm of each owner's gradients; axes that all parts have first, 1 where several
        networks have one owner.
    """
    # The epsilon is that of torch.nn.utils.clip_grad_norm_.
    share = (MAX_GRAD_NORM / (total + 1e-6)).clamp(max=1.0)
    views = list(gradient.views.values())
    factors = [share.view(*share.shape, *[1] * (v.ndim - share.ndim)) for v in views]
    torch._foreach_mul_(views, factors)
