"""Actors and critics of many agents as stacked weights.

A stack holds the networks of all agents of one shape: weights `(net, in, out)`, so that one batched
product serves all agents. `compat.modules` has the same networks for one agent as torch modules;
`module_state` and `write` convert between the two.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.errors import PolicyError
from assume_rl.learning.nets import layers as mlp
from assume_rl.learning.nets.heads import Stochastic, head_of
from assume_rl.learning.nets.initial import Shapes, drawn, xavier
from assume_rl.learning.nets.linear import State
from assume_rl.learning.nets.moments import STATISTICS, normalised
from assume_rl.learning.nets.recurrent import Recurrent
from assume_rl.learning.nets.trunks import architecture_for, trunk_of
from assume_rl.learning.types import AgentSpec

Weights = dict[str, Tensor]


def critic_hidden(n_agents: int) -> tuple[int, ...]:
    """Return the hidden layers of a critic that sees `n_agents` agents (all groups together)."""
    if n_agents <= 20:
        return (256, 128)
    if n_agents <= 50:
        return (512, 256, 128)
    return (1024, 512, 256, 128)


def critic_input_size(spec: AgentSpec, agents: Sequence[AgentSpec]) -> int:
    """Return the length of own observation, the others' unique parts and all actions."""
    uniques = sum(a.unique_size for a in agents) - spec.unique_size
    return spec.obs_size + uniques + sum(a.act_size for a in agents)


@dataclass(frozen=True)
class ActorStack:
    """Actors of agents that have equal sizes: a trunk, whose outputs a head reads.

    `weights`: weights `(agent, in, out)` and biases `(agent, out)`, in the order of the trunk; then
    `STATISTICS` `(agent, entry)`, if observations are normalised.
    """

    unit_ids: tuple[str, ...]
    architecture: str  # key of `TRUNKS`
    weights: Weights
    head: str = "softsign"  # see `heads.head_of`
    activation: str = "relu"  # key of `layers.ACTIVATIONS`

    @property
    def dtype(self) -> torch.dtype:
        """Return the dtype of the weights; observations are cast to it."""
        return next(iter(self.weights.values())).dtype

    @property
    def normalises(self) -> bool:
        """Return whether observations are normalised by statistics of training."""
        return STATISTICS[0] in self.weights

    def __call__(self, obs: Float[Tensor, "... agent obs"]) -> Float[Tensor, "... agent act"]:
        """Return actions in (-1, 1) for observations of any leading shape, agents in stack order.

        Those of actors with memory are their actions at the first decision of an episode.
        """
        rows = obs.reshape(-1, *obs.shape[-2:]).transpose(0, 1)
        return self.rows(rows).transpose(0, 1).reshape(*obs.shape[:-1], -1)

    def rows(self, obs: Float[Tensor, "agent row obs"]) -> Float[Tensor, "agent row act"]:
        """Return the same with agents first: the layout of batched products."""
        return head_of(self.head).mean(self._outputs(obs))

    def outputs(self, obs: Float[Tensor, "... agent obs"]) -> Float[Tensor, "... agent out"]:
        """Return the outputs that the head reads, for observations of any leading shape."""
        rows = obs.reshape(-1, *obs.shape[-2:]).transpose(0, 1)
        return self._outputs(rows).transpose(0, 1).reshape(*obs.shape[:-1], -1)

    @property
    def memory_size(self) -> int:
        """Return the length of the memory carried from one decision to the next; 0: no memory."""
        trunk = trunk_of(self.architecture)
        if not isinstance(trunk, Recurrent):
            return 0
        return trunk.memory_size(self.weights[f"{trunk.cell}.weight_hh"].shape[-2])

    def outputs_after(
        self, obs: Float[Tensor, "... agent obs"], memory: Float[Tensor, "... agent memory"]
    ) -> tuple[Float[Tensor, "... agent out"], Float[Tensor, "... agent memory"]]:
        """Return the outputs that the head reads, and the memory at the next decision.

        :param obs: observations of any leading shape
        :param memory: before them; zeros where an episode begins
        """
        trunk = trunk_of(self.architecture)
        if not isinstance(trunk, Recurrent):
            return self.outputs(obs), memory
        rows, before = (
            part.reshape(-1, *part.shape[-2:]).transpose(0, 1) for part in (obs, memory)
        )
        out, after = trunk.step(*self._read(rows), before)
        out, after = (part.transpose(0, 1).reshape(*obs.shape[:-1], -1) for part in (out, after))
        return head_of(self.head).masked(out, obs), after

    def step(
        self, obs: Float[Tensor, "... agent obs"], memory: Float[Tensor, "... agent memory"]
    ) -> tuple[Float[Tensor, "... agent act"], Float[Tensor, "... agent memory"]]:
        """Return actions, and the memory at the next decision; see `outputs_after`."""
        out, after = self.outputs_after(obs, memory)
        return head_of(self.head).mean(out), after

    @property
    def mixed(self) -> bool:
        """Return whether actions are drawn in evaluations too."""
        return head_of(self.head).mixed

    def draw(
        self,
        obs: Float[Tensor, "... agent obs"],
        memory: Float[Tensor, "... agent memory"],
        z: Float[Tensor, "... agent act"],
    ) -> tuple[Float[Tensor, "... agent act"], Float[Tensor, "... agent memory"]]:
        """Return the same as `step`, of actions made of standard normal draws `z`.

        :param obs: observations of any leading shape
        :param memory: before them; zeros where an episode begins
        :param z: standard normal draws
        """
        head = head_of(self.head)
        assert isinstance(head, Stochastic)
        out, after = self.outputs_after(obs, memory)
        return head.draw(out, z).action, after

    def sizes(self, unique_size: int = 0) -> tuple[int, int]:
        """Return the lengths of observation and action; `unique_size` as in `Trunk.sizes`."""
        state = self.module_state(self.unit_ids[0])
        obs_size, outputs = trunk_of(self.architecture).sizes(state, unique_size)
        return obs_size, head_of(self.head).act_size(outputs)

    def select(self, unit_ids: Sequence[str]) -> "ActorStack":
        """Return the actors of `unit_ids`, in that order; `PolicyError` if one is not here."""
        index = [_index(self.unit_ids, u) for u in unit_ids]
        weights = {name: w[index] for name, w in self.weights.items()}
        return replace(self, unit_ids=tuple(unit_ids), weights=weights)

    def to(
        self, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> "ActorStack":
        """Return the stack on another device or with another dtype."""
        weights = {n: w.to(device=device, dtype=dtype) for n, w in self.weights.items()}
        return replace(self, weights=weights)

    def clone(self) -> "ActorStack":
        """Return a snapshot that shares no buffer and no graph with this stack."""
        return replace(self, weights=clone_weights(self.weights))

    def module_state(self, unit_id: str) -> Weights:
        """Return the state dict of one agent's `Actor`."""
        return _module_row(self.weights, _index(self.unit_ids, unit_id))

    def write(self, unit_id: str, state: State) -> None:
        """Overwrite one agent's weights in place; `PolicyError` if `state` does not fit."""
        _write_row(self.weights, _index(self.unit_ids, unit_id), state, unit_id)

    @classmethod
    def of(
        cls,
        states: Mapping[str, State],
        head: str = "softsign",
        architecture: str = "mlp",
        activation: str = "relu",
    ) -> "ActorStack":
        """Return a stack of the state dicts of agents with equal sizes.

        :param states: by unit id, parameters in order
        :param head: name of the head
        :param architecture: key of `TRUNKS`
        :param activation: key of `layers.ACTIVATIONS`
        """
        rows = [_stack_row(state) for state in states.values()]
        weights = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
        return cls(tuple(states), architecture, weights, head, activation)

    def _outputs(self, obs: Float[Tensor, "agent row obs"]) -> Float[Tensor, "agent row out"]:
        out = trunk_of(self.architecture).outputs(*self._read(obs))
        return head_of(self.head).masked(out, obs)

    def _read(
        self, obs: Float[Tensor, "agent row obs"]
    ) -> tuple[Any, Float[Tensor, "agent row obs"]]:
        """Return parameters as the trunk takes them, and observations as it reads them."""
        weights, read = self.weights, obs
        if self.normalises:
            _, mean, variance = (weights[name] for name in STATISTICS)
            read = normalised(obs, mean, variance)
            weights = {name: w for name, w in weights.items() if name not in STATISTICS}
        return trunk_of(self.architecture).nets(weights, self.activation), read


@dataclass(frozen=True)
class CriticStack:
    """Critics of agents whose inputs have equal sizes: linear layers, one output.

    `weights`: `layers.<k>.weight` `(net, in, out)`, `layers.<k>.bias` `(net, out)`. With `critics`
    Q-functions per agent, nets `[c * agents, (c + 1) * agents)` are the agents' c-th ones.
    """

    unit_ids: tuple[str, ...]
    critics: int
    weights: Weights
    activation: str = "relu"  # key of `layers.ACTIVATIONS`

    def __call__(self, x: Float[Tensor, "agent row entry"]) -> Float[Tensor, "critic agent row"]:
        """Return all Q-values of the agents' own joint inputs."""
        layers = mlp.layers(list(self.weights.values()), self.activation)
        q = mlp.forward(layers, x.repeat(self.critics, 1, 1))
        return q.view(self.critics, *x.shape[:2])

    def clone(self) -> "CriticStack":
        """Return a snapshot that shares no buffer and no graph with this stack."""
        return replace(self, weights=clone_weights(self.weights))

    def module_state(self, unit_id: str) -> Weights:
        """Return the state dict of one agent's `CriticTD3` (without `q2_` for a single critic)."""
        return {
            f"q{c + 1}_{name}": value
            for c, row in enumerate(self._nets(unit_id))
            for name, value in _module_row(self.weights, row).items()
        }

    def write(self, unit_id: str, state: State) -> None:
        """Overwrite one agent's weights in place; `PolicyError` if `state` does not fit."""
        for c, row in enumerate(self._nets(unit_id)):
            prefix = f"q{c + 1}_"
            part = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
            _write_row(self.weights, row, part, unit_id)

    def _nets(self, unit_id: str) -> range:
        return range(_index(self.unit_ids, unit_id), self.critics * len(self.unit_ids),
                     len(self.unit_ids))  # fmt: skip


def merge(stacks: Iterable[ActorStack]) -> tuple[ActorStack, ...]:
    """Return one stack per kind of network, sizes and dtype, actors in the order of `stacks`."""
    alike: dict[Any, list[ActorStack]] = {}
    for stack in stacks:
        sizes = tuple((name, w.shape[1:], w.dtype) for name, w in stack.weights.items())
        kind = (stack.architecture, stack.head, stack.activation)
        alike.setdefault((kind, sizes), []).append(stack)
    return tuple(_side_by_side(own) for own in alike.values())


def initial_actors(
    specs: Sequence[AgentSpec],
    seed: int,
    head: str = "softsign",
    architecture: str = "mlp",
    hidden: tuple[int, ...] | None = None,
    name: str = "actor",
) -> ActorStack:
    """Return fresh actors, float64.

    An agent's weights depend on the seed, its name, that of the networks and its sizes only.

    :param specs: of agents of equal sizes
    :param seed: of the run
    :param head: name of the head
    :param architecture: key of `TRUNKS`
    :param hidden: sizes of the hidden linear layers; None: those of the trunk
    :param name: of the networks
    """
    architecture = architecture_for(architecture, specs[0])
    shapes = actor_shapes(specs[0], head, architecture, hidden)
    nets = [(spec.unit_id, name) for spec in specs]
    weights = drawn(shapes, trunk_of(architecture).bounds(shapes), nets, seed)
    return ActorStack(tuple(s.unit_id for s in specs), architecture, weights, head)


def actor_shapes(
    spec: AgentSpec, head: str, architecture: str, hidden: tuple[int, ...] | None
) -> Shapes:
    """Return the shapes of the parameters of an agent's actor, in order.

    :param spec: of the agent
    :param head: name of the head
    :param architecture: key of `TRUNKS`
    :param hidden: sizes of the hidden linear layers; None: those of the trunk
    """
    trunk = trunk_of(architecture)
    outputs = head_of(head).outputs(spec.act_size)
    return trunk.shapes(spec, trunk.hidden if hidden is None else hidden, outputs)


def initial_critics(
    specs: Sequence[AgentSpec],
    agents: Sequence[AgentSpec],
    critics: int,
    seed: int,
    name: str = "critic",
    hidden: tuple[int, ...] | None = None,
) -> CriticStack:
    """Return fresh critics, float64, of some agents.

    :param specs: of the critics' owners, which have equal sizes
    :param agents: all agents that the critics see
    :param critics: number of Q-functions of an owner
    :param seed: of the run
    :param name: of the networks, which keys their weights
    :param hidden: sizes of the hidden layers; None: those of ASSUME
    """
    sizes = (critic_input_size(specs[0], agents), *(hidden or critic_hidden(len(agents))), 1)
    shapes = mlp.shapes([f"layers.{k}" for k in range(len(sizes) - 1)], sizes)
    nets = [(spec.unit_id, f"{name}{c + 1}") for c in range(critics) for spec in specs]
    weights = drawn(shapes, xavier(shapes), nets, seed)
    return CriticStack(tuple(s.unit_id for s in specs), critics, weights)


def polyak_update(params: Iterable[Tensor], target_params: Iterable[Tensor], tau: float) -> None:
    """Move `target_params` by the share `tau` towards `params`, in place and without a graph.

    :param params: online parameters
    :param target_params: in the same order
    :param tau: 0 to 1
    """
    with torch.no_grad():
        torch._foreach_lerp_(list(target_params), list(params), tau)


def clone_weights(weights: Weights) -> Weights:
    """Return copies that share no buffer and no graph."""
    return {name: w.detach().clone() for name, w in weights.items()}


def _side_by_side(stacks: Sequence[ActorStack]) -> ActorStack:
    first, *others = stacks
    if not others:
        return first
    ids = tuple(unit for stack in stacks for unit in stack.unit_ids)
    weights = {name: torch.cat([s.weights[name] for s in stacks]) for name in first.weights}
    return replace(first, unit_ids=ids, weights=weights)


def _index(unit_ids: Sequence[str], unit_id: str) -> int:
    if unit_id not in unit_ids:
        raise PolicyError(f"there is no network of unit '{unit_id}'")
    return unit_ids.index(unit_id)


def _stack_row(state: State) -> Weights:
    return {name: w.T if w.ndim == 2 else w for name, w in state.items()}


def _module_row(weights: Weights, row: int) -> Weights:
    rows = {name: w[row].detach() for name, w in weights.items()}
    rows = {name: w.T if w.ndim == 2 else w for name, w in rows.items()}
    return {name: w.clone(memory_format=torch.contiguous_format) for name, w in rows.items()}


def _write_row(weights: Weights, row: int, state: State, unit_id: str) -> None:
    values = _stack_row(state)
    shapes = {name: tuple(w.shape[1:]) for name, w in weights.items()}
    given = {name: tuple(w.shape) for name, w in values.items()}
    if given != shapes:
        wrong = sorted(n for n in shapes | given if shapes.get(n) != given.get(n))
        raise PolicyError(f"weights of unit '{unit_id}' do not fit: {', '.join(wrong)}")
    with torch.no_grad():
        for name, value in values.items():
            weights[name][row].copy_(value)
