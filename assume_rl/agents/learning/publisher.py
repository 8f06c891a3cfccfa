"""Which agent needs which policies, and which version of them it was sent."""

from collections.abc import Callable, Collection, Iterator
from typing import Protocol

import torch
from mango import AgentAddress

from assume_rl.agents.messages import PolicyUpdate
from assume_rl.errors import ConfigurationError
from assume_rl.learning.exploration import Exploration
from assume_rl.learning.nets.stack import ActorStack


class Source(Protocol):
    """Has the actors: a `Trainer`, or who stands in for one."""

    @property
    def experienced(self) -> Collection[str]:
        """Return the units that skip the random initial experience."""
        ...

    def actors(self, *, noisy: bool = False) -> tuple[ActorStack, ...]:
        """Return snapshots of the actors, one stack per sizes of observation and action."""
        ...


class Publisher:
    """Makes snapshots of the policies; each agent gets those of the units that it registered.

    :param source: holds the actors
    :param exploration: returns how actions are drawn now
    """

    def __init__(self, source: Source, exploration: Callable[[], Exploration]) -> None:
        self.version = 0
        self.awaited = False  # an agent has registered units since `outdated` was last called
        self._source = source
        self._exploration = exploration
        self._owner: dict[str, AgentAddress | None] = {}  # None: it has left
        self._claimed: set[str] = set()  # units that belong to their owners until an episode ends
        self._sent: dict[AgentAddress, int] = {}  # version
        self._all: tuple[ActorStack, ...] | None = None  # snapshot of this version
        self._parts: dict[tuple[str, ...], PolicyUpdate] = {}  # of this version, by units

    def register(self, unit_id: str, address: AgentAddress) -> None:
        """Note that a unit belongs to the agent at `address`, which awaits its policies.

        :param unit_id: the unit
        :param address: of the agent
        :raises ConfigurationError: it belongs to an agent in another container
        """
        owner = self._owner.get(unit_id)
        if owner and unit_id in self._claimed and owner.protocol_addr != address.protocol_addr:
            raise ConfigurationError(
                f"unit '{unit_id}' belongs to {named(owner)} until the episode ends or that agent "
                "says goodbye"
            )
        self._owner[unit_id] = address
        self._claimed.add(unit_id)
        self._sent.pop(address, None)
        self.awaited = True

    def check_owner(self, unit_id: str, address: AgentAddress) -> None:
        """Check that an agent may report on a unit; on one without an owner any agent may.

        :param unit_id: the unit
        :param address: of the agent
        :raises ConfigurationError: it belongs to another agent, or has left
        """
        owner = self._owner.get(unit_id, address)
        if owner is None:
            raise ConfigurationError(f"unit '{unit_id}' has left: register it again")
        if owner != address:
            raise ConfigurationError(
                f"unit '{unit_id}' belongs to {named(owner)}, not to {named(address)}"
            )

    def behind(self, unit_id: str, version: int) -> int:
        """Return how many versions came after the one that a unit acted on.

        :param unit_id: the unit
        :param version: that it acted on
        :raises ConfigurationError: there is no such version yet
        """
        if version > self.version:
            raise ConfigurationError(
                f"unit '{unit_id}' acted on version {version} of the policies, the latest is "
                f"{self.version}: it was sent by another training"
            )
        return self.version - version

    def release(self) -> None:
        """Let units be registered by agents in other containers: the episode has ended."""
        self._claimed.clear()

    def forget_unclaimed(self) -> None:
        """Forget whom units belong to that have not registered since the last episode ended."""
        self._owner = {
            unit: owner
            for unit, owner in self._owner.items()
            if owner is None or unit in self._claimed
        }

    def leave(self, address: AgentAddress) -> list[str]:
        """Return the units of an agent that leaves; they belong to nobody."""
        own = [unit for unit, owner in self._owner.items() if owner == address]
        self._owner |= dict.fromkeys(own)
        self._claimed -= set(own)
        return own

    def only_unit(self, address: AgentAddress) -> str:
        """Return the unit of an agent that has one.

        :raises ConfigurationError: it has registered none or several
        """
        own = [unit for unit, owner in self._owner.items() if owner == address]
        if len(own) != 1:
            named = f"'{address.aid}' has registered {', '.join(own) or 'none'}"
            raise ConfigurationError(f"an ObsActRew does not say of which unit it is: {named}")
        return own[0]

    def forget_agents(self) -> None:
        """Treat all agents as new, as in a fresh container: none of them has any policies."""
        self._sent.clear()
        self._claimed.clear()

    def renew(self) -> None:
        """Begin a new version, because policies or exploration have changed."""
        self.version += 1
        self._all = None
        self._parts.clear()

    def outdated(self) -> Iterator[AgentAddress]:
        """Return the agents that were not sent this version."""
        for address in dict.fromkeys(self._owner.values()):
            if address is not None and self._sent.get(address) != self.version:
                yield address
        self.awaited = False

    def update_for(self, address: AgentAddress) -> PolicyUpdate:
        """Return this version of the policies of an agent's units; it counts as sent."""
        self._sent[address] = self.version
        units = tuple(unit for unit, owner in self._owner.items() if owner == address)
        if units not in self._parts:
            self._parts[units] = self._part(units)
        return self._parts[units]

    def _part(self, units: tuple[str, ...]) -> PolicyUpdate:
        own = tuple(
            stack.select(chosen)
            for stack in self._snapshot()
            if (chosen := [unit for unit in units if unit in stack.unit_ids])
        )
        experienced = tuple(sorted(set(self._source.experienced).intersection(units)))
        return PolicyUpdate(self.version, own, self._exploration(), experienced)

    def _snapshot(self) -> tuple[ActorStack, ...]:
        if self._all is None:
            cpu = torch.device("cpu")
            noisy = self._exploration().mode != "off"
            self._all = tuple(stack.to(cpu) for stack in self._source.actors(noisy=noisy))
        return self._all


def named(address: AgentAddress) -> str:
    """Return the name of an agent for a message, such as `'bidder' at 127.0.0.1:5555`."""
    place = address.protocol_addr
    return f"'{address.aid}' at {':'.join(map(str, place)) if isinstance(place, tuple) else place}"
