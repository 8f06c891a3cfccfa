"""The agents of a learner, cut into groups of equal sizes whose networks are stacked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from assume_rl.learning.types import AgentSpec

CPU_BLOCK = 5  # networks of a group on the CPU: what is worked on should stay in cache


@dataclass(frozen=True)
class Group:
    """Agents of equal sizes whose networks are one tensor axis."""

    specs: tuple[AgentSpec, ...]
    positions: tuple[int, ...]  # among all agents

    @property
    def unit_ids(self) -> tuple[str, ...]:
        """Return the names of the agents."""
        return tuple(spec.unit_id for spec in self.specs)

    @property
    def policies(self) -> tuple[str, ...]:
        """Return the names of their policies: one for each, or one that all share."""
        return tuple(dict.fromkeys(spec.policy for spec in self.specs))

    @property
    def obs_size(self) -> int:
        """Return the length of an observation."""
        return self.specs[0].obs_size

    @property
    def act_size(self) -> int:
        """Return the length of an action."""
        return self.specs[0].act_size

    @property
    def unique_size(self) -> int:
        """Return the length of the private part of an observation."""
        return self.specs[0].unique_size


@dataclass(frozen=True)
class Fleet:
    """All agents, in groups, and the number of seeds whose networks lie side by side."""

    agents: tuple[AgentSpec, ...]
    groups: tuple[Group, ...]
    seeds: int

    @classmethod
    def of(cls, agents: Sequence[AgentSpec], seeds: int, block: int | None = None) -> "Fleet":
        """Return the fleet of `agents` in groups of at most `block` agents; None: of any number.

        Those that share a policy are one group, whatever their number. Sizes are in order of first
        appearance, so the order of the agents over all groups does not depend on `block`.

        :param agents: all agents
        :param seeds: number of seeds
        :param block: agents of a group at most
        """
        alike: dict[tuple[object, ...], list[int]] = {}
        for i, agent in enumerate(agents):
            alike.setdefault((agent.shape, agent.shared), []).append(i)
        positions = [
            tuple(own[start : start + length])
            for (_, shared), own in alike.items()
            for length in [len(own) if shared is not None else block or len(own)]
            for start in range(0, len(own), length)
        ]
        groups = (Group(tuple(agents[p] for p in own), own) for own in positions)
        return cls(tuple(agents), tuple(groups), seeds)

    @property
    def order(self) -> list[int]:
        """Return the positions of the agents, group by group."""
        return [p for group in self.groups for p in group.positions]

    @property
    def unique_size(self) -> int:
        """Return the number of private entries of all agents."""
        return sum(agent.unique_size for agent in self.agents)

    @property
    def joint_size(self) -> int:
        """Return the length of a row of `Seen.joint`."""
        return self.unique_size + sum(agent.act_size for agent in self.agents)

    def private_columns(self) -> dict[int, range]:
        """Return the columns of `Seen.joint` with the private entries of each agent."""
        return self._columns([agent.unique_size for agent in self.agents], 0)

    def action_columns(self) -> dict[int, range]:
        """Return the columns of `Seen.joint` with the action of each agent."""
        return self._columns([agent.act_size for agent in self.agents], self.unique_size)

    def without_actions(self) -> "Fleet":
        """Return the fleet as a critic sees it that values states, not actions."""
        return self._with([replace(agent, act_size=0) for agent in self.agents])

    def over(self, steps: int) -> "Fleet":
        """Return the fleet as a critic sees it that is shown the latest `steps` observations."""
        return self._with(over(self.agents, steps))

    def _columns(self, sizes: Sequence[int], start: int) -> dict[int, range]:
        columns = {}
        for p in self.order:
            columns[p] = range(start, start + sizes[p])
            start = columns[p].stop
        return columns

    def _with(self, agents: Sequence[AgentSpec]) -> "Fleet":
        groups = (Group(tuple(agents[p] for p in g.positions), g.positions) for g in self.groups)
        return Fleet(tuple(agents), tuple(groups), self.seeds)


def over(agents: Sequence[AgentSpec], steps: int) -> tuple[AgentSpec, ...]:
    """Return agents with observations of `steps` steps, the last of which stands last."""
    return tuple(replace(agent, obs_size=agent.obs_size * steps) for agent in agents)


def block_of(
    device: torch.device, seeds: int, chosen: int | None = None, *, own_nets: bool
) -> int | None:
    """Return the number of agents of a group at most; None: all, as an accelerator likes it.

    Where agents share a critic, its gradient is a sum over groups, so these must not depend on the
    number of seeds: a seed learns the same as alone.

    :param device: of the networks
    :param seeds: number of seeds
    :param chosen: `learning_config.block_size`
    :param own_nets: whether every agent has critics of its own
    """
    if chosen is not None or device.type != "cpu":
        return chosen
    return max(CPU_BLOCK // seeds, 1) if own_nets else CPU_BLOCK
