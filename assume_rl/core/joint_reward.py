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
class Earned(Generic[T]):
    """A team's reward of an auction."""

    team: Team
    auction: Auction
    reward: Reward
    own: T  # anything of the caller's


@dataclass(frozen=True)
class Pending(Generic[T]):
    """A reward of reserve that waits for what its units earn with energy."""

    earned: Earned[T]  # with the energy that has come
    missing: frozenset[str]  # agents whose rewards have not


def complete(
    pending: Sequence[Pending[T]], earned: Earned[T]
) -> tuple[tuple[Pending[T], ...], list[Earned[T]]]:
    """Return the rewards that still wait, and those that are complete, after another one.

    :param pending: rewards that wait
    :param earned: another one; of reserve, it may wait itself
    """
    agents = frozenset(agent for own in earned.team.rewarded_with for agent in own)
    if agents:
        return (*pending, Pending(earned, agents)), []
    after = [_with(one, earned) for one in pending]
    done = [one.earned for one in after if not one.missing]
    return tuple(one for one in after if one.missing), [earned, *done]


def _with(pending: Pending[T], energy: Earned[T]) -> Pending[T]:
    """Return a reward that waits with its agents' part of one of energy."""
    earned, found = pending.earned, pending.missing.intersection(energy.team.agents)
    if energy.auction.first[0] != earned.auction.first[0] or not found:
        return pending
    pairs = [
        (place, energy.team.agents.index(agent))
        for place, agents in enumerate(earned.team.rewarded_with)
        for agent in agents
        if agent in found
    ]
    brought = energy.reward.reward
    to, source = (constant(side, brought.device) for side in zip(*pairs, strict=True))
    total = earned.reward.reward.index_add(-1, to, brought.index_select(-1, source))
    reward = replace(earned.reward, reward=total)
    return Pending(replace(earned, reward=reward), pending.missing - found)
