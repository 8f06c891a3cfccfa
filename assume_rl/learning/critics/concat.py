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

from assume_rl.learning.critics.base import CriticSpec, Seen, first_at
from assume_rl.learning.critics.units import UnitForm, column_table, file_columns
from assume_rl.learning.fleet import Fleet
from assume_rl.learning.nets import layers as mlp
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.nets.layers import Layers
from assume_rl.learning.nets.stack import critic_hidden, initial_critics


class Nets(NamedTuple):
    """All networks as one axis: critic by critic, in each seed by seed, in each agent by agent."""

    own: Float[Tensor, "net own hidden"]
    joint: Float[Tensor, "net entry hidden"]
    bias: Float[Tensor, "net hidden"]
    rest: Layers

    def first(
        self, own: Float[Tensor, "net row own"], joint: Float[Tensor, "net row entry"]
    ) -> Float[Tensor, "net row hidden"]:
        """Return the output of the first layer, before its activation."""
        partial = mlp.add_product(self.bias.unsqueeze(-2), own, self.own)
        return mlp.add_product_(partial, joint, self.joint)


class Context(NamedTuple):
    """The networks, and the output of their first layer at the actions taken."""

    nets: Nets
    first: Float[Tensor, "net row hidden"]


@dataclass(frozen=True)
class ConcatForm(UnitForm):
    """Critics of one group."""

    fleet: Fleet
    own_private: Int[Tensor, "agent private"]  # rows of the joint part
    own_actions: Int[Tensor, "agent act"]  # likewise

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the parameters of the group's critics, in order."""
        group, hidden = self.group, self.hidden.sizes or critic_hidden(len(self.fleet.agents))
        first = {
            "own.weight": (group.obs_size - group.unique_size, hidden[0]),
            "joint.weight": (self.fleet.joint_size, hidden[0]),
            "layers.0.bias": (hidden[0],),
        }
        return self._stacked(first, hidden)

    def nets(self, weights: Mapping[str, Tensor]) -> Nets:
        """Return the parts of the first layer, and the layers after it."""
        own, joint, bias, *rest = weights.values()
        return Nets(own, joint, bias, mlp.layers(rest, self.hidden.activation))

    def values(self, nets: Nets, seen: Seen) -> list[Float[Tensor, "critic seed agent row"]]:
        """Return all values of the only group."""
        first = nets.first(*self._inputs(seen, nets))
        return [self._values(nets, first, seen.obs[self.position].shape[:3])]

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
        weight = _rows_of(context.nets.joint, self.own_actions)
        return self._moved(context.nets, context.first, action - seen.action[group], weight)

    def with_obs(
        self,
        context: Context,
        seen: Seen,
        group: int,
        row: Int[Tensor, "seed agent other"],
        obs: Float[Tensor, "seed agent other obs"],
    ) -> Float[Tensor, "critic seed agent other"]:
        """Return the values with the own `obs` in place of the one made; see `CriticForm`."""
        nets = context.nets
        change = obs - seen.obs[group].take_along_dim(row[..., None], dim=-2)
        weight = torch.cat([nets.own, _rows_of(nets.joint, self.own_private)], dim=1)
        return self._moved(nets, first_at(context.first, row), change, weight)

    def initialise(self, flat: Flat, seeds: Sequence[int]) -> None:
        """Write fresh networks, each agent's by seed and name."""
        specs = self.group.specs
        for k, seed in enumerate(seeds):
            fresh = initial_critics(
                specs, self.fleet.agents, self.critics, seed, self.name, self.hidden.sizes
            )
            self.load(flat, k, {u: fresh.module_state(u) for u in self.names})

    def _moved(
        self,
        nets: Nets,
        first: Float[Tensor, "net row hidden"],
        change: Float[Tensor, "seed agent row own"],
        weight: Float[Tensor, "net own hidden"],
    ) -> Float[Tensor, "critic seed agent row"]:
        """Return the values where some own entries change."""
        repeated = change.flatten(0, 1).repeat(len(first) // change.shape[:2].numel(), 1, 1)
        return self._values(nets, mlp.add_product(first, repeated, weight), change.shape[:3])

    def _values(
        self, nets: Nets, first: Float[Tensor, "net row hidden"], shape: Sequence[int]
    ) -> Float[Tensor, "critic seed agent row"]:
        q = mlp.forward(nets.rest, nets.rest.activated(first))
        return q.view(-1, *shape)

    def _inputs(
        self, seen: Seen, nets: Nets
    ) -> tuple[Float[Tensor, "net row own"], Float[Tensor, "net row entry"]]:
        """Return both parts of the input for each network; the joint part is not copied."""
        own = seen.obs[self.position][..., : nets.own.shape[1]]
        seeds, agents = own.shape[:2]
        critics = nets.own.shape[0] // (seeds * agents)
        joint = seen.joint[:, None].expand(critics, seeds, agents, *seen.joint.shape[1:])
        return own.expand(critics, *own.shape).flatten(0, 2), joint.flatten(0, 2)


def _rows_of(
    joint: Float[Tensor, "net entry hidden"], own: Int[Tensor, "agent some"]
) -> Float[Tensor, "net some hidden"]:
    """Return the rows of a weight that some entries of the networks' owners meet."""
    weight = joint.view(-1, len(own), *joint.shape[1:])
    agent = torch.arange(len(own), device=joint.device)[:, None]
    rows: Tensor = weight[:, agent, own]
    return rows.flatten(0, 1)


def create(spec: CriticSpec) -> list[ConcatForm]:
    """Return the critics of all groups."""
    fleet, device = spec.fleet, spec.device
    private, actions = fleet.private_columns(), fleet.action_columns()
    return [
        ConcatForm(
            group,
            k,
            fleet.seeds,
            spec.critics,
            spec.name,
            column_table([file_columns(fleet, p) for p in group.positions], device),
            spec.hidden,
            fleet,
            column_table([private[p] for p in group.positions], device),
            column_table([actions[p] for p in group.positions], device),
        )
        for k, group in enumerate(fleet.groups)
    ]
