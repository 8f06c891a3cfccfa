"""Learners as the market groups them (teams) and as the learner does (groups)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from assume_rl.core.bidding.base import LearnedBidder
from assume_rl.envs.setting import Setting
from assume_rl.episodes.teams import agent_spec
from assume_rl.learning.types import AgentSpec


def agent_specs(setting: Setting) -> tuple[AgentSpec, ...]:
    """Return the learners as a `Learner` takes them, in the order operators register them in."""
    bidders = {agent: part.bidder for part in setting.learners for agent in part.team.agents}
    compiled = setting.compiled
    agents = (
        compiled.agent(market, unit)
        for operator in compiled.operators
        for market, participants in operator.participants.items()
        for participant in participants
        if isinstance(participant.bidder, LearnedBidder)
        for unit in participant.units
    )
    return tuple(
        agent_spec(agent, bidders[agent].layout, bidders[agent].action.size)
        for agent in agents
        if agent in bidders
    )


@dataclass(frozen=True)
class Pick:
    """Where the agents of one list of a new arrangement stand in the old one."""

    sources: tuple[int, ...]  # lists that are needed, side by side
    index: Tensor | slice  # into these; neighbours are taken without a copy

    def __call__(self, values: Sequence[Tensor]) -> Tensor:
        """(row, agent, ...) per old list -> (row, agent, ...) of the new one."""
        first = values[self.sources[0]]
        joined = (
            first if len(self.sources) == 1 else torch.cat([values[s] for s in self.sources], 1)
        )
        return joined[:, self.index]


def rearrangement(
    old: Sequence[Sequence[str]], new: Sequence[Sequence[str]], device: torch.device
) -> tuple[Pick, ...]:
    """How values of agents listed as in `old` become values listed as in `new`."""
    home = {unit: place for place, units in enumerate(old) for unit in units}
    picks = []
    for units in new:
        sources = tuple(dict.fromkeys(home[unit] for unit in units))
        there = [unit for source in sources for unit in old[source]]
        index = [there.index(unit) for unit in units]
        stretch = slice(index[0], index[0] + len(index))
        neighbours = index == list(range(stretch.start, stretch.stop))
        picks.append(Pick(sources, stretch if neighbours else torch.tensor(index, device=device)))
    return tuple(picks)
