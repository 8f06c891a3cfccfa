"""The whole learner: networks, targets, optimisers, replay and counters of a fleet of agents."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.errors import ConfigurationError
from assume_rl.learning.acceleration import autocast, compiled
from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.critics import CRITICS
from assume_rl.learning.critics.critic import Critic, Fleet
from assume_rl.learning.data.draws import Draws
from assume_rl.learning.data.replay import Replay
from assume_rl.learning.groups import Group, block_of, create_groups, group_positions
from assume_rl.learning.metrics import Metrics
from assume_rl.learning.nets.stack import ActorStack
from assume_rl.learning.schedules import SCHEDULES
from assume_rl.learning.states import load_states, states
from assume_rl.learning.steps import play_round
from assume_rl.learning.types import AgentSpec, Joint, UpdateMetrics


class Learner:
    """Learns one policy per agent and seed from joint transitions, with centralised critics.

    Seeds are independent: each has its own networks, batches and transitions, and learns what it
    would learn alone. Agents of equal sizes form a group with stacked networks; all groups share
    the joint part of the critics' input. `update` writes networks in place; `actors` gives
    snapshots.

    :param seeds: key initial weights, batches and target noise, so that no generator state exists.
    """

    def __init__(
        self,
        config: LearningConfig,
        agents: Sequence[AgentSpec],
        *,
        seeds: Sequence[int],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._create(config, agents, seeds, device, dtype)
        for group in self.groups:
            group.initialise(self.seeds)
        for critic in self.critics:
            critic.initialise(self._fleet, self.seeds)

    def _create(
        self,
        config: LearningConfig,
        agents: Sequence[AgentSpec],
        seeds: Sequence[int],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """Everything, with networks of zeros."""
        if not agents:
            raise ConfigurationError("there is no agent to learn")
        self.config = config
        self.agents = tuple(agents)
        self.seeds = tuple(seeds)
        self.algorithm = ALGORITHMS[config.algorithm]
        self.updates = 0  # calls of `update` that did something
        self.iterations = 0  # gradient steps of the critics so far; actors are delayed by it
        self._device, self._dtype = device, dtype
        kind = CRITICS[config.critic]
        block = block_of(device, len(self.seeds), own_nets=kind.own_nets)
        positions = group_positions(agents, block)
        self.groups: tuple[Group, ...] = create_groups(
            agents, positions, seeds=len(self.seeds), device=device, dtype=dtype
        )
        self._fleet = Fleet(self.agents, positions, len(self.seeds))
        self._places = torch.tensor(self._fleet.order, device=device).argsort()
        self.critics: tuple[Critic, ...] = tuple(
            kind.create(self._fleet, self.algorithm.critics, device, dtype)
        )
        shapes = [(len(g.specs), g.specs[0].obs_size, g.specs[0].act_size) for g in self.groups]
        self.replay = Replay(config.replay_buffer_size, len(self.seeds), shapes, device, dtype)
        self._play_round = compiled(play_round, device) if config.compile else play_round
        smooth = self.algorithm.smooths_targets
        self._draws = Draws(config, self.groups, self.seeds, device, smooth=smooth)

    def actors(self, seed: int = 0) -> tuple[ActorStack, ...]:
        """Snapshots of all actors of the `seed`-th seed, one stack per group."""
        return tuple(group.stack(group.online, seed).clone() for group in self.groups)

    def actions(
        self, observations: Sequence[Float[Tensor, "seed copy _ _"]]
    ) -> tuple[Float[Tensor, "seed copy _ _"], ...]:
        """What the actors answer now, one tensor (seed, copy, agent, _) per group, no graph."""
        return tuple(
            group.act(obs.to(self._dtype).transpose(1, 2))[0].transpose(1, 2)
            for group, obs in zip(self.groups, observations, strict=True)
        )

    def observe(self, joint: Joint) -> None:
        """Store joint transitions; groups in the order of `self.groups`."""
        self.replay.add(joint)

    def update(self, progress: float, iterations: int | None = None) -> UpdateMetrics:
        """Gradient steps of all seeds; nothing happens while the replay is empty.

        :param progress: 1 at the start of training, falling to 0; drives the learning rate.
        :param iterations: None: `config.gradient_steps`.
        """
        schedule = SCHEDULES[self.config.learning_rate_schedule or "constant"]
        rate = schedule(self.config.learning_rate, progress)
        count = self.config.gradient_steps if iterations is None else iterations
        metrics = Metrics(len(self.groups), self._places)
        if self.replay.size() > 0 and count > 0:
            with autocast(self.config, self._device):
                self._iterate(count, rate, metrics)
            self.updates += 1
        return metrics.collect(rate, len(self.seeds))

    def _iterate(self, count: int, rate: float, metrics: Metrics) -> None:
        lengths = self._lengths(count)
        rounds = self._draws.rounds(self.replay, self.updates, lengths)
        for length, sampled in zip(lengths, rounds, strict=True):
            moves = (self.iterations + length) % self._delay == 0
            self._play_round(self, sampled, length, rate, metrics, actors_move=moves)
            self.iterations += length

    @property
    def _delay(self) -> int:
        return self.config.policy_delay if self.algorithm.delays_policy else 1

    def _lengths(self, count: int) -> list[int]:
        """Iterations of each round; targets move at the end of all but, maybe, the last."""
        first = min(self._delay - self.iterations % self._delay, count)
        full, rest = divmod(count - first, self._delay)
        return [first, *[self._delay] * full, *([rest] if rest else [])]

    def single(self, k: int) -> "Learner":
        """A copy of the k-th seed's part, without its transitions."""
        learner = Learner.__new__(Learner)
        learner._create(self.config, self.agents, (self.seeds[k],), self._device, self._dtype)
        learner.updates, learner.iterations = self.updates, self.iterations
        load_states(learner, 0, states(self, k))
        return learner

    def put(self, k: int, single: "Learner") -> None:
        """Let the k-th seed go on with the networks and optimisers of a learner of one seed."""
        load_states(self, k, states(single, 0))

    def state_of(self, k: int) -> dict[str, Any]:
        """All that the k-th seed's later updates depend on, except its transitions."""
        return {
            "agents": [spec.unit_id for spec in self.agents],
            "seed": self.seeds[k],
            "updates": self.updates,
            "iterations": self.iterations,
            **states(self, k),
        }

    def load_state_of(self, k: int, state: Mapping[str, Any]) -> None:
        """Let the k-th seed go on from `state_of`; all seeds go on from the same update.

        :raises ConfigurationError: the agents or the seed are others.
        """
        if list(state["agents"]) != [spec.unit_id for spec in self.agents]:
            raise ConfigurationError("the saved learner has other agents than this one")
        if state["seed"] != self.seeds[k]:
            raise ConfigurationError("the saved learner has another seed than this one")
        self.updates, self.iterations = int(state["updates"]), int(state["iterations"])
        load_states(self, k, state)

    def state_dict(self) -> dict[str, Any]:
        """Networks, targets, optimisers, replay and counters: all that later updates depend on."""
        own = [self.state_of(k) for k in range(len(self.seeds))]
        return {"seeds": own, "replay": self.replay.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, taken from a learner with the same agents, seeds and settings.

        :raises ConfigurationError: the agents or seeds are others.
        """
        if [own["seed"] for own in state["seeds"]] != list(self.seeds):
            raise ConfigurationError("the saved learner has other seeds than this one")
        for k, own in enumerate(state["seeds"]):
            self.load_state_of(k, own)
        self.replay.load_state_dict(state["replay"])
