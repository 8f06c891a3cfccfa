"""The learner of a Learning role, with the registration of agents and files."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from assume_rl.core.bidding.base import Layout
from assume_rl.episodes.learning_files import (
    save_actors,
    save_critics,
    take_actors,
    take_critics,
)
from assume_rl.episodes.teams import agent_spec
from assume_rl.errors import ConfigurationError, nearest
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.fleet import Group
from assume_rl.learning.learner import Learner, Listener
from assume_rl.learning.nets.stack import ActorStack, merge
from assume_rl.learning.types import NO_SCALES, AgentSpec, Earnings, Scales


class Trainer:
    """A registry of agents that creates their learner on first use and saves and loads it.

    :param config: settings of the learner
    :param seed: keys all draws of the learner
    :param device: of the networks
    :param dtype: of the networks
    """

    def __init__(
        self, config: LearningConfig, *, seed: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.config = config
        self.experienced: set[str] = set()  # units with loaded actors
        self.order: tuple[str, ...] = ()  # of agents, if not that of registration
        self._seed, self._device, self._dtype = seed, device, dtype
        self._specs: dict[str, AgentSpec] = {}
        self._learner: Learner | None = None
        self._once_created: list[Callable[[], None]] = []

    @property
    def specs(self) -> tuple[AgentSpec, ...]:
        """Return the agents, in the order in which they registered, or in `order`."""
        return tuple(self._specs.values())

    @property
    def unit_ids(self) -> tuple[str, ...]:
        """Return the names of the agents."""
        return tuple(self._specs)

    def spec(self, unit_id: str) -> AgentSpec:
        """Return the agent of that name."""
        return self._specs[unit_id]

    @property
    def created(self) -> bool:
        """Return whether the networks exist."""
        return self._learner is not None

    @property
    def ready(self) -> bool:
        """Return whether there are transitions to learn from."""
        return self.created and self.learner.replay.size() > 0

    @property
    def learner(self) -> Learner:
        """Return the learner, created on first use.

        :raises ConfigurationError: no unit is registered
        """
        if self._learner is None:
            if not self._specs:
                raise ConfigurationError("no unit has registered with the Learning role yet")
            first = [unit for unit in self.order if unit in self._specs]
            self._specs = {unit: self._specs[unit] for unit in (*first, *self._specs)}
            self._learner = Learner(
                self.config, self.specs, seeds=(self._seed,), device=self._device, dtype=self._dtype
            )
            for action in self._once_created:
                action()
            self._once_created.clear()
        return self._learner

    @property
    def groups(self) -> tuple[Group, ...]:
        """Return the groups of agents of equal shape, with their networks."""
        return self.learner.groups

    def actors(self, *, noisy: bool = False) -> tuple[ActorStack, ...]:
        """Return snapshots of the actors, one stack per sizes of observation and action.

        :param noisy: whether noisy layers have their noise, as in training
        """
        return merge(self.learner.actors(noisy=noisy))

    def register(
        self,
        unit_id: str,
        layout: Layout,
        act_size: int,
        rungs: int = 0,
        earnings: Earnings | None = None,
        scales: Scales = NO_SCALES,
        shared: str | None = None,
    ) -> None:
        """Register an agent.

        :param unit_id: its name
        :param layout: of its observation
        :param act_size: length of its action
        :param rungs: of the ladder that its action chooses from; 0: there is none
        :param earnings: what it can earn, where that is known
        :param scales: what its numbers stand for
        :param shared: policy that it shares; None: it has one of its own
        :raises ConfigurationError: networks exist already, or it is registered otherwise
        """
        spec = agent_spec(unit_id, layout, act_size, rungs, earnings, scales, shared)
        known = self._specs.get(unit_id)
        if known is not None and known != spec:
            raise ConfigurationError(
                f"unit '{unit_id}' is registered twice, with different {_differing(known, spec)}"
            )
        if known is None and self.created:
            raise ConfigurationError(
                f"unit '{unit_id}' registered after the networks were created; register all units "
                "before the first episode starts"
            )
        self._specs[unit_id] = spec

    def check_known(self, unit_id: str) -> None:
        """Check that a unit is registered.

        :raises ConfigurationError: it is not
        """
        if unit_id not in self._specs:
            hint = nearest(unit_id, self._specs)
            raise ConfigurationError(f"unit '{unit_id}' has not registered, {hint}")

    def choose(self, algorithm: str) -> None:
        """Set the algorithm.

        :raises ConfigurationError: it is unknown, or the networks exist already
        """
        chosen = self.config.with_algorithm(algorithm)
        if self.created and chosen is not self.config:
            raise ConfigurationError("the algorithm must be chosen before the networks are created")
        self.config = chosen

    def listen(self, listener: Listener | None) -> None:
        """Pass the learner's events to `listener`."""
        self.learner.listener = listener

    def when_created(self, action: Callable[[], None]) -> None:
        """Call `action` now or, while there are no networks, as soon as they are created."""
        if self.created:
            action()
        else:
            self._once_created.append(action)

    def save_actors(self, folder: Path, extra: Mapping[str, Any]) -> None:
        """Write the actors as a policy folder; `extra` are further entries of its manifest."""
        save_actors(self.learner, folder, extra)

    def save_critics(self, folder: Path) -> None:
        """Write critics, targets and optimisers into `folder`."""
        save_critics(self.learner, folder)

    def load_actors(self, folder: Path) -> None:
        """Load the actors that fit; their units are experienced from then on."""
        self.experienced |= set(take_actors(self.learner, folder))

    def load_critics(self, folder: Path) -> None:
        """Load critics and targets that fit; optimisers too if the fleet is the same."""
        take_critics(self.learner, folder)


def _differing(one: AgentSpec, other: AgentSpec) -> str:
    """Return the difference between two registrations of an agent, for a message."""
    parts = {
        "layouts": ("obs_size", "unique_size", "features"),
        "sizes of actions": ("act_size",),
        "rungs": ("rungs",),
        "earnings": ("earnings",),
        "scales": ("scales",),
        "shared policies": ("shared",),
    }
    found = [
        part
        for part, fields in parts.items()
        if any(getattr(one, name) != getattr(other, name) for name in fields)
    ]
    return ", ".join(found)
