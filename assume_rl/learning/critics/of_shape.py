"""One critic for all agents of a shape; what tells kinds apart is how it sees the rivals.

The network sees an agent's own observation and action, a learned embedding that says whose values
are asked for, and the rivals (`Rivals`). Its weights, and with them its cost per agent, do not grow
with the fleet. Its loss is the mean over its agents, so that neither does its step; its gradient
is clipped as one.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl import keyed
from assume_rl.errors import PolicyError
from assume_rl.learning.critics.critic import (
    CriticNets,
    Fleet,
    GradientStep,
    Seen,
    States,
    Weights,
    clip_,
    part_norms,
)
from assume_rl.learning.critics.rivals import HIDDEN, Rivals
from assume_rl.learning.losses import critic_loss
from assume_rl.learning.nets import layers as mlp
from assume_rl.learning.nets.flat import Adam, Flat
from assume_rl.learning.nets.layers import Layer
from assume_rl.learning.types import AgentSpec

EMBEDDING = 16


@dataclass(frozen=True)
class ShapeCritic:
    """Critics of all agents of one shape; parameters are `(critic, seed, ...)`."""

    groups: tuple[int, ...]
    unit_ids: tuple[tuple[str, ...], ...]  # of each group
    spans: tuple[range, ...]  # of each group's agents among those of the shape
    obs_size: int
    rivals: Rivals
    online: Flat
    target: Flat
    adam: Adam
    gradient: Flat
    name: str  # in files

    @property
    def names(self) -> tuple[str, ...]:
        """One name, which tells the shape."""
        return (self.name,)

    def target_values(self, seen: Seen) -> list[Float[Tensor, "seed _ row"]]:
        """Per group, the least of the target networks' values."""
        weights, rest = _nets(self.target)
        look = self.rivals.look(weights, seen)
        values = []
        for k in range(len(self.groups)):
            first = self._first(weights, look, seen, k)
            values.append(self._values(mlp.forward(rest, first.relu_())[0], k).amin(dim=0))
        return values

    def descend(
        self, seen: Seen, targets: Sequence[Float[Tensor, "seed _ row"]], rate: float
    ) -> list[GradientStep]:
        """One step down the mean of all agents' losses."""
        (weights, rest), (slopes, rest_slopes) = _nets(self.online), _nets(self.gradient)
        self.gradient.buffer.zero_()
        look = self.rivals.look(weights, seen)
        losses, agents = [], self.spans[-1].stop
        for k, target in enumerate(targets):
            q, hidden = mlp.forward(rest, self._first(weights, look, seen, k).relu_())
            loss, slope = critic_loss(self._values(q, k), target)
            slope = slope.view_as(q) / agents
            slope = mlp.backward(rest, hidden, slope, rest_slopes, add=True)
            self._first_gradient(weights, slopes, look, seen, k, slope)
            losses.append(loss)
        self.rivals.finish(weights, slopes, look)
        total, largest = self._norms()
        clip_(self.gradient, total[None])
        self.adam.descend(self.gradient, rate)
        norms = total[:, None], largest[:, None]
        return [GradientStep(x, *[n.expand_as(x) for n in norms]) for x in losses]

    def context(self, seen: Seen) -> tuple[Weights, list[Layer], Any]:
        """The first Q-functions and what they see of the rivals."""
        weights, rest = _nets(self.online, critics=1)
        return weights, rest, self.rivals.look(weights, seen)

    def uphill(
        self,
        context: tuple[Weights, list[Layer], Any],
        seen: Seen,
        group: int,
        action: Float[Tensor, "seed agent row act"],
    ) -> tuple[Float[Tensor, "seed agent row"], Float[Tensor, "seed agent row act"]]:
        """First values with the own `action` in place of the one taken, and their gradients."""
        weights, rest, look = context
        direct = weights["own.weight"][:, None, self.obs_size :]
        weight = self.rivals.own_action(weights, group, direct).flatten(0, 1)
        first = self._first(weights, look, seen, self.groups.index(group))
        change = (action - seen.action[group]).flatten(0, 1)
        moved = mlp.add_product_(first.view(weight.shape[0], -1, HIDDEN[0]), change, weight)
        q, hidden = mlp.forward(rest, moved.view_as(first).relu_())
        slope = mlp.backward(rest, hidden, torch.ones_like(q), None).view_as(moved)
        return q.view(action.shape[:-1]), mlp.input_gradient(slope, weight).view_as(action)

    def snapshot(self, seed: int) -> CriticNets:
        """Copies of one seed's networks."""
        weights = self.states(self.online, seed)[self.name]
        units = tuple(unit for own in self.unit_ids for unit in own)
        return CriticNets(units, weights["own.weight"].shape[0], weights)

    def initialise(self, fleet: Fleet, seeds: Sequence[int]) -> None:
        """Fresh networks by seed and shape, embeddings by seed and unit; targets are copies."""
        views = self.online.views
        critics = views["embedding"].shape[0]
        units = [unit for own in self.unit_ids for unit in own]
        fan_in = sum(views[n].shape[2] for n in _FIRST)
        for k, seed in enumerate(seeds):
            for c in range(critics):
                net = f"critic{c + 1}"
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
        self.target.buffer.copy_(self.online.buffer)

    def states(self, flat: Flat, seed: int) -> dict[str, Weights]:
        """All parts under the only name."""
        return {self.name: {name: view[:, seed].clone() for name, view in flat.views.items()}}

    def load(self, flat: Flat, seed: int, states: States) -> None:
        """Overwrite what `states` has under the only name; `PolicyError` if it does not fit."""
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

    def _first(
        self, weights: Weights, look: Any, seen: Seen, k: int
    ) -> Float[Tensor, "net agent_row hidden"]:
        """Output of the first layer for the k-th group, before its ReLU."""
        identity = mlp.linear(
            self._embedding(weights, k), Layer(weights["embedding.weight"], weights["first.bias"])
        )
        base = self.rivals.added(weights, look, self.groups[k], identity.unsqueeze(-2))
        own = self._own(weights, seen, k)
        return mlp.add_product_(base.flatten(1, 2), own, weights["own.weight"])

    def _first_gradient(
        self,
        weights: Weights,
        slopes: Weights,
        look: Any,
        seen: Seen,
        k: int,
        slope: Float[Tensor, "net agent_row hidden"],
    ) -> None:
        """Add the gradients of the first layer, from that at its output."""
        own, embedding = self._own(weights, seen, k), self._embedding(weights, k)
        mlp.weight_gradient(own, slope, slopes["own.weight"], add=True)
        split = slope.view(slope.shape[0], embedding.shape[1], -1, HIDDEN[0])
        identity = split.sum(dim=2)
        into = Layer(slopes["embedding.weight"], slopes["first.bias"])
        mlp.linear_gradient(embedding, identity, into, add=True)
        at_embedding = self._embedding(slopes, k)
        at_embedding += mlp.input_gradient(identity, weights["embedding.weight"])
        self.rivals.note(weights, slopes, look, self.groups[k], split)

    def _own(self, weights: Weights, seen: Seen, k: int) -> Float[Tensor, "net agent_row entry"]:
        """Observation and action of the k-th group's agents, for each network."""
        group = self.groups[k]
        own = torch.cat([seen.obs[group], seen.action[group]], dim=-1).flatten(1, 2)
        critics = weights["own.weight"].shape[0] // own.shape[0]
        return own.expand(critics, *own.shape).flatten(0, 1)

    def _embedding(self, weights: Weights, k: int) -> Float[Tensor, "net agent embedding"]:
        return weights["embedding"][:, self.spans[k].start : self.spans[k].stop]

    def _values(
        self, q: Float[Tensor, "net agent_row 1"], k: int
    ) -> Float[Tensor, "critic seed agent row"]:
        axes = self.online.views["embedding"].shape[:2]
        return q.view(*axes, len(self.unit_ids[k]), -1)

    def _norms(self) -> tuple[Float[Tensor, " seed"], Float[Tensor, " seed"]]:
        """Norm of a seed's gradient, and the largest of one weight or bias."""
        norms = part_norms(self.gradient, 2)
        total = torch.linalg.vector_norm(norms.movedim(0, -1).flatten(1), dim=-1)
        return total, norms.amax(dim=-1).amax(dim=0)


_FIRST = ("own.weight", "embedding.weight", "first.weight")


def create_with(
    rivals: Rivals, fleet: Fleet, critics: int, device: torch.device, dtype: torch.dtype
) -> tuple[ShapeCritic, ...]:
    """Critics of all shapes that see `rivals`, all zero."""
    shapes: dict[tuple[int, int, int], list[int]] = {}
    for group, positions in enumerate(fleet.positions):
        shapes.setdefault(fleet.agents[positions[0]].shape, []).append(group)
    return tuple(
        _critic(fleet, groups, rivals, critics, device, dtype) for groups in shapes.values()
    )


def _critic(
    fleet: Fleet,
    groups: Sequence[int],
    rivals: Rivals,
    critics: int,
    device: torch.device,
    dtype: torch.dtype,
) -> ShapeCritic:
    members = [[fleet.agents[p] for p in fleet.positions[g]] for g in groups]
    spec = members[0][0]
    ends = list(itertools.accumulate(map(len, members), initial=0))
    shapes = _shapes(spec, ends[-1], rivals.sizes())
    axes = (critics, fleet.seeds)
    online = Flat.zeros({n: (*axes, *shape) for n, shape in shapes.items()}, device, dtype)
    return ShapeCritic(
        groups=tuple(groups),
        unit_ids=tuple(tuple(a.unit_id for a in own) for own in members),
        spans=tuple(range(a, b) for a, b in itertools.pairwise(ends)),
        obs_size=spec.obs_size,
        rivals=rivals,
        online=online,
        target=online.like(),
        adam=Adam.of(online),
        gradient=online.like(),
        name="-".join(map(str, spec.shape)),
    )


def _shapes(
    spec: AgentSpec, agents: int, rivals: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """Parameters of one network; the layers after the first are last."""
    shapes: dict[str, tuple[int, ...]] = {
        "own.weight": (spec.obs_size + spec.act_size, HIDDEN[0]),
        "embedding": (agents, EMBEDDING),
        "embedding.weight": (EMBEDDING, HIDDEN[0]),
        **rivals,
        "first.bias": (HIDDEN[0],),
    }
    for k, (rows, columns) in enumerate(zip(HIDDEN, (*HIDDEN[1:], 1), strict=True), start=1):
        shapes |= {f"layers.{k}.weight": (rows, columns), f"layers.{k}.bias": (columns,)}
    return shapes


def _nets(flat: Flat, critics: int | None = None) -> tuple[Weights, list[Layer]]:
    """Views with all networks (of the first `critics` Q-functions) as one axis; later layers."""
    views = {name: view[:critics].flatten(0, 1) for name, view in flat.views.items()}
    return views, mlp.layers([v for name, v in views.items() if name.startswith("layers.")])


def _uniform(shape: tuple[int, ...], seed: int, *names: str) -> Tensor:
    """Keyed draws in [-1, 1)."""
    return 2.0 * keyed.array(shape, seed, "init", *names) - 1.0
