"""Agents of equal sizes as one tensor axis: their actors, targets and optimiser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softsign

from assume_rl.learning.critics.critic import GradientStep, Weights, clip_, part_norms
from assume_rl.learning.losses import actor_loss
from assume_rl.learning.nets import layers as mlp
from assume_rl.learning.nets.flat import Adam, Flat, scratch
from assume_rl.learning.nets.layers import Hidden, Layer
from assume_rl.learning.nets.stack import ACTOR_HIDDEN, ActorStack, actor_layers, initial_actors
from assume_rl.learning.types import AgentSpec

CPU_BLOCK = 5  # networks of a group on the CPU: what is worked on should stay in cache


@dataclass(frozen=True)
class Group:
    """Actors of agents that train together, of all seeds; parameters are `(seed, agent, ...)`.

    Weights, targets and optimiser are written in place.
    """

    specs: tuple[AgentSpec, ...]
    positions: tuple[int, ...]  # among all agents
    online: Flat
    target: Flat
    adam: Adam
    gradient: Flat  # scratch, which groups of equal shape may share
    layers: list[Layer]  # all networks as one axis: seed by seed, in each agent by agent
    target_layers: list[Layer]
    slopes: list[Layer]  # views of `gradient`

    @property
    def unit_ids(self) -> tuple[str, ...]:
        """The agents' units."""
        return tuple(spec.unit_id for spec in self.specs)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its networks in `states`: the units."""
        return self.unit_ids

    @property
    def actor(self) -> ActorStack:
        """The actors of the first seed, sharing memory; a learner that is saved has no other."""
        return self.stack(self.online, 0)

    @property
    def actor_target(self) -> ActorStack:
        """Their targets, likewise."""
        return self.stack(self.target, 0)

    def stack(self, flat: Flat, seed: int) -> ActorStack:
        """One seed's part of `flat`, which is arranged like the actors; no copy."""
        weights = {name: view[seed] for name, view in flat.views.items()}
        return ActorStack(self.unit_ids, "mlp", weights)

    def act(
        self, obs: Float[Tensor, "seed agent row obs"]
    ) -> tuple[Float[Tensor, "seed agent row act"], Hidden]:
        """Actions, and what `climb` needs of how they came about."""
        return _act(self.layers, obs)

    def target_act(
        self, obs: Float[Tensor, "seed agent row obs"]
    ) -> Float[Tensor, "seed agent row act"]:
        """Actions of the target actors."""
        return _act(self.target_layers, obs)[0]

    def climb(
        self,
        obs: Float[Tensor, "seed agent row obs"],
        action: Float[Tensor, "seed agent row act"],
        hidden: Hidden,
        q1: Float[Tensor, "seed agent row"],
        slope: Float[Tensor, "seed agent row act"],
        rate: float,
    ) -> GradientStep:
        """One step up `q1`, whose gradient at the own actions is `slope`; clipped per agent."""
        loss, slope = actor_loss(q1, slope)
        slope = (slope * (1.0 - action.abs()).square()).flatten(0, 1)  # through softsign
        slope = mlp.backward(self.layers[1:], hidden, slope, self.slopes[1:])
        mlp.linear_gradient(obs.flatten(0, 1), slope, self.slopes[0])
        norms = part_norms(self.gradient, 2)
        total = torch.linalg.vector_norm(norms, dim=-1)
        clip_(self.gradient, total)
        self.adam.descend(self.gradient, rate)
        return GradientStep(loss, total, norms.amax(dim=-1))

    def states(self, flat: Flat, seed: int) -> dict[str, Weights]:
        """Copies of one seed's module states by unit, of `flat` arranged like the actors."""
        stack = self.stack(flat, seed)
        return {unit: stack.module_state(unit) for unit in self.unit_ids}

    def load(self, flat: Flat, seed: int, states: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Overwrite the units that are in `states`; `PolicyError` if one does not fit."""
        stack = self.stack(flat, seed)
        for unit in self.unit_ids:
            if unit in states:
                stack.write(unit, states[unit])

    def initialise(self, seeds: Sequence[int]) -> None:
        """Fresh actors, each agent's by seed and unit; targets are copies."""
        for k, seed in enumerate(seeds):
            fresh = initial_actors(self.specs, seed)
            for name, view in self.online.views.items():
                view[k].copy_(fresh.weights[name])
        self.target.buffer.copy_(self.online.buffer)


def group_positions(
    agents: Sequence[AgentSpec], block: int | None = None
) -> tuple[tuple[int, ...], ...]:
    """Positions of the agents of each group: of equal shape, at most `block` of them.

    Shapes are in order of first appearance, so the agents' order over all groups does not depend on
    `block`.
    """
    shapes = dict.fromkeys(a.shape for a in agents)
    alike = [tuple(i for i, a in enumerate(agents) if a.shape == s) for s in shapes]
    return tuple(
        own[start : start + (block or len(own))]
        for own in alike
        for start in range(0, len(own), block or len(own))
    )


def block_of(device: torch.device, seeds: int, *, own_nets: bool) -> int | None:
    """Agents of a group at most; None: all of a shape, as an accelerator likes it.

    Where agents share a critic (not `own_nets`), its gradient is a sum over groups, so these must
    not depend on the number of seeds: a seed learns the same bits as alone.
    """
    if device.type != "cpu":
        return None
    return max(CPU_BLOCK // seeds, 1) if own_nets else CPU_BLOCK


def create_groups(
    agents: Sequence[AgentSpec],
    positions: Sequence[Sequence[int]],
    *,
    seeds: int,
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[Group, ...]:
    """Groups of the agents at `positions`, their networks all zero."""
    members = [tuple(agents[p] for p in own) for own in positions]
    flats = [Flat.zeros(_shapes(specs, seeds), device, dtype) for specs in members]
    parts = zip(members, positions, flats, scratch(flats), strict=True)
    return tuple(_group(specs, tuple(own), *flat) for specs, own, *flat in parts)


def _group(
    specs: tuple[AgentSpec, ...], positions: tuple[int, ...], online: Flat, gradient: Flat
) -> Group:
    target = online.like()
    layers = [_layers(flat) for flat in (online, target, gradient)]
    return Group(specs, positions, online, target, Adam.of(online), gradient, *layers)


def _shapes(specs: Sequence[AgentSpec], seeds: int) -> dict[str, tuple[int, ...]]:
    sizes = (specs[0].obs_size, *ACTOR_HIDDEN, specs[0].act_size)
    return {name: (seeds, len(specs), *shape) for name, shape in actor_layers(sizes).items()}


def _layers(flat: Flat) -> list[Layer]:
    return mlp.layers([view.flatten(0, 1) for view in flat.views.values()])


def _act(
    layers: list[Layer], obs: Float[Tensor, "seed agent row obs"]
) -> tuple[Float[Tensor, "seed agent row act"], Hidden]:
    first = mlp.linear(obs.flatten(0, 1), layers[0]).relu_()
    out, hidden = mlp.forward(layers[1:], first)
    return softsign(out).view(*obs.shape[:-1], -1), hidden
