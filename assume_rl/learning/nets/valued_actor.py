"""Actors whose network also gives the value of the observation: one trunk for policy and value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from assume_rl.errors import PolicyError
from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.nets.heads import head_of
from assume_rl.learning.nets.initial import drawn, xavier
from assume_rl.learning.nets.net import States, Weights
from assume_rl.learning.nets.stack import ActorStack

VALUE = ("value.weight", "value.bias")
"""Names of the value's part of the last layer in states; policy files hold the actor only."""


@dataclass(frozen=True)
class ValuedActorForm(ActorForm):
    """An actor with one more output, the last of its last layer: the value of the observation."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the parameters of the trunk, the last layer with an output more."""
        shapes = super().shapes()
        for name in list(shapes)[-2:]:
            shapes[name] = (*shapes[name][:-1], shapes[name][-1] + 1)
        return shapes

    def both(
        self, nets: Any, obs: Float[Tensor, "seed agent row obs"]
    ) -> tuple[Float[Tensor, "seed agent row out"], Float[Tensor, "seed agent row"]]:
        """Return the outputs that the head reads, and values."""
        out = self._last_layer(nets, obs)
        return head_of(self.head).masked(out[..., :-1], obs), out[..., -1]

    def outputs(
        self, nets: Any, obs: Float[Tensor, "seed agent row obs"]
    ) -> Float[Tensor, "seed agent row out"]:
        """Return the outputs that the head reads."""
        return self.both(nets, obs)[0]

    def _stack(self, flat: Flat, seed: int) -> ActorStack:
        """Return one seed's part of `flat` without the values; no copy."""
        whole = super()._stack(flat, seed)
        weights = dict(whole.weights)
        for name in list(weights)[-2:]:
            weights[name] = weights[name][..., :-1]
        return replace(whole, weights=weights)

    def initialise(self, flat: Flat, seeds: Sequence[int]) -> None:
        """Write fresh networks, each agent's by seed and name; actors as those without values."""
        for k, seed in enumerate(seeds):
            fresh = self._fresh(seed)
            for name, view in self._stack(flat, k).weights.items():
                view.copy_(fresh.weights[name])
            weight, bias = self._value(flat, k)
            shapes = {VALUE[0]: (weight.shape[-1], 1), VALUE[1]: (1,)}
            nets = [(unit, "value") for unit in self.names]
            values = drawn(shapes, xavier(shapes), nets, seed)
            weight.copy_(values[VALUE[0]][..., 0])
            bias.copy_(values[VALUE[1]][..., 0])

    def states(self, flat: Flat, seed: int) -> dict[str, Weights]:
        """Return copies of one seed's actors and values by agent."""
        found = super().states(flat, seed)
        weight, bias = self._value(flat, seed)
        for k, own in enumerate(found.values()):
            own |= {VALUE[0]: weight[k : k + 1].clone(), VALUE[1]: bias[k : k + 1].clone()}
        return found

    def load(self, flat: Flat, seed: int, states: States) -> None:
        """Overwrite the agents that are in `states`: actor, value or both."""
        actors = {unit: _without_value(state) for unit, state in states.items()}
        super().load(flat, seed, {unit: actor for unit, actor in actors.items() if actor})
        weight, bias = self._value(flat, seed)
        for k, unit in enumerate(self.names):
            if unit in states and VALUE[0] in states[unit]:
                if states[unit][VALUE[0]].shape != weight[k : k + 1].shape:
                    raise PolicyError(f"the value of unit '{unit}' does not fit")
                weight[k].copy_(states[unit][VALUE[0]][0])
                bias[k].copy_(states[unit][VALUE[1]][0])

    def _value(
        self, flat: Flat, seed: int
    ) -> tuple[Float[Tensor, "agent entry"], Float[Tensor, " agent"]]:
        """Return views of the parameters behind the values of one seed."""
        weight, bias = list(flat.views.values())[-2:]
        return weight[seed, ..., -1], bias[seed, ..., -1]


def _without_value(state: Mapping[str, Tensor]) -> Weights:
    return {name: weight for name, weight in state.items() if name not in VALUE}
