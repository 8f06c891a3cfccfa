"""The whole learner: networks, targets, optimisers, replay and counters of a fleet of agents."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl import keyed
from assume_rl.errors import ConfigurationError
from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.groups import Group, create_group, group_positions, joint_order
from assume_rl.learning.networks import ActorStack, clone_weights, polyak_update
from assume_rl.learning.replay_buffer import ReplayBuffer
from assume_rl.learning.schedules import SCHEDULES
from assume_rl.learning.steps import (
    Batch,
    GradientStep,
    JointOrder,
    actor_steps,
    critic_steps,
)
from assume_rl.learning.types import AgentSpec, Joint, UpdateMetrics

_STACKS = ("actor", "actor_target", "critic", "critic_target")
_OPTIMIZERS = ("actor_optimizer", "critic_optimizer")


class Learner:
    """Learns one policy per agent from joint transitions, with centralised critics.

    Agents of equal sizes form a group with stacked networks; all groups share the joint critic
    input. `update` writes networks in place; `actors` gives snapshots.

    :param seed: keys initial weights, batches and target noise, so that no generator state exists.
    """

    def __init__(
        self,
        config: LearningConfig,
        agents: Sequence[AgentSpec],
        *,
        seed: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if not agents:
            raise ConfigurationError("there is no agent to learn")
        self.config = config
        self.agents = tuple(agents)
        self.algorithm = ALGORITHMS[config.algorithm]
        self.updates = 0  # calls of `update` that did something
        self.iterations = 0  # gradient steps of the critics so far; actors are delayed by it
        self._seed = seed
        self._device = device
        self._dtype = dtype
        self.groups: tuple[Group, ...] = tuple(
            create_group(
                agents,
                positions,
                critics=self.algorithm.critics,
                seed=seed,
                device=device,
                dtype=dtype,
            )
            for positions in group_positions(agents)
        )
        self.replay = tuple(self._buffer(group) for group in self.groups)
        self._batch_key = torch.tensor(keyed.key(seed, "replay"), device=device)
        self._noise_keys = tuple(
            keyed.keys(seed, "target_noise", ids=group.actor.unit_ids, device=device)
            for group in self.groups
        )
        self._order = JointOrder(
            joint_order(agents, [a.unique_size for a in agents], device),
            joint_order(agents, [a.act_size for a in agents], device),
        )

    def _buffer(self, group: Group) -> ReplayBuffer:
        spec, size = group.specs[0], self.config.replay_buffer_size
        return ReplayBuffer(
            size, spec.obs_size, spec.act_size, len(group.specs), self._device, self._dtype
        )

    def actors(self) -> tuple[ActorStack, ...]:
        """Snapshots of all actors, one stack per group."""
        return tuple(group.actor.clone() for group in self.groups)

    def observe(self, joint: Joint) -> None:
        """Store joint transitions; groups in the order of `self.groups`."""
        for buffer, part in zip(self.replay, joint.groups, strict=True):
            buffer.add(
                part.obs,
                part.action,
                part.reward,
                next_obs=part.next_obs,
                terminated=joint.terminated,
                truncated=joint.truncated,
            )

    def update(self, progress: float) -> UpdateMetrics:
        """`config.gradient_steps` iterations; nothing happens while the replay is empty.

        :param progress: 1 at the start of training, falling to 0; drives the learning rate.
        """
        rate = self._set_learning_rate(progress)
        count = self.config.gradient_steps if self.replay[0].size() > 0 else 0
        index, noise = self._draws(count)
        critics, actors = [], []
        for k in range(count):
            batches = [self._batch(buffer, index[k]) for buffer in self.replay]
            smoothing = None if noise is None else [part[k] for part in noise]
            critics.append(
                self._in_agent_order(
                    critic_steps(self.groups, batches, self._order, self.config.gamma, smoothing)
                )
            )
            self.iterations += 1
            actors.append(self._actor_iteration(batches))
        self.updates += count > 0
        return _metrics(critics, actors, rate, len(self.agents), self._device)

    def _actor_iteration(self, batches: Sequence[Batch]) -> Tensor | None:
        delay = self.config.policy_delay if self.algorithm.delays_policy else 1
        if self.iterations % delay != 0:
            return None
        metrics = self._in_agent_order(actor_steps(self.groups, batches, self._order))
        for group in self.groups:
            for online, target in (
                (group.critic, group.critic_target),
                (group.actor, group.actor_target),
            ):
                polyak_update(online.weights.values(), target.weights.values(), self.config.tau)
        return metrics

    def _set_learning_rate(self, progress: float) -> float:
        schedule = SCHEDULES[self.config.learning_rate_schedule or "constant"]
        rate = schedule(self.config.learning_rate, progress)
        for group in self.groups:
            for name in _OPTIMIZERS:
                for settings in getattr(group, name).param_groups:
                    settings["lr"] = rate
        return rate

    def _draws(
        self, count: int
    ) -> tuple[Int[Tensor, "iteration row"], list[Float[Tensor, "iteration agent row act"]] | None]:
        """Batch indices and smoothing noise of one update call, keyed by its number."""
        rows, update = self.config.batch_size, torch.tensor(self.updates, device=self._device)
        size = max(self.replay[0].size(), 1)
        key = keyed.combine(self._batch_key, update)
        index = keyed.below(size, key, count * rows).view(count, rows)
        if not self.algorithm.smooths_targets:
            return index, None
        noise = []
        for group, keys in zip(self.groups, self._noise_keys, strict=True):
            act = group.specs[0].act_size
            z = keyed.normal(keyed.combine(keys, update), count * rows * act).to(self._dtype)
            clip = self.config.target_noise_clip
            smoothing = (z * self.config.target_policy_noise).clamp(-clip, clip)
            noise.append(smoothing.view(len(group.specs), count, rows, act).transpose(0, 1))
        return index, noise

    def _batch(self, buffer: ReplayBuffer, index: Int[Tensor, " row"]) -> Batch:
        rows = buffer.sample(len(index), indices=index)
        return Batch(
            rows.observations.transpose(0, 1),
            rows.actions.transpose(0, 1),
            rows.rewards.transpose(0, 1),
            rows.next_observations.transpose(0, 1),
            rows.terminated,
        )

    def _in_agent_order(self, steps: Sequence[GradientStep]) -> Float[Tensor, "metric agent"]:
        grouped = [torch.stack([s.loss, s.total_norm, s.max_norm]) for s in steps]
        if len(grouped) == 1:
            return grouped[0]
        positions = [p for group in self.groups for p in group.positions]
        order = torch.tensor(positions, device=self._device).argsort()
        return torch.cat(grouped, dim=1)[:, order]

    def state_dict(self) -> dict[str, Any]:
        """Networks, targets, optimisers, replay and counters: all that later updates depend on."""
        return {
            "agents": [spec.unit_id for spec in self.agents],
            "updates": self.updates,
            "iterations": self.iterations,
            "networks": [
                {name: clone_weights(getattr(group, name).weights) for name in _STACKS}
                for group in self.groups
            ],
            "optimizers": [
                {name: deepcopy(getattr(group, name).state_dict()) for name in _OPTIMIZERS}
                for group in self.groups
            ],
            "replay": [buffer.state_dict() for buffer in self.replay],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, taken from a learner with the same agents and settings.

        :raises ConfigurationError: the agents are others.
        """
        if list(state["agents"]) != [spec.unit_id for spec in self.agents]:
            raise ConfigurationError("the saved learner has other agents than this one")
        self.updates, self.iterations = int(state["updates"]), int(state["iterations"])
        parts = zip(self.groups, state["networks"], state["optimizers"], strict=True)
        for group, networks, optimizers in parts:
            for name in _STACKS:
                weights = getattr(group, name).weights
                with torch.no_grad():
                    for key, value in networks[name].items():
                        weights[key].copy_(value)
            for name in _OPTIMIZERS:
                getattr(group, name).load_state_dict(deepcopy(optimizers[name]))
        for buffer, saved in zip(self.replay, state["replay"], strict=True):
            buffer.load_state_dict(saved)


def _metrics(
    critics: Sequence[Float[Tensor, "metric agent"]],
    actors: Sequence[Float[Tensor, "metric agent"] | None],
    rate: float,
    agents: int,
    device: torch.device,
) -> UpdateMetrics:
    nothing = torch.full((3, agents), torch.nan, device=device)
    empty = nothing.new_empty((0, 3, agents))
    critic = torch.stack(list(critics)) if critics else empty
    actor = torch.stack([nothing if a is None else a for a in actors]) if actors else empty
    return UpdateMetrics(
        critic[:, 0], critic[:, 1], critic[:, 2], actor[:, 0], actor[:, 1], actor[:, 2], rate
    )
