"""Critics of independent learners: each sees its own agent only, as if there were no others.

Tan 1993, "Multi-agent reinforcement learning: independent vs. cooperative agents". Input of an
agent's critic: its observation and, where it values actions, its action.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.learning.critics.base import CriticSpec, Seen
from assume_rl.learning.critics.units import UnitForm, column_table
from assume_rl.learning.fleet import Group
from assume_rl.learning.nets import layers as mlp
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.nets.layers import Layers
from assume_rl.learning.nets.stack import critic_hidden, initial_critics


class Nets(NamedTuple):
    """All networks as one axis: critic by critic, in each seed by seed, in each agent by agent."""

    obs: Float[Tensor, "net obs hidden"]
    action: Float[Tensor, "net act hidden"]
    bias: Float[Tensor, "net hidden"]
    rest: Layers


class Context(NamedTuple):
    """The networks, and the output of their first layer from the observations alone."""

    nets: Nets
    first: Float[Tensor, "net row hidden"]


@dataclass(frozen=True)
class IndependentForm(UnitForm):
    """Critics of one group."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the parameters of the group's critics, in order."""
        hidden = self.hidden.sizes or critic_hidden(1)
        first = {
            "obs.weight": (self.group.obs_size, hidden[0]),
            "action.weight": (self.group.act_size, hidden[0]),
            "layers.0.bias": (hidden[0],),
        }
        return self._stacked(first, hidden)

    def nets(self, weights: Mapping[str, Tensor]) -> Nets:
        """Return the parts of the first layer, and the layers after it."""
        obs, action, bias, *rest = weights.values()
        return Nets(obs, action, bias, mlp.layers(rest, self.hidden.activation))

    def values(self, nets: Nets, seen: Seen) -> list[Float[Tensor, "critic seed agent row"]]:
        """Return all values of the only group."""
        context = self.context(nets, seen)
        return [self.with_action(context, seen, self.position, seen.action[self.position])]

    def context(self, nets: Nets, seen: Seen) -> Context:
        """Return the first layer's output from the observations alone."""
        return self._context(nets, seen.obs[self.position])

    def with_action(
        self, context: Context, seen: Seen, group: int, action: Float[Tensor, "seed agent row act"]
    ) -> Float[Tensor, "critic seed agent row"]:
        """Return the values of `action` in place of the one taken.

        :param context: of the rows
        :param seen: the rows
        :param group: the only group
        :param action: of its agents
        """
        nets, own = context.nets, action.flatten(0, 1)
        repeated = own.repeat(len(nets.bias) // len(own), 1, 1)
        first = mlp.add_product(context.first, repeated, nets.action)
        q = mlp.forward(nets.rest, nets.rest.activated(first))
        return q.view(-1, *action.shape[:3])

    def with_obs(
        self,
        context: Context,
        seen: Seen,
        group: int,
        row: Int[Tensor, "seed agent other"],
        obs: Float[Tensor, "seed agent other obs"],
    ) -> Float[Tensor, "critic seed agent other"]:
        """Return the values of `obs` in place of the one made; see `CriticForm`."""
        action = seen.action[group].take_along_dim(row[..., None], dim=-2)
        return self.with_action(self._context(context.nets, obs), seen, group, action)

    def initialise(self, flat: Flat, seeds: Sequence[int]) -> None:
        """Write fresh networks, each agent's by seed and name."""
        for k, seed in enumerate(seeds):
            for spec in self.group.specs:
                fresh = initial_critics(
                    (spec,), (spec,), self.critics, seed, self.name, self.hidden.sizes
                )
                self.load(flat, k, {spec.unit_id: fresh.module_state(spec.unit_id)})

    def _context(self, nets: Nets, obs: Float[Tensor, "seed agent row obs"]) -> Context:
        own = obs.flatten(0, 1)
        repeated = own.repeat(len(nets.bias) // len(own), 1, 1)
        return Context(nets, mlp.add_product(nets.bias.unsqueeze(-2), repeated, nets.obs))


def create(spec: CriticSpec) -> list[IndependentForm]:
    """Return the critics of all groups."""
    return [
        IndependentForm(
            group,
            k,
            spec.fleet.seeds,
            spec.critics,
            spec.name,
            _columns(group, spec.device),
            spec.hidden,
        )
        for k, group in enumerate(spec.fleet.groups)
    ]


def _columns(group: Group, device: torch.device) -> Int[Tensor, "agent entry"]:
    """Return where files have the rows of the first weight: in the same order."""
    return column_table([range(group.obs_size + group.act_size)] * len(group.specs), device)
