"""Actors of a group of agents, stacked: one network per seed and agent, or one that all share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from assume_rl.learning.config import LayerNoise
from assume_rl.learning.fleet import Group
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.nets.heads import Stochastic, head_of
from assume_rl.learning.nets.moments import STATISTICS, Moments
from assume_rl.learning.nets.net import PerAgent, States, Weights
from assume_rl.learning.nets.noisy import (
    SPREAD,
    Draws,
    NoisyNets,
    initial_spread,
    noisy,
    only_spreads,
    spread_shapes,
    without_spreads,
)
from assume_rl.learning.nets.stack import ActorStack, actor_shapes, initial_actors
from assume_rl.learning.nets.trunks import architecture_for, trunk_of


@dataclass(frozen=True)
class ActorForm(PerAgent):
    """A trunk from an agent's observation to the outputs that its head reads.

    Where agents share a policy, the observations of all are rows of one network, whose loss is the
    mean over its agents (Gupta et al. 2017, doi:10.1007/978-3-319-71682-4_5). Those with memory are
    in `nets.recurrent_actor`.
    """

    head: str
    architecture: str
    hidden: tuple[int, ...] | None
    activation: str
    inputs: Moments | None = None  # that observations are normalised by; None: read as they are
    name: str = "actor"  # of the networks, which keys their initial weights
    noise: LayerNoise | None = None  # of linear layers in training; None: they have none

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the policies."""
        return self.group.policies

    @property
    def share(self) -> float:
        """Return the weight of one agent's loss in that of its network."""
        return len(self.names) / len(self.group.specs)

    def by_policy(
        self, values: Float[Tensor, "seed agent row entry"]
    ) -> Float[Tensor, "seed policy _ entry"]:
        """Return the rows of each policy, agent by agent; no copy where they lie alike."""
        seeds, agents, rows, entries = values.shape
        return values.reshape(seeds, len(self.names), agents * rows // len(self.names), entries)

    def of_policies(self, values: Float[Tensor, "seed agent"]) -> Float[Tensor, "seed policy"]:
        """Return the mean of agents' values over those of each policy."""
        return values.view(len(values), len(self.names), -1).mean(dim=-1)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the parameters of the trunk, in order."""
        axes = (self.seeds, len(self.names))
        own = actor_shapes(self.group.specs[0], self.head, self.architecture, self.hidden)
        shapes = {name: (*axes, *shape) for name, shape in own.items()}
        return shapes if self.noise is None else shapes | spread_shapes(shapes)

    def nets(self, weights: Mapping[str, Tensor]) -> Any:
        """Return the parameters as the trunk takes them; of noisy layers also their spreads."""
        mean = trunk_of(self.architecture).nets(without_spreads(weights), self.activation)
        return mean if self.noise is None else NoisyNets(mean, weights)

    def noisy(self, nets: Any, draws: Draws) -> Any:
        """Return parameters with a draw of their noise; those without noisy layers as they are.

        :param nets: parameters
        :param draws: keys
        """
        if self.noise is None:
            return nets
        drawn = noisy(nets.weights, self.noise, self.names, draws)
        return trunk_of(self.architecture).nets(drawn, self.activation)

    def mean(self, nets: Any) -> Any:
        """Return parameters as the trunk takes them, without noise unless it was drawn."""
        return nets.mean if isinstance(nets, NoisyNets) else nets

    def outputs(
        self, nets: Any, obs: Float[Tensor, "seed agent row obs"]
    ) -> Float[Tensor, "seed agent row out"]:
        """Return the outputs that the head reads."""
        return head_of(self.head).masked(self._last_layer(nets, obs), obs)

    def _last_layer(
        self, nets: Any, obs: Float[Tensor, "seed agent row obs"]
    ) -> Float[Tensor, "seed agent row out"]:
        """Return all outputs of the trunk."""
        read = self._normalised(self.by_policy(obs)).flatten(0, 1)
        found = trunk_of(self.architecture).outputs(self.mean(nets), read)
        return found.view(*obs.shape[:-1], -1)

    def _normalised(
        self, obs: Float[Tensor, "seed policy row obs"]
    ) -> Float[Tensor, "seed policy row obs"]:
        """Return observations, of one or several steps, as the trunk reads them."""
        return obs if self.inputs is None else self.inputs.normalise(obs)

    @property
    def law(self) -> Stochastic:
        """Return the head of a policy whose actions are drawn."""
        head = head_of(self.head)
        assert isinstance(head, Stochastic)
        return head

    @property
    def memory_size(self) -> int:
        """Return 0: nothing is carried from one decision to the next."""
        return 0

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
        return self.outputs(nets, obs), memory

    def actions(
        self, nets: Any, obs: Float[Tensor, "seed agent row obs"]
    ) -> Float[Tensor, "seed agent row act"]:
        """Return the actions of an evaluation."""
        return head_of(self.head).mean(self.outputs(nets, obs))

    def acting(self, flat: Flat, seed: int, draws: Draws | None = None) -> ActorStack:
        """Return copies of one seed's actors for each agent, also where one is shared.

        :param flat: parameters
        :param seed: position of the seed
        :param draws: keys of the noise of their layers; None: they have none
        """
        own = self.stack(flat, seed)
        if self.noise is not None and draws is not None:
            weights = {name: view[seed] for name, view in flat.views.items()}
            own = replace(own, weights=own.weights | noisy(weights, self.noise, self.names, draws))
        own = own.select([spec.policy for spec in self.group.specs])
        return replace(own, unit_ids=self.group.unit_ids)

    def stack(self, flat: Flat, seed: int) -> ActorStack:
        """Return one seed's policies, with the statistics of their observations; no copy."""
        stack = self._stack(flat, seed)
        if self.inputs is None:
            return stack
        parts = (self.inputs.count, self.inputs.mean, self.inputs.variance)
        own = {name: part[seed] for name, part in zip(STATISTICS, parts, strict=True)}
        return replace(stack, weights=stack.weights | own)

    def initialise(self, flat: Flat, seeds: Sequence[int]) -> None:
        """Write fresh actors, each by seed and name of the policy."""
        for k, seed in enumerate(seeds):
            fresh = self._fresh(seed)
            for name, view in self._stack(flat, k).weights.items():
                view.copy_(fresh.weights[name])
        for name, view in only_spreads(flat.views).items():
            weight = flat.views[name.replace(".bias", ".weight").removesuffix(SPREAD)]
            assert self.noise is not None
            view.fill_(initial_spread(weight, self.noise))

    def _fresh(self, seed: int) -> ActorStack:
        owners = [replace(self.group.specs[0], unit_id=name) for name in self.names]
        sizes = self.architecture, self.hidden
        return initial_actors(owners, seed, self.head, *sizes, name=self.name)

    def states(self, flat: Flat, seed: int) -> dict[str, Weights]:
        """Return copies of one seed's module states by policy, spreads included."""
        stack = self._stack(flat, seed)
        whole = replace(stack, weights=stack.weights | self._spreads(flat, seed))
        return {unit: whole.module_state(unit) for unit in self.names}

    def load(self, flat: Flat, seed: int, states: States) -> None:
        """Overwrite the policies that are in `states`; `PolicyError` if one does not fit.

        Of noisy layers a state may have the means, as policy files do, or the spreads, or both.
        """
        stack = self._stack(flat, seed)
        spreads = replace(stack, weights=self._spreads(flat, seed))
        for unit in self.names:
            for own, part in ((stack, without_spreads), (spreads, only_spreads)):
                if unit in states and (state := part(states[unit])):
                    own.write(unit, state)

    def _stack(self, flat: Flat, seed: int) -> ActorStack:
        """Return one seed's part of `flat`, which is arranged like the actors; no copy."""
        weights = {name: view[seed] for name, view in without_spreads(flat.views).items()}
        return ActorStack(self.names, self.architecture, weights, self.head, self.activation)

    def _spreads(self, flat: Flat, seed: int) -> Weights:
        """Return the spreads of one seed's noisy layers, if there are any; no copy."""
        return {name: view[seed] for name, view in only_spreads(flat.views).items()}


def actor_forms(
    groups: Sequence[Group],
    seeds: int,
    heads: Sequence[str],
    architecture: str = "mlp",
    hidden: tuple[int, ...] | None = None,
    activation: str = "relu",
    form: Callable[..., ActorForm] = ActorForm,
) -> list[ActorForm]:
    """Return the form of each group's actors.

    :param groups: of the fleet
    :param seeds: number of seeds
    :param heads: name of each group's head
    :param architecture: key of `TRUNKS`
    :param hidden: sizes of the hidden linear layers; None: those of the trunk
    :param activation: key of `layers.ACTIVATIONS`
    :param form: makes the form of a group of all that
    """
    return [
        form(group, k, seeds, head, own, hidden, activation)
        for k, (group, head) in enumerate(zip(groups, heads, strict=True))
        for own in [architecture_for(architecture, group.specs[0])]
    ]
