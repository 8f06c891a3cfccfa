"""The agents by teams, as in markets, and by groups, as in the learner."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from assume_rl.core.bidding.base import LearnedBidder
from assume_rl.envs.setting import Setting
from assume_rl.episodes.earnings import earnings_of
from assume_rl.episodes.teams import bidder_spec
from assume_rl.learning.types import AgentSpec


def agent_specs(setting: Setting) -> tuple[AgentSpec, ...]:
    """Return the `AgentSpec` of each agent, in the order in which operators register them."""
    bidders = {agent: part.bidder for part in setting.learners for agent in part.team.agents}
    compiled = setting.compiled
    earnings = earnings_of(compiled)
    agents = (
        compiled.agent(market, unit)
        for operator in compiled.operators
        for market, participants in operator.participants.items()
        for participant in participants
        if isinstance(participant.bidder, LearnedBidder)
        for unit in participant.units
    )
    return tuple(
        bidder_spec(
            agent,
            bidders[agent],
            earnings.get(agent),
            compiled.scales[agent],
            compiled.shared.get(agent),
        )
        for agent in agents
        if agent in bidders
    )


@dataclass(frozen=True)
class Pick:
    """The positions, in an old arrangement, of the agents of one list of a new one."""

    sources: tuple[int, ...]  # lists that are needed, side by side
    index: Tensor | slice  # into these; neighbours are taken without a copy

    def __call__(self, values: Sequence[Tensor]) -> Tensor:
        """Return values (row, agent, ...) of the new list from those of each old list."""
        first = values[self.sources[0]]
        joined = (
            first if len(self.sources) == 1 else torch.cat([values[s] for s in self.sources], 1)
        )
        return joined[:, self.index]


def rearrangement(
    old: Sequence[Sequence[str]], new: Sequence[Sequence[str]], device: torch.device
) -> tuple[Pick, ...]:
    """Return a `Pick` for each list of `new`, from values of agents listed as in `old`.

    :param old: names of agents
    :param new: the same names, in other lists
    :param device: of the values
    """
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
