"""The whole learner: networks, targets, optimisers, transitions and counters of a fleet."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.errors import ConfigurationError, ContractError, SettingError, nearest
from assume_rl.learning.acceleration import autocast, compiled
from assume_rl.learning.acting import (
    Policies,
    acting_noise,
    first_memories,
    heads_of,
    policies_of,
    stepped,
)
from assume_rl.learning.algorithms import ALGORITHMS, check_action
from assume_rl.learning.algorithms.adaptive import paced
from assume_rl.learning.algorithms.base import Log, NetSpec, Work
from assume_rl.learning.build import (
    build_nets,
    extra_sizes,
    fleet_of,
    kept_extras,
    networks_of,
    seen_steps,
)
from assume_rl.learning.config import SETTINGS, LearningConfig
from assume_rl.learning.data.batches import Batches
from assume_rl.learning.data.on_policy import Stretch, Waiting
from assume_rl.learning.data.replay import Replay
from assume_rl.learning.fleet import Fleet, Group
from assume_rl.learning.graphs import graphs_on
from assume_rl.learning.nets.heads import Head
from assume_rl.learning.nets.net import Net
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.learning.normalise import Normaliser, check_normalised, shaped
from assume_rl.learning.processes import ALONE, Processes, check_shares
from assume_rl.learning.schedules import learning_rate, own_rates, scheduled
from assume_rl.learning.states import load_states, states
from assume_rl.learning.types import AgentSpec, ExtraSize, Joint, Number, UpdateMetrics


class Listener(Protocol):
    """Hears of a learner's events; it may read, and change, networks."""

    def experienced(self, learner: "Learner", joint: Joint) -> None:
        """Note that transitions came in: the markets they belong to have results."""
        ...

    def updating(self, learner: "Learner") -> None:
        """Note that an update begins."""
        ...

    def updated(self, learner: "Learner", metrics: UpdateMetrics) -> None:
        """Note that an update has ended."""
        ...


class Learner:
    """Learns one policy per agent, or per class of agents that share it, and seed.

    It learns from joint transitions. Seeds are independent: each has its own networks, batches and
    transitions, and learns what it would learn alone. Agents of equal sizes form a group with
    stacked networks; all groups share the joint part of central critics' input. `update` writes
    networks in place; `actors` gives snapshots.

    :param config: settings
    :param agents: the agents, in their order
    :param seeds: key initial weights, batches and noise, so that no generator state exists
    :param device: of networks and transitions
    :param dtype: of networks and transitions
    :param processes: that learn together, all from the same transitions
    """

    def __init__(
        self,
        config: LearningConfig,
        agents: Sequence[AgentSpec],
        *,
        seeds: Sequence[int],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        processes: Processes = ALONE,
    ) -> None:
        self._create(config, agents, seeds, device, dtype, processes)
        for net in self.all_nets():
            net.form.initialise(net.online, self.seeds)
            if net.target is not None:
                net.target.buffer.copy_(net.online.buffer)

    @classmethod
    def empty(
        cls,
        config: LearningConfig,
        agents: Sequence[AgentSpec],
        seeds: Sequence[int],
        device: torch.device,
        dtype: torch.dtype,
    ) -> "Learner":
        """Return a learner with networks of zeros, into which a state is loaded.

        :param config: settings
        :param agents: in the order of observations and actions
        :param seeds: of the runs, one per entry of the axis `seed`
        :param device: of networks, optimisers and replay
        :param dtype: of the networks
        """
        learner = cls.__new__(cls)
        learner._create(config, agents, seeds, device, dtype)
        return learner

    def _create(
        self,
        config: LearningConfig,
        agents: Sequence[AgentSpec],
        seeds: Sequence[int],
        device: torch.device,
        dtype: torch.dtype,
        processes: Processes = ALONE,
    ) -> None:
        """Create all parts, with networks of zeros."""
        if not agents:
            raise ConfigurationError("there is no agent to learn")
        self.config = config
        self.agents = tuple(agents)
        self.seeds = tuple(seeds)
        self.algorithm = ALGORITHMS[config.algorithm]
        check_learnable(config, agents)
        check_shares(config, processes)
        self._processes = processes
        self.listener: Listener | None = None
        self.updates = 0  # calls of `update` that did something
        self.iterations = 0  # gradient steps so far; some algorithms delay actors by it
        self.dtype = dtype
        self._device = device
        self.fleet = fleet_of(config, agents, len(self.seeds), device)
        self.nets = build_nets(config, self.fleet, device, dtype, processes)
        self.normaliser = Normaliser(config, self.fleet, self.nets, device)
        self._places = torch.tensor(self.fleet.order, device=device).argsort()
        shapes = [(len(g.specs), g.obs_size, g.act_size) for g in self.groups]
        self.replay = Replay(
            config.replay_buffer_size,
            len(self.seeds),
            shapes,
            device,
            dtype,
            extras=extra_sizes(config, self.groups),
        )
        self._waiting = Waiting(config.replay_buffer_size)
        self._seen = self.fleet.over(seen_steps(config))  # by critics
        self._batches = Batches(
            self._seen,
            self.replay,
            self.seeds,
            self.algorithm.noises,
            config,
            self.normaliser.returns,
            processes,
        )
        self.compiled = lru_cache(maxsize=None)(compiled) if config.compile else _as_it_is
        self.graphs = graphs_on(device, wanted=config.cuda_graphs)
        self._ranges = value_ranges(config, self.fleet, device, dtype)
        self._kept: dict[str, Tensor] = {}  # numbers that updates read on the device

    @property
    def extras(self) -> Mapping[str, ExtraSize]:
        """Return the extras of decisions and outcomes that transitions keep: name -> size."""
        return kept_extras(self.config)

    @property
    def heads(self) -> tuple[Head, ...]:
        """Return the heads of the actors, by group."""
        return heads_of(self.nets["actor"])

    @property
    def groups(self) -> tuple[Group, ...]:
        """Return the groups of agents."""
        return self.fleet.groups

    def all_nets(self) -> list[Net[Any]]:
        """Return all networks."""
        return [net for own in self.nets.values() for net in own]

    def actors(self, seed: int = 0, *, noisy: bool = False) -> tuple[ActorStack, ...]:
        """Return snapshots of the actors of all agents of the `seed`-th seed, a stack per group.

        :param seed: position of the seed
        :param noisy: whether noisy layers have their noise, as in training
        """
        draws = acting_noise((self.seeds[seed],), self.updates) if noisy else None
        return tuple(net.form.acting(net.online, seed, draws) for net in self.nets["actor"])

    def policies(self, seed: int = 0) -> tuple[ActorStack, ...]:
        """Return snapshots by name of the policy, each once, however many agents share it."""
        return tuple(net.form.stack(net.online, seed).clone() for net in self.nets["actor"])

    def light(self) -> Policies:
        """Return a copy of the policies of all seeds, with their version: updates so far."""
        return policies_of(self.nets["actor"], self.updates)

    def memories(self, copies: int) -> tuple[Float[Tensor, "seed copy _ _"], ...]:
        """Return the actors' memories where an episode begins, per group; most have none."""
        copies_of_seeds = (len(self.seeds), copies)
        return first_memories(self.nets["actor"], copies_of_seeds, self._device, self.dtype)

    def step(
        self,
        observations: Sequence[Float[Tensor, "seed copy _ _"]],
        memories: Sequence[Float[Tensor, "seed copy _ _"]],
        *,
        noisy: bool = False,
    ) -> tuple[
        tuple[Float[Tensor, "seed copy _ _"], ...], tuple[Float[Tensor, "seed copy _ _"], ...]
    ]:
        """Return the outputs that the heads read, and the memories at the next decision; no graph.

        :param observations: one tensor (seed, copy, agent, obs) per group
        :param memories: before them, likewise
        :param noisy: whether noisy layers have their noise, as in training
        """
        draws = acting_noise(self.seeds, self.updates) if noisy else None
        return stepped(self.nets["actor"], observations, memories, self.dtype, draws)

    def outputs(
        self, observations: Sequence[Float[Tensor, "seed copy _ _"]], *, noisy: bool = False
    ) -> tuple[Float[Tensor, "seed copy _ _"], ...]:
        """Return the outputs that the heads read where an episode begins; no graph.

        :param observations: one tensor (seed, copy, agent, obs) per group
        :param noisy: whether noisy layers have their noise, as in training
        """
        return self.step(observations, self.memories(observations[0].shape[1]), noisy=noisy)[0]

    def actions(
        self, observations: Sequence[Float[Tensor, "seed copy _ _"]]
    ) -> tuple[Float[Tensor, "seed copy _ _"], ...]:
        """Return the actions of an evaluation, one tensor (seed, copy, agent, act) per group."""
        outs = zip(self.heads, self.outputs(observations), strict=True)
        return tuple(head.mean(out) for head, out in outs)

    def observe(self, joint: Joint) -> None:
        """Store joint transitions; groups in the order of `self.groups`."""
        joint = shaped(joint, self.config.reward)
        self.normaliser.observe(joint)
        if self.algorithm.on_policy:
            self._waiting.add(joint.terminated.shape[1], joint.copies)
        self._batches.stored(self.replay.add(joint))
        if self.listener is not None:
            self.listener.experienced(self, joint)

    def cut(self, copies: int = 1) -> None:
        """Mark the latest transition as truncated: its successor will not be stored.

        :param copies: of the market that it is of, each of which has one
        """
        self.replay.cut(copies)

    def update(self, progress: float, iterations: int | None = None) -> UpdateMetrics:
        """Make gradient steps for all seeds; nothing happens before there are enough transitions.

        :param progress: 1 at the start of training, falling to 0; drives learning rates
        :param iterations: None: `config.gradient_steps`; on-policy algorithms count for themselves
        """
        count = self.config.gradient_steps if iterations is None else iterations
        on_policy = self.algorithm.on_policy
        there = self._waiting.rows if on_policy else self.replay.added
        first = self.config.settings.transitions_first
        if there >= first and (on_policy or count > 0):
            if self.listener is not None:
                self.listener.updating(self)
            if not on_policy:
                self.normaliser.renew()
            log, done = self._updated(progress, count)
            if not isinstance(done, int):
                raise ContractError(self.algorithm.update, f"{type(done).__name__}, not int")
            if done > 0 and not log.adapted and paced(self.nets):
                raise SettingError(
                    "learning_config.learning_rate_schedule",
                    f"{self.algorithm.name} does not adapt learning rates, so kl_adaptive would do "
                    "nothing",
                )
            if done > 0 and self.updates == 0 and not self.normaliser.values_followed:
                raise SettingError(
                    "learning_config.normalise",
                    f"{self.algorithm.name} lets no values follow their targets, so values would "
                    "do nothing",
                )
            self.iterations += done
            if self.algorithm.on_policy:
                self.normaliser.renew()
            self.updates += 1
            self._waiting.clear()
        else:
            log = self._log()
        usual = learning_rate(self.config, "", progress)
        metrics = log.collect(self.nets, self._places, usual)
        for value in metrics.values.values():  # means over rows, or the same everywhere
            self._processes.average_(value)
        if self.listener is not None and metrics.iterations > 0:
            self.listener.updated(self, metrics)
        return metrics

    def _updated(self, progress: float, count: int) -> tuple[Log, int]:
        """Run the algorithm's update, or replay a recorded one; return metrics and steps."""
        work = self._work(progress, count)

        def update() -> tuple[Log, int]:
            with autocast(self.config, self._device):
                return work.log, self.algorithm.update(work)

        if self.graphs is None:
            return update()
        return self.graphs.run((work.iterations, work.done, work.stretches), update)

    def _work(self, progress: float, count: int) -> Work:
        config, settings = self.config, self.config.settings
        rates = {name: learning_rate(config, name, progress) for name in self.nets}
        values = {
            name: scheduled(schedule, initial, progress)
            for name, (initial, schedule) in settings.schedules.items()
        }
        return Work(
            fleet=self._seen,
            config=config,
            seeds=self.seeds,
            nets=self.nets,
            batches=self._batches,
            ranges=self._ranges,
            update=self._count("update", self.updates),
            rates={name: self._number(f"rate of {name}", rate) for name, rate in rates.items()},
            scheduled={name: self._number(name, value) for name, value in values.items()},
            iterations=count,
            done=self.iterations % settings.period,
            step=self._count("step", self.iterations),
            progress=self._number("progress", progress),
            stretches=tuple(self._waiting.stretches),
            log=self._log(),
            compiled=self.compiled,
        )

    def _log(self) -> Log:
        return Log(own_rates(self.config, self.nets))

    def _number(self, name: str, value: float) -> Number:
        """Return a number; in a tensor, always the same, where updates are recorded."""
        return value if self.graphs is None else self._filled(name, value, torch.float64)

    def _count(self, name: str, value: int) -> Int[Tensor, ""]:
        return self._filled(name, value, torch.int64)

    def _filled(self, name: str, value: float | int, dtype: torch.dtype) -> Tensor:
        """Return the tensor of a name with this value; it is filled on the device, not copied."""
        if name not in self._kept:
            self._kept[name] = torch.empty((), dtype=dtype, device=self._device)
        return self._kept[name].fill_(value)

    def single(self, k: int) -> "Learner":
        """Return a copy of the k-th seed's part, without its transitions."""
        own = (self.seeds[k],)
        learner = Learner.empty(self.config, self.agents, own, self._device, self.dtype)
        learner.updates, learner.iterations = self.updates, self.iterations
        load_states(learner.nets, 0, states(self.nets, k))
        learner.normaliser.load_state_of(0, self.normaliser.state_of(k))
        return learner

    def put(self, k: int, single: "Learner") -> None:
        """Replace the k-th seed's networks and optimisers by those of a learner of one seed."""
        load_states(self.nets, k, states(single.nets, 0))
        self.normaliser.load_state_of(k, single.normaliser.state_of(0))

    def state_of(self, k: int) -> dict[str, Any]:
        """Return all that the k-th seed's later updates depend on, except its transitions."""
        priorities = self._batches.priorities
        return {
            "agents": [spec.unit_id for spec in self.agents],
            "seed": self.seeds[k],
            "updates": self.updates,
            "iterations": self.iterations,
            "waiting": [list(stretch) for stretch in self._waiting.stretches],
            "priorities": None if priorities is None else priorities.state_of(k),
            "normaliser": self.normaliser.state_of(k),
            **states(self.nets, k),
        }

    def load_state_of(self, k: int, state: Mapping[str, Any]) -> None:
        """Load `state_of` into the k-th seed; all seeds continue from the same update.

        :raises ConfigurationError: the agents or the seed are others
        """
        if list(state["agents"]) != [spec.unit_id for spec in self.agents]:
            raise ConfigurationError("the saved learner has other agents than this one")
        if state["seed"] != self.seeds[k]:
            raise ConfigurationError("the saved learner has another seed than this one")
        self.updates, self.iterations = int(state["updates"]), int(state["iterations"])
        if self._batches.priorities is not None:
            self._batches.priorities.load_state_of(k, state["priorities"])
        self.normaliser.load_state_of(k, state["normaliser"])
        self._waiting.stretches = [Stretch(*stretch) for stretch in state["waiting"]]
        load_states(self.nets, k, state)

    def state_dict(self) -> dict[str, Any]:
        """Return networks, targets, optimisers, transitions and counters."""
        own = [self.state_of(k) for k in range(len(self.seeds))]
        return {"seeds": own, "replay": self.replay.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, taken from a learner with the same agents, seeds and settings.

        :raises ConfigurationError: the agents or seeds are others
        """
        if [own["seed"] for own in state["seeds"]] != list(self.seeds):
            raise ConfigurationError("the saved learner has other seeds than this one")
        for k, own in enumerate(state["seeds"]):
            self.load_state_of(k, own)
        self.replay.load_state_dict(state["replay"])


def check_learnable(config: LearningConfig, agents: Sequence[AgentSpec]) -> None:
    """Check that the settings fit the algorithm, and the algorithm the agents.

    :param config: chooses the algorithm
    :param agents: who are to learn
    :raises SettingError: they do not
    """
    networks = networks_of(config)
    _check_rates(config, networks)
    for agent in agents:
        check_action(config.algorithm, agent.action, f"unit '{agent.unit_id}'")
    _check_earnings(config, agents)
    _check_shared(agents)
    check_normalised(config, networks)
    _check_recordable(config)


def _check_recordable(config: LearningConfig) -> None:
    """Check that updates can be recorded, where they are to be.

    :raises SettingError: they cannot
    """
    if config.cuda_graphs and not config.settings.recordable:
        able = [name for name, own in SETTINGS.items() if own().recordable]
        own = "with these settings " if config.algorithm in able else ""
        raise SettingError(
            "learning_config.cuda_graphs",
            f"updates of {config.algorithm} {own}cannot be recorded; there are {', '.join(able)}",
        )


def value_ranges(
    config: LearningConfig, fleet: Fleet, device: torch.device, dtype: torch.dtype
) -> tuple[tuple[Float[Tensor, "agent 1"], Float[Tensor, "agent 1"]], ...]:
    """Return the least and the greatest value that a state can have for each agent, per group.

    :param config: says what later rewards count; nothing is returned where no range is needed
    :param fleet: of agents whose earnings are known then
    :param device: of the result
    :param dtype: of the result
    """
    if not config.settings.needs_earnings:
        return ()
    found = []
    for group in fleet.groups:
        own = [spec.earnings.values(config.gamma) for spec in group.specs if spec.earnings]
        table = torch.tensor(own, device=device, dtype=dtype)
        found.append((table[:, :1], table[:, 1:]))
    return tuple(found)


def _check_rates(config: LearningConfig, networks: Mapping[str, NetSpec]) -> None:
    """Check that all learning rates and their schedules are of networks that the algorithm has.

    :raises SettingError: one is not
    """
    schedules = config.learning_rate_schedule
    named = {
        "learning_rates": list(config.learning_rates),
        "learning_rate_schedule": list(schedules) if isinstance(schedules, dict) else [],
    }
    for key, name in [(key, name) for key, own in named.items() for name in own]:
        if name not in networks:
            raise SettingError(
                f"learning_config.{key}",
                f"{config.algorithm} has no network '{name}', {nearest(name, networks)}",
            )


def _check_earnings(config: LearningConfig, agents: Sequence[AgentSpec]) -> None:
    """Check that the earnings of agents are known, where they are needed.

    :raises SettingError: those of an agent are not
    """
    unknown = [agent.unit_id for agent in agents if agent.earnings is None]
    if config.settings.needs_earnings and unknown:
        raise SettingError(
            "learning_config.clip_targets",
            f"the possible earnings of '{unknown[0]}' are unknown; its bidder has no reward_range",
        )


OF_A_POLICY = {
    "observations": ("obs_size", "unique_size", "features"),
    "actions": ("act_size", "rungs"),
    "scales of forecasts or ladders": ("scales",),
    "ways to have it": ("shared",),  # one has its name, the other shares it
}
"""What must be the same for agents to act by one policy: fields of `AgentSpec` in words."""


def _check_shared(agents: Sequence[AgentSpec]) -> None:
    """Check that agents which share a policy see and decide the same.

    :raises SettingError: two of them do not
    """
    first: dict[str, AgentSpec] = {}
    for agent in agents:
        other = first.setdefault(agent.policy, agent)
        apart = [
            part
            for part, fields in OF_A_POLICY.items()
            if any(getattr(agent, name) != getattr(other, name) for name in fields)
        ]
        if apart:
            raise SettingError(
                "learning_config.parameter_sharing",
                f"'{other.unit_id}' and '{agent.unit_id}' cannot share the policy "
                f"'{agent.policy}': they have different {', '.join(apart)}; units that share one "
                "need the same bidder, parameters and forecasts",
            )


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    return function
