"""The parts of a learner that acting needs: its actors, without critics, targets and optimisers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from assume_rl.learning.build import build_actors, fleet_of, kept_extras
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.fleet import Group
from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.nets.heads import Head, head_of
from assume_rl.learning.nets.noisy import Draws
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.learning.types import AgentSpec, ExtraSize

Memories = tuple[Float[Tensor, "seed copy _ _"], ...]
Outputs = tuple[Float[Tensor, "seed copy _ _"], ...]


@runtime_checkable
class ActorNets(Protocol):
    """Actors of a group: their form, and their parameters twice over."""

    @property
    def form(self) -> Any:
        """Return the `ActorForm`."""
        ...

    @property
    def online(self) -> Flat:
        """Return the parameters, updated in place."""
        ...

    @property
    def now(self) -> Any:
        """Return the parameters as the forward pass takes them, without a graph."""
        ...


@runtime_checkable
class Actors(Protocol):
    """Decides for all agents and seeds: a `Learner`, or an `Acting` that has no more than that."""

    @property
    def config(self) -> LearningConfig:
        """Return the settings."""
        ...

    @property
    def agents(self) -> tuple[AgentSpec, ...]:
        """Return the agents, in their order."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Return the dtype of the networks."""
        ...

    @property
    def groups(self) -> tuple[Group, ...]:
        """Return the groups of agents."""
        ...

    @property
    def heads(self) -> tuple[Head, ...]:
        """Return the heads of the actors, by group."""
        ...

    @property
    def extras(self) -> Mapping[str, ExtraSize]:
        """Return the extras of decisions and outcomes that transitions keep: name -> size."""
        ...

    def memories(self, copies: int) -> Memories:
        """Return the actors' memories where an episode begins, per group."""
        ...

    def step(
        self,
        observations: Sequence[Float[Tensor, "seed copy _ _"]],
        memories: Sequence[Float[Tensor, "seed copy _ _"]],
        *,
        noisy: bool = False,
    ) -> tuple[Outputs, Memories]:
        """Return the outputs that the heads read, and the memories at the next decision.

        :param observations: one tensor per group
        :param memories: before the observations, likewise
        :param noisy: whether noisy layers draw their weights
        """
        ...


@dataclass(frozen=True)
class Policies:
    """The policies of all agents and seeds at one moment; versions count updates."""

    version: int  # updates that the policies had had
    parts: tuple[Shaped[Tensor, "..."], ...]  # see `parts_of`

    @property
    def nbytes(self) -> int:
        """Return the bytes of all parts."""
        return sum(part.nbytes for part in self.parts)

    def to(self, device: torch.device) -> "Policies":
        """Return them on a device."""
        return replace(self, parts=tuple(part.to(device) for part in self.parts))


class Acting:
    """The actors of all agents and seeds, which act by the `Policies` that they were given last.

    :param config: settings of the learner
    :param agents: of the learner, in their order
    :param seeds: of the learner
    :param device: of the networks
    :param like: device of the learner, which cuts agents into groups; None: the same
    :param dtype: of the networks
    """

    def __init__(
        self,
        config: LearningConfig,
        agents: Sequence[AgentSpec],
        *,
        seeds: Sequence[int],
        device: torch.device,
        like: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config, self.agents, self.dtype = config, tuple(agents), dtype
        self.version = 0
        self._seeds, self._device = tuple(seeds), device
        self._fleet = fleet_of(config, agents, len(self._seeds), like or device)
        forms = build_actors(config, self._fleet, device)
        flats = [Flat.zeros(form.shapes(), device, dtype) for form in forms]
        self._nets = [Light.of(form, flat) for form, flat in zip(forms, flats, strict=True)]

    @property
    def groups(self) -> tuple[Group, ...]:
        """Return the groups of agents."""
        return self._fleet.groups

    @property
    def heads(self) -> tuple[Head, ...]:
        """Return the heads of the actors, by group."""
        return heads_of(self._nets)

    @property
    def extras(self) -> Mapping[str, ExtraSize]:
        """Return the extras of decisions and outcomes that transitions keep: name -> size."""
        return kept_extras(self.config)

    def adopt(self, policies: Policies) -> None:
        """Act by other policies from now on; their values are copied."""
        for own, new in zip(parts_of(self._nets), policies.parts, strict=True):
            own.copy_(new)
        self.version = policies.version

    def policies(self) -> Policies:
        """Return a copy of the policies that it acts by."""
        return policies_of(self._nets, self.version)

    def actors(self, seed: int = 0, *, noisy: bool = False) -> tuple[ActorStack, ...]:
        """Return snapshots of the actors of all agents of the `seed`-th seed, a stack per group.

        :param seed: position of the seed
        :param noisy: whether noisy layers have their noise, as in training
        """
        draws = acting_noise((self._seeds[seed],), self.version) if noisy else None
        return tuple(net.form.acting(net.online, seed, draws) for net in self._nets)

    def memories(self, copies: int) -> Memories:
        """Return the actors' memories where an episode begins, per group; most have none."""
        return first_memories(self._nets, (len(self._seeds), copies), self._device, self.dtype)

    def step(
        self,
        observations: Sequence[Float[Tensor, "seed copy _ _"]],
        memories: Sequence[Float[Tensor, "seed copy _ _"]],
        *,
        noisy: bool = False,
    ) -> tuple[Outputs, Memories]:
        """Return the outputs that the heads read, and the memories at the next decision; no graph.

        :param observations: one tensor (seed, copy, agent, obs) per group
        :param memories: before them, likewise
        :param noisy: whether noisy layers have their noise, as in training
        """
        draws = acting_noise(self._seeds, self.version) if noisy else None
        return stepped(self._nets, observations, memories, self.dtype, draws)

    def state_of(self, k: int) -> dict[str, Any]:
        """Return a copy of the k-th seed's policies, by agent."""
        states: dict[str, Any] = {}
        statistics: dict[str, Any] = {}
        for net in self._nets:
            states |= net.form.states(net.online, k)
            if net.form.inputs is not None:
                statistics |= net.form.inputs.state_of(k)
        return {"version": self.version, "actors": states, "statistics": statistics}

    def load_state_of(self, k: int, state: Mapping[str, Any]) -> None:
        """Load into the k-th seed the state that `state_of` returned."""
        self.version = int(state["version"])
        for net in self._nets:
            net.form.load(net.online, k, state["actors"])
            if net.form.inputs is not None:
                net.form.inputs.load_state_of(k, state["statistics"])


@dataclass(frozen=True)
class Light:
    """Actors of a group that do not learn: see `ActorNets`."""

    form: ActorForm
    online: Flat
    now: Any

    @classmethod
    def of(cls, form: ActorForm, online: Flat) -> "Light":
        """Return the actors with these parameters."""
        return cls(form, online, form.nets(online.merged(len(form.axes))))


def acting_noise(seeds: Sequence[int], version: int) -> Draws:
    """Return the keys of the noise that layers act with until the next update.

    :param seeds: of the learner
    :param version: updates so far
    """
    return Draws(tuple(seeds), "act", version)


def heads_of(nets: Sequence[ActorNets]) -> tuple[Head, ...]:
    """Return the meaning of actors' outputs, by group."""
    return tuple(head_of(net.form.head) for net in nets)


def parts_of(nets: Sequence[ActorNets]) -> list[Tensor]:
    """Return all that actors depend on, group by group.

    Parameters (entry) and, where observations are normalised, count, mean and variance of these.
    """
    found = []
    for net in nets:
        found.append(net.online.buffer)
        if net.form.inputs is not None:
            found += [net.form.inputs.count, net.form.inputs.mean, net.form.inputs.variance]
    return found


def policies_of(nets: Sequence[ActorNets], version: int) -> Policies:
    """Return copies of actors.

    :param nets: the actors, by group
    :param version: updates so far
    """
    return Policies(version, tuple(part.detach().clone() for part in parts_of(nets)))


def first_memories(
    nets: Sequence[ActorNets], copies: tuple[int, int], device: torch.device, dtype: torch.dtype
) -> Memories:
    """Return the memories of actors where an episode begins, per group; most have none.

    :param nets: the actors
    :param copies: number of seeds, and of copies of each
    :param device: of the memories
    :param dtype: of the memories
    """
    return tuple(
        torch.zeros(
            (*copies, len(net.form.group.specs), net.form.memory_size), device=device, dtype=dtype
        )
        for net in nets
    )


def stepped(
    nets: Sequence[ActorNets],
    observations: Sequence[Float[Tensor, "seed copy _ _"]],
    memories: Sequence[Float[Tensor, "seed copy _ _"]],
    dtype: torch.dtype,
    draws: Draws | None,
) -> tuple[Outputs, Memories]:
    """Return outputs of actors, and their memories at the next decision; no graph.

    :param nets: the actors, by group
    :param observations: (seed, copy, agent, obs)
    :param memories: before them, likewise
    :param dtype: of the networks
    :param draws: keys of the noise of noisy layers; None: they have none
    """
    outs, after = [], []
    for net, obs, memory in zip(nets, observations, memories, strict=True):
        rows = obs.to(dtype).transpose(1, 2)
        own = net.now if draws is None else net.form.noisy(net.now, draws)
        out, later = net.form.step(own, rows, memory.transpose(1, 2))
        outs.append(out.transpose(1, 2))
        after.append(later.transpose(1, 2))
    return tuple(outs), tuple(after)
