"""`critic: concat`: every agent has critics of its own, which see all agents side by side.

Input of an agent's critic: its own observation, the private part of the others' observations, all
actions (Lowe et al. 2017, Ackermann et al. 2019). The private part of all agents, the owner's
among them, and all actions are the same numbers for every critic: the joint part. The first layer
is therefore two products, one with what only the owner sees and one with the joint part, which is
stored once and read by all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.learning.critics.critic import (
    Fleet,
    GradientStep,
    Seen,
    States,
    Weights,
    clip_,
    part_norms,
)
from assume_rl.learning.critics.units import UnitCritics, file_columns
from assume_rl.learning.losses import critic_loss
from assume_rl.learning.nets import layers as mlp
from assume_rl.learning.nets.flat import Adam, Flat, scratch
from assume_rl.learning.nets.layers import Layer
from assume_rl.learning.nets.stack import CriticStack, critic_hidden, initial_critics


class Nets(NamedTuple):
    """All networks as one axis: critic by critic, in each seed by seed, in each agent by agent."""

    own: Float[Tensor, "net own hidden"]
    joint: Float[Tensor, "net entry hidden"]
    bias: Float[Tensor, "net hidden"]
    rest: list[Layer]

    @classmethod
    def of(cls, flat: Flat, critics: int | None = None) -> "Nets":
        """Views of the parameters; of the first `critics` Q-functions only, if that is given."""
        own, joint, bias, *rest = [v[:critics].flatten(0, 2) for v in flat.views.values()]
        return cls(own, joint, bias, mlp.layers(rest))

    def first(
        self, own: Float[Tensor, "net row own"], joint: Float[Tensor, "net row entry"]
    ) -> Float[Tensor, "net row hidden"]:
        """Output of the first layer, before its ReLU."""
        partial = mlp.add_product(self.bias.unsqueeze(-2), own, self.own)
        return mlp.add_product_(partial, joint, self.joint)


@dataclass(frozen=True)
class ConcatCritic:
    """Critics of one group; parameters are `(critic, seed, agent, ...)`."""

    fleet: Fleet
    group: int
    unit_ids: tuple[str, ...]
    online: Flat
    target: Flat
    adam: Adam
    gradient: Flat  # scratch, which critics of equal shape may share
    own_actions: Int[Tensor, "agent act"]  # rows of the joint part
    nets: Nets
    target_nets: Nets
    first_nets: Nets  # of the first Q-function
    slopes: Nets  # views of `gradient`

    @property
    def groups(self) -> tuple[int, ...]:
        """The only group."""
        return (self.group,)

    @cached_property
    def columns(self) -> Int[Tensor, "agent entry"]:
        """Where files have the rows of the first weight."""
        positions = self.fleet.positions[self.group]
        columns = [file_columns(self.fleet, p) for p in positions]
        return torch.tensor(columns, device=self.online.buffer.device)

    @property
    def names(self) -> tuple[str, ...]:
        """The units."""
        return self.unit_ids

    def target_values(self, seen: Seen) -> list[Float[Tensor, "seed agent row"]]:
        """Of the only group, the least of the target networks' values."""
        own, joint = self._inputs(seen, self.target_nets)
        q, _ = mlp.forward(self.target_nets.rest, self.target_nets.first(own, joint).relu_())
        return [self._by_critic(q).amin(dim=0)]

    def descend(
        self, seen: Seen, targets: Sequence[Float[Tensor, "seed agent row"]], rate: float
    ) -> list[GradientStep]:
        """One step towards the targets of the only group, gradients clipped agent by agent."""
        own, joint = self._inputs(seen, self.nets)
        q, hidden = mlp.forward(self.nets.rest, self.nets.first(own, joint).relu_())
        loss, slope = critic_loss(self._by_critic(q), targets[0])
        slope = mlp.backward(self.nets.rest, hidden, slope.view_as(q), self.slopes.rest)
        mlp.weight_gradient(own, slope, self.slopes.own)
        mlp.weight_gradient(joint, slope, self.slopes.joint)
        torch.sum(slope, dim=1, out=self.slopes.bias)
        total, largest = self._norms()
        clip_(self.gradient, total[None])
        self.adam.descend(self.gradient, rate)
        return [GradientStep(loss, total, largest)]

    def context(self, seen: Seen) -> Float[Tensor, "net row hidden"]:
        """First layer of the first Q-function at the actions taken."""
        return self.first_nets.first(*self._inputs(seen, self.first_nets))

    def uphill(
        self,
        context: Float[Tensor, "net row hidden"],
        seen: Seen,
        group: int,
        action: Float[Tensor, "seed agent row act"],
    ) -> tuple[Float[Tensor, "seed agent row"], Float[Tensor, "seed agent row act"]]:
        """First values with the own `action` in place of the one taken, and their gradients."""
        change = (action - seen.action[group]).flatten(0, 1)
        weight = self._own_action_weight()
        first = mlp.add_product(context, change, weight).relu_()
        q, hidden = mlp.forward(self.first_nets.rest, first)
        slope = mlp.backward(self.first_nets.rest, hidden, torch.ones_like(q), None)
        return q.view(action.shape[:-1]), mlp.input_gradient(slope, weight).view_as(action)

    def initialise(self, fleet: Fleet, seeds: Sequence[int]) -> None:
        """Fresh networks, each agent's by seed and unit; targets are copies."""
        specs = [fleet.agents[p] for p in fleet.positions[self.group]]
        critics = self.online.views["layers.0.bias"].shape[0]
        for k, seed in enumerate(seeds):
            fresh = initial_critics(specs, fleet.agents, critics, seed)
            self.load(self.online, k, {u: fresh.module_state(u) for u in self.unit_ids})
        self.target.buffer.copy_(self.online.buffer)

    def snapshot(self, seed: int) -> CriticStack:
        """Copies of one seed's networks."""
        return self.of_seed(self.online, seed).stack(self.unit_ids)

    def of_seed(self, flat: Flat, seed: int) -> UnitCritics:
        """One seed's part of `flat`, which is arranged like the networks."""
        weights = {name: view[:, seed] for name, view in flat.views.items()}
        return UnitCritics(self.unit_ids, self.columns, weights)

    def states(self, flat: Flat, seed: int) -> dict[str, Weights]:
        """Module states by unit."""
        table = self.of_seed(flat, seed)
        return {unit: table.module_state(unit) for unit in self.unit_ids}

    def load(self, flat: Flat, seed: int, states: States) -> None:
        """Overwrite the units that are in `states`; `PolicyError` if one does not fit."""
        table = self.of_seed(flat, seed)
        for unit in self.unit_ids:
            if unit in states:
                table.write(unit, states[unit])

    def _inputs(
        self, seen: Seen, nets: Nets
    ) -> tuple[Float[Tensor, "net row own"], Float[Tensor, "net row entry"]]:
        """Both parts of the input for each network; the joint part of one seed is not copied."""
        own = seen.obs[self.group][..., : nets.own.shape[1]]
        seeds, agents = own.shape[:2]
        critics = nets.own.shape[0] // (seeds * agents)
        joint = seen.joint[:, None].expand(critics, seeds, agents, *seen.joint.shape[1:])
        return own.expand(critics, *own.shape).flatten(0, 2), joint.flatten(0, 2)

    def _norms(self) -> tuple[Float[Tensor, "seed agent"], Float[Tensor, "seed agent"]]:
        """Norm of the gradient of an agent's critics, and the largest of one weight or bias."""
        norms = part_norms(self.gradient, 3)
        total = torch.linalg.vector_norm(norms.movedim(0, -1).flatten(2), dim=-1)
        first = torch.linalg.vector_norm(norms[..., :2], dim=-1)  # the two parts are one weight
        return total, torch.maximum(first, norms[..., 2:].amax(dim=-1)).amax(dim=0)

    def _by_critic(self, q: Float[Tensor, "net row 1"]) -> Float[Tensor, "critic seed agent row"]:
        return q.view(*self.online.views["layers.0.bias"].shape[:3], -1)

    def _own_action_weight(self) -> Float[Tensor, "net act hidden"]:
        """Rows of the first Q-function's first weight that the owner's action meets."""
        weight = self.online.views["joint.weight"][0]
        agent = torch.arange(weight.shape[1], device=weight.device)[:, None]
        return weight[:, agent, self.own_actions].flatten(0, 1)


def create(
    fleet: Fleet, critics: int, device: torch.device, dtype: torch.dtype
) -> tuple[ConcatCritic, ...]:
    """Critics of all groups, all zero."""
    flats = [Flat.zeros(_shapes(fleet, k, critics), device, dtype) for k in range(fleet.size)]
    parts = zip(flats, scratch(flats), strict=True)
    return tuple(_critic(fleet, group, *both) for group, both in enumerate(parts))


def _critic(fleet: Fleet, group: int, online: Flat, gradient: Flat) -> ConcatCritic:
    positions, target, device = fleet.positions[group], online.like(), online.buffer.device
    actions = fleet.action_columns()
    return ConcatCritic(
        fleet=fleet,
        group=group,
        unit_ids=tuple(fleet.agents[p].unit_id for p in positions),
        online=online,
        target=target,
        adam=Adam.of(online),
        gradient=gradient,
        own_actions=torch.tensor([list(actions[p]) for p in positions], device=device),
        nets=Nets.of(online),
        target_nets=Nets.of(target),
        first_nets=Nets.of(online, critics=1),
        slopes=Nets.of(gradient),
    )


def _shapes(fleet: Fleet, group: int, critics: int) -> dict[str, tuple[int, ...]]:
    """Parameters of a group's critics, in order."""
    positions = fleet.positions[group]
    spec, hidden = fleet.agents[positions[0]], critic_hidden(len(fleet.agents))
    shapes: dict[str, tuple[int, ...]] = {
        "own.weight": (spec.obs_size - spec.unique_size, hidden[0]),
        "joint.weight": (fleet.joint_size, hidden[0]),
        "layers.0.bias": (hidden[0],),
    }
    for k, (rows, columns) in enumerate(zip(hidden, (*hidden[1:], 1), strict=True), start=1):
        shapes |= {f"layers.{k}.weight": (rows, columns), f"layers.{k}.bias": (columns,)}
    return {n: (critics, fleet.seeds, len(positions), *shape) for n, shape in shapes.items()}
