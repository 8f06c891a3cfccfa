"""`critic: concat`: every agent has critics of its own, which see all agents side by side.

Input of an agent's critic: its own observation, the private part of the others' observations, all
actions (Lowe et al. 2017, Ackermann et al. 2019). The private part of all agents, the owner's
among them, and all actions are the same numbers for every critic: the joint part. The first layer
is therefore two products, one with what only the owner sees and one with the joint part, which is
stored once and read by all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.learning.critics.base import Seen
from assume_rl.learning.critics.units import UnitCritics, file_columns
from assume_rl.learning.fleet import Fleet
from assume_rl.learning.nets import layers as mlp
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.nets.layers import Layer
from assume_rl.learning.nets.net import States, Weights
from assume_rl.learning.nets.stack import CriticStack, critic_hidden, initial_critics


class Nets(NamedTuple):
    """All networks as one axis: critic by critic, in each seed by seed, in each agent by agent."""

    own: Float[Tensor, "net own hidden"]
    joint: Float[Tensor, "net entry hidden"]
    bias: Float[Tensor, "net hidden"]
    rest: list[Layer]

    def first(
        self, own: Float[Tensor, "net row own"], joint: Float[Tensor, "net row entry"]
    ) -> Float[Tensor, "net row hidden"]:
        """Return the output of the first layer, before its ReLU."""
        partial = mlp.add_product(self.bias.unsqueeze(-2), own, self.own)
        return mlp.add_product_(partial, joint, self.joint)


class Context(NamedTuple):
    """The networks, and the output of their first layer at the actions taken."""

    nets: Nets
    first: Float[Tensor, "net row hidden"]


@dataclass(frozen=True)
class ConcatForm:
    """Critics of one group; parameters are `(critic, seed, agent, ...)`."""

    fleet: Fleet
    group: int
    critics: int
    name: str  # keys initial weights
    own_actions: Int[Tensor, "agent act"]  # rows of the joint part
    columns: Int[Tensor, "agent entry"]  # where files have the rows of the first weight

    @property
    def axes(self) -> tuple[str, ...]:
        """One network per Q-function, seed and agent."""
        return ("critic", "seed", "agent")

    @property
    def groups(self) -> tuple[int, ...]:
        """The only group."""
        return (self.group,)

    @property
    def names(self) -> tuple[str, ...]:
        """The agents."""
        return self.fleet.groups[self.group].unit_ids

    @property
    def share(self) -> float:
        """Each agent has networks of its own."""
        return 1.0

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the parameters of the group's critics, in order."""
        group, hidden = self.fleet.groups[self.group], critic_hidden(len(self.fleet.agents))
        shapes: dict[str, tuple[int, ...]] = {
            "own.weight": (group.obs_size - group.unique_size, hidden[0]),
            "joint.weight": (self.fleet.joint_size, hidden[0]),
            "layers.0.bias": (hidden[0],),
        }
        for k, (rows, columns) in enumerate(zip(hidden, (*hidden[1:], 1), strict=True), start=1):
            shapes |= {f"layers.{k}.weight": (rows, columns), f"layers.{k}.bias": (columns,)}
        axes = (self.critics, self.fleet.seeds, len(group.specs))
        return {name: (*axes, *shape) for name, shape in shapes.items()}

    def nets(self, weights: Mapping[str, Tensor]) -> Nets:
        """Return the parts of the first layer, and the layers after it."""
        own, joint, bias, *rest = weights.values()
        return Nets(own, joint, bias, mlp.layers(rest))

    def values(self, nets: Nets, seen: Seen) -> list[Float[Tensor, "critic seed agent row"]]:
        """Return all values of the only group."""
        return [self._values(nets, nets.first(*self._inputs(seen, nets)), seen)]

    def context(self, nets: Nets, seen: Seen) -> Context:
        """Return the first layer at the actions taken."""
        return Context(nets, nets.first(*self._inputs(seen, nets)))

    def with_action(
        self, context: Context, seen: Seen, group: int, action: Float[Tensor, "seed agent row act"]
    ) -> Float[Tensor, "critic seed agent row"]:
        """Return the values with the own `action` in place of the one taken.

        :param context: of the rows
        :param seen: the rows, with the actions taken
        :param group: the only group
        :param action: of its agents
        """
        nets = context.nets
        change = (action - seen.action[group]).flatten(0, 1)
        critics = len(nets.bias) // len(change)
        weight = self._own_action_weight(nets.joint)
        moved = mlp.add_product(context.first, change.repeat(critics, 1, 1), weight)
        return self._values(nets, moved, seen)

    def initialise(self, flat: Flat, seeds: Sequence[int]) -> None:
        """Write fresh networks, each agent's by seed and name."""
        group = self.fleet.groups[self.group]
        for k, seed in enumerate(seeds):
            fresh = initial_critics(group.specs, self.fleet.agents, self.critics, seed, self.name)
            self.load(flat, k, {u: fresh.module_state(u) for u in self.names})

    def snapshot(self, flat: Flat, seed: int) -> CriticStack:
        """Return copies of one seed's networks."""
        return self.of_seed(flat, seed).stack(self.names)

    def of_seed(self, flat: Flat, seed: int) -> UnitCritics:
        """Return one seed's part of `flat`, which is arranged like the networks."""
        weights = {name: view[:, seed] for name, view in flat.views.items()}
        return UnitCritics(self.names, self.columns, weights)

    def states(self, flat: Flat, seed: int) -> dict[str, Weights]:
        """Return module states by agent."""
        table = self.of_seed(flat, seed)
        return {unit: table.module_state(unit) for unit in self.names}

    def load(self, flat: Flat, seed: int, states: States) -> None:
        """Overwrite the agents that are in `states`; `PolicyError` if one does not fit."""
        table = self.of_seed(flat, seed)
        for unit in self.names:
            if unit in states:
                table.write(unit, states[unit])

    def whole(self, norms: Float[Tensor, "*net part"]) -> Float[Tensor, "*net weight"]:
        """Return norms with the two parts of the first layer's weight as one."""
        weight = torch.linalg.vector_norm(norms[..., :2], dim=-1, keepdim=True)
        return torch.cat([weight, norms[..., 2:]], dim=-1)

    def _values(
        self, nets: Nets, first: Float[Tensor, "net row hidden"], seen: Seen
    ) -> Float[Tensor, "critic seed agent row"]:
        q = mlp.forward(nets.rest, first.relu_())
        seeds, agents, rows = seen.obs[self.group].shape[:3]
        return q.view(-1, seeds, agents, rows)

    def _inputs(
        self, seen: Seen, nets: Nets
    ) -> tuple[Float[Tensor, "net row own"], Float[Tensor, "net row entry"]]:
        """Return both parts of the input for each network; the joint part is not copied."""
        own = seen.obs[self.group][..., : nets.own.shape[1]]
        seeds, agents = own.shape[:2]
        critics = nets.own.shape[0] // (seeds * agents)
        joint = seen.joint[:, None].expand(critics, seeds, agents, *seen.joint.shape[1:])
        return own.expand(critics, *own.shape).flatten(0, 2), joint.flatten(0, 2)

    def _own_action_weight(
        self, joint: Float[Tensor, "net entry hidden"]
    ) -> Float[Tensor, "net act hidden"]:
        """Return the rows of the first weight that the owners' actions meet."""
        agents = self.own_actions.shape[0]
        weight = joint.view(-1, agents, *joint.shape[1:])
        agent = torch.arange(agents, device=joint.device)[:, None]
        rows: Tensor = weight[:, agent, self.own_actions]
        return rows.flatten(0, 1)


def create(
    fleet: Fleet, critics: int, device: torch.device, name: str = "critic"
) -> list[ConcatForm]:
    """Return the critics of all groups.

    :param fleet: of the learner
    :param critics: Q-functions of an agent
    :param device: of the networks
    :param name: keys initial weights
    """
    actions = fleet.action_columns()

    def numbers(rows: list[list[int]]) -> Int[Tensor, "agent _"]:
        # Without a dtype, agents that have no entries would have floating-point ones.
        return torch.tensor(rows, device=device, dtype=torch.long)

    return [
        ConcatForm(
            fleet,
            k,
            critics,
            name,
            numbers([list(actions[p]) for p in group.positions]),
            numbers([file_columns(fleet, p) for p in group.positions]),
        )
        for k, group in enumerate(fleet.groups)
    ]
