"""One critic for all agents of equal sizes; kinds differ by how it sees the rivals.

The network sees an agent's own observation and action, a learned embedding that says whose values
are asked for, and the rivals (`Rivals`). Its weights, and with them its cost per agent, do not grow
with the fleet. Its loss is the mean over its agents, so that neither does its step; its gradient
is clipped as one.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl import keyed
from assume_rl.errors import PolicyError
from assume_rl.learning.critics.base import CriticNets, CriticSpec, Seen, first_at
from assume_rl.learning.nets import layers as mlp
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.nets.layers import Hidden, Layer, Layers
from assume_rl.learning.nets.net import States, Weights

EMBEDDING = 16
HIDDEN = (256, 128)  # whatever the number of agents, unless a user wants others


@runtime_checkable
class Rivals(Protocol):
    """How a critic sees the observations and actions of the other agents.

    `weights` have all networks as one axis, critic by critic and in each seed by seed.
    """

    def sizes(self) -> dict[str, tuple[int, ...]]:
        """Return the parameters of one network; `first.weight` meets the first hidden layer."""
        ...

    def look(self, weights: Weights, seen: Seen) -> Any:
        """Return all that can be computed of some rows once for all agents."""
        ...

    def added(
        self, weights: Weights, look: Any, group: int, base: Float[Tensor, "net agent 1 hidden"]
    ) -> Float[Tensor, "net agent row hidden"]:
        """Return the rivals' part of the first layer's output for a group's agents, plus `base`.

        :param weights: of the critics
        :param look: that `look` returned
        :param group: of the agents, by position in the fleet
        :param base: the rest of the output
        """
        ...

    def own(
        self, weights: Weights, group: int, direct: Float[Tensor, "net 1 own hidden"]
    ) -> Float[Tensor, "net agent own hidden"]:
        """Return all weights that private entries and action of an agent meet.

        :param weights: of the critics
        :param group: of the agents, by position in the fleet
        :param direct: weights that they meet as the agent's own; some add the rivals' part
        """
        ...


class Nets(NamedTuple):
    """Parameters with all networks as one axis, and the layers after the first."""

    weights: Weights
    rest: Layers


class Context(NamedTuple):
    """The networks, and their look at the rivals."""

    nets: Nets
    look: Any


@dataclass(frozen=True)
class ShapeForm:
    """Critics of all agents of equal sizes; parameters are `(critic, seed, ...)`."""

    groups: tuple[int, ...]
    unit_ids: tuple[tuple[str, ...], ...]  # of each group
    spans: tuple[range, ...]  # of each group's agents among those of the critic
    sizes: tuple[int, ...]  # of the agents
    seeds: int
    critics: int
    key: str  # keys initial weights
    rivals: Rivals
    hidden: Hidden

    @property
    def axes(self) -> tuple[str, ...]:
        """Return the axes of one network per Q-function and seed."""
        return ("critic", "seed")

    @property
    def name(self) -> str:
        """Return the name in files: the sizes."""
        return "-".join(map(str, self.sizes))

    @property
    def names(self) -> tuple[str, ...]:
        """Return the only name."""
        return (self.name,)

    @property
    def share(self) -> float:
        """Return one over the number of agents: the loss is their mean."""
        return 1.0 / self.spans[-1].stop

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the parameters; the layers after the first are last."""
        obs, act = self.sizes[:2]
        hidden = self.hidden.sizes or HIDDEN
        shapes: dict[str, tuple[int, ...]] = {
            "own.weight": (obs + act, hidden[0]),
            "embedding": (self.spans[-1].stop, EMBEDDING),
            "embedding.weight": (EMBEDDING, hidden[0]),
            **self.rivals.sizes(),
            "first.bias": (hidden[0],),
        }
        shapes |= mlp.later_shapes(hidden)
        return {name: (self.critics, self.seeds, *shape) for name, shape in shapes.items()}

    def nets(self, weights: Mapping[str, Tensor]) -> Nets:
        """Return all parameters by name, and the layers after the first."""
        rest = [weight for name, weight in weights.items() if name.startswith("layers.")]
        return Nets(dict(weights), mlp.layers(rest, self.hidden.activation))

    def values(self, nets: Nets, seen: Seen) -> list[Float[Tensor, "critic seed _ row"]]:
        """Return all values, per group (critic, seed, agent, row)."""
        look = self.rivals.look(nets.weights, seen)
        return [
            self._values(
                nets, self._first(nets.weights, look, seen, k), seen.obs[self.groups[k]].shape[:3]
            )
            for k in range(len(self.groups))
        ]

    def context(self, nets: Nets, seen: Seen) -> Context:
        """Return the critics' look at the rivals."""
        return Context(nets, self.rivals.look(nets.weights, seen))

    def with_action(
        self, context: Context, seen: Seen, group: int, action: Float[Tensor, "seed agent row act"]
    ) -> Float[Tensor, "critic seed agent row"]:
        """Return the values with the own `action` in place of the one taken.

        :param context: of the rows
        :param seen: the rows, with the actions taken
        :param group: of the agents, by position in the fleet
        :param action: of its agents
        """
        weight = self._own_weight(context.nets.weights, group)[:, :, self.sizes[2] :]
        first = self._first_of_agents(context, seen, group)
        change = action - seen.action[group]
        return self._moved(context.nets, first, change, weight.flatten(0, 1))

    def with_obs(
        self,
        context: Context,
        seen: Seen,
        group: int,
        row: Int[Tensor, "seed agent other"],
        obs: Float[Tensor, "seed agent other obs"],
    ) -> Float[Tensor, "critic seed agent other"]:
        """Return the values with the own `obs` in place of the one made; see `CriticForm`."""
        obs_size, _, unique = self.sizes[:3]
        private = self._own_weight(context.nets.weights, group)[:, :, :unique]
        shared = context.nets.weights["own.weight"][:, None, : obs_size - unique]
        shared = shared.expand(-1, private.shape[1], -1, -1)
        weight = torch.cat([shared, private], dim=2).flatten(0, 1)
        first = first_at(self._first_of_agents(context, seen, group), row)
        change = obs - seen.obs[group].take_along_dim(row[..., None], dim=-2)
        return self._moved(context.nets, first, change, weight)

    def initialise(self, flat: Flat, seeds: Sequence[int]) -> None:
        """Write fresh networks by seed and sizes, embeddings by seed and agent."""
        views = flat.views
        units = [unit for own in self.unit_ids for unit in own]
        fan_in = sum(views[n].shape[2] for n in _FIRST)
        for k, seed in enumerate(seeds):
            for c in range(self.critics):
                net = f"{self.key}{c + 1}"
                for name, view in views.items():
                    if name == "embedding":
                        own = [_uniform((EMBEDDING,), seed, net, unit, name) for unit in units]
                        view[c, k].copy_(torch.stack(own))
                    elif name.endswith("weight"):
                        rows, columns = view.shape[2:]
                        inputs = fan_in if name in _FIRST else rows
                        bound = math.sqrt(6.0 / (inputs + columns))
                        draws = _uniform((rows, columns), seed, net, self.name, name)
                        view[c, k].copy_(draws * bound)

    def snapshot(self, flat: Flat, seed: int) -> CriticNets:
        """Return copies of one seed's networks."""
        units = tuple(unit for own in self.unit_ids for unit in own)
        return CriticNets(units, self.critics, self.states(flat, seed)[self.name])

    def states(self, flat: Flat, seed: int) -> dict[str, Weights]:
        """Return all parts under the only name."""
        return {self.name: {name: view[:, seed].clone() for name, view in flat.views.items()}}

    def load(self, flat: Flat, seed: int, states: States) -> None:
        """Overwrite parameters by those under the only name; `PolicyError` if they do not fit."""
        if self.name not in states:
            return
        state, views = states[self.name], flat.views
        wrong = sorted(
            n for n, v in views.items() if n not in state or state[n].shape != v[:, seed].shape
        )
        if wrong:
            raise PolicyError(f"critics of agents {self.name} do not fit: {', '.join(wrong)}")
        for name, view in views.items():
            view[:, seed].copy_(state[name])

    def whole(self, norms: Float[Tensor, "*net part"]) -> Float[Tensor, "*net weight"]:
        """Return `norms`: parts are weights and biases."""
        return norms

    def _first(
        self, weights: Weights, look: Any, seen: Seen, k: int
    ) -> Float[Tensor, "net agent_row hidden"]:
        """Return the output of the first layer for the k-th group, before its activation."""
        span = self.spans[k]
        embedding = weights["embedding"][:, span.start : span.stop]
        identity = mlp.linear(embedding, Layer(weights["embedding.weight"], weights["first.bias"]))
        base = self.rivals.added(weights, look, self.groups[k], identity.unsqueeze(-2))
        own = self._own(weights, seen, k)
        return mlp.add_product_(base.flatten(1, 2), own, weights["own.weight"])

    def _first_of_agents(
        self, context: Context, seen: Seen, group: int
    ) -> Float[Tensor, "net_agent row hidden"]:
        k = self.groups.index(group)
        first = self._first(context.nets.weights, context.look, seen, k)
        return first.view(len(first) * len(self.spans[k]), -1, first.shape[-1])

    def _own_weight(self, weights: Weights, group: int) -> Float[Tensor, "net agent own hidden"]:
        """Return all weights that private entries and action of a group's agents meet."""
        shared = self.sizes[0] - self.sizes[2]
        return self.rivals.own(weights, group, weights["own.weight"][:, None, shared:])

    def _moved(
        self,
        nets: Nets,
        first: Float[Tensor, "net_agent row hidden"],
        change: Float[Tensor, "seed agent row own"],
        weight: Float[Tensor, "net_agent own hidden"],
    ) -> Float[Tensor, "critic seed agent row"]:
        """Return the values where some own entries change."""
        repeated = change.flatten(0, 1).repeat(len(first) // change.shape[:2].numel(), 1, 1)
        moved = mlp.add_product(first, repeated, weight)
        joined = moved.view(-1, change.shape[1] * change.shape[2], moved.shape[-1])
        return self._values(nets, joined, change.shape[:3])

    def _own(self, weights: Weights, seen: Seen, k: int) -> Float[Tensor, "net agent_row entry"]:
        """Return observation and action of the k-th group's agents, for each network."""
        group = self.groups[k]
        own = torch.cat([seen.obs[group], seen.action[group]], dim=-1).flatten(1, 2)
        critics = weights["own.weight"].shape[0] // own.shape[0]
        return own.expand(critics, *own.shape).flatten(0, 1)

    def _values(
        self, nets: Nets, first: Float[Tensor, "net agent_row hidden"], shape: Sequence[int]
    ) -> Float[Tensor, "critic seed agent row"]:
        q = mlp.forward(nets.rest, nets.rest.activated(first))
        return q.view(-1, *shape)


_FIRST = ("own.weight", "embedding.weight", "first.weight")


def create(rivals: Callable[[CriticSpec], Rivals], spec: CriticSpec) -> list[ShapeForm]:
    """Return the critics of all sizes of agents.

    :param rivals: makes how they see the rivals
    :param spec: of the critics
    """
    alike: dict[tuple[int, ...], list[int]] = {}
    for k, group in enumerate(spec.fleet.groups):
        alike.setdefault(group.specs[0].shape, []).append(k)
    seen = rivals(spec)
    return [_form(seen, spec, groups) for groups in alike.values()]


def _form(rivals: Rivals, spec: CriticSpec, groups: Sequence[int]) -> ShapeForm:
    members = [spec.fleet.groups[g] for g in groups]
    ends = itertools.accumulate((len(own.specs) for own in members), initial=0)
    return ShapeForm(
        groups=tuple(groups),
        unit_ids=tuple(own.unit_ids for own in members),
        spans=tuple(range(a, b) for a, b in itertools.pairwise(ends)),
        sizes=members[0].specs[0].shape,
        seeds=spec.fleet.seeds,
        critics=spec.critics,
        key=spec.name,
        rivals=rivals,
        hidden=spec.hidden,
    )


def _uniform(shape: tuple[int, ...], seed: int, *names: str) -> Tensor:
    """Return keyed draws in [-1, 1)."""
    return 2.0 * keyed.array(shape, seed, "init", *names) - 1.0
