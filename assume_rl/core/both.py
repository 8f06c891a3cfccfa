"""Rewards of units that learn to hold reserve and to sell energy in what is left.

Such a unit is an agent in each market. What it holds it cannot sell, so that the agent of reserve
is rewarded for both: its reward waits for those of energy in the same delivery. Profit and regret
stay those of each market, so that they can be summed up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from assume_rl.core.constant import constant
from assume_rl.core.money import Reward
from assume_rl.core.team import Team
from assume_rl.core.time import Auction

T = TypeVar("T")


@dataclass(frozen=True)
class Waiting(Generic[T]):
    """A team's reward for reserve that waits for what its units earn with energy."""

    own: T  # of the caller, told apart by it
    first: int  # step of the first delivery
    energy: tuple[tuple[str, ...], ...]  # see `Team`
    missing: frozenset[str]  # agents whose rewards have not come
    reward: Reward


def waiting(team: Team, auction: Auction, reward: Reward, own: T) -> Waiting[T]:
    """Return the reward of a team that is rewarded for energy as well, before any of that.

    :param team: that holds reserve
    :param auction: of reserve
    :param reward: of the auction
    :param own: anything of the caller's
    """
    missing = frozenset(agent for agents in team.energy for agent in agents)
    return Waiting(own, auction.first[0], team.energy, missing, reward)


def told(
    waits: Sequence[Waiting[T]], team: Team, auction: Auction, reward: Reward
) -> tuple[tuple[Waiting[T], ...], list[Waiting[T]]]:
    """Return the rewards that still wait, and those that are complete, after another reward.

    :param waits: rewards for reserve
    :param team: that was rewarded
    :param auction: for which
    :param reward: of the auction
    """
    after = [_with(wait, team, auction, reward) for wait in waits]
    return tuple(w for w in after if w.missing), [w for w in after if not w.missing]


def _with(wait: Waiting[T], team: Team, auction: Auction, reward: Reward) -> Waiting[T]:
    """Return a waiting reward with its agents' part of another one."""
    found = wait.missing.intersection(team.agents)
    if auction.first[0] != wait.first or not found:
        return wait
    pairs = [
        (place, team.agents.index(agent))
        for place, agents in enumerate(wait.energy)
        for agent in agents
        if agent in found
    ]
    to, come = (constant(side, reward.reward.device) for side in zip(*pairs, strict=True))
    total = wait.reward.reward.index_add(-1, to, reward.reward.index_select(-1, come))
    both = replace(wait.reward, reward=total)
    return replace(wait, reward=both, missing=wait.missing - found)
