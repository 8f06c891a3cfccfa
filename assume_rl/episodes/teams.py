"""Teams of units that share a bidder, and the fixed policies that some of them act on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from assume_rl.core.bidding.base import AnyBidder, Layout, LearnedBidder
from assume_rl.core.team import MixedPolicy, Policy, PolicyWithMemory, Team
from assume_rl.core.units.fleet import Fleet, members
from assume_rl.learning.nets.stack import ActorStack, merge
from assume_rl.learning.types import NO_SCALES, AgentSpec, Earnings, Scales


def build_teams(
    fleet: Fleet,
    bidder: AnyBidder,
    units: Sequence[int],
    agents: Mapping[str, str],
    policies: Mapping[str, Policy],
    rewarded_with: Mapping[str, tuple[str, ...]],
) -> Iterator[Team]:
    """Yield a `Team` of the units that learn or follow a rule, and one of those on fixed policies.

    :param fleet: of the operator or cohort
    :param bidder: of the units
    :param units: indices into `fleet`, ascending, of one technology
    :param agents: names of the units as agents of this market, by unit id
    :param policies: fixed policies by agent; further agents are ignored
    :param rewarded_with: of agents that hold reserve, those whose rewards are theirs as well
    """
    learned = isinstance(bidder, LearnedBidder)
    names = {unit: agents.get(fleet.ids[unit], fleet.ids[unit]) for unit in units}
    fixed = [unit for unit in units if learned and names[unit] in policies]
    free = [unit for unit in units if unit not in fixed]
    for chosen in (free, fixed):
        if chosen:
            own = tuple(dict.fromkeys(names[unit] for unit in chosen))
            policy = side_by_side(tuple(policies[i] for i in own)) if chosen is fixed else None
            learns = learned and chosen is free
            others = tuple(rewarded_with.get(agent, ()) for agent in own)
            yield Team(
                bidder, members(fleet, chosen), own, learns, policy, others if any(others) else ()
            )


def agent_spec(
    agent: str,
    layout: Layout,
    act_size: int,
    rungs: int = 0,
    earnings: Earnings | None = None,
    scales: Scales = NO_SCALES,
    shared: str | None = None,
) -> AgentSpec:
    """Return the `AgentSpec` of an agent for a learner or a policy's manifest.

    :param agent: its name
    :param layout: of its observation
    :param act_size: length of its action
    :param rungs: of the ladder that its action chooses from; 0: there is none
    :param earnings: what it can earn, where that is known
    :param scales: what its numbers stand for
    :param shared: policy that it shares; None: it has one of its own
    """
    features = tuple((f.name, f.size, f.scaling) for f in layout.features)
    sizes = (layout.size, act_size, layout.unique_size)
    return AgentSpec(agent, *sizes, features, rungs, earnings, scales, shared)


def bidder_spec(
    agent: str,
    bidder: LearnedBidder[Any],
    earnings: Earnings | None = None,
    scales: Scales = NO_SCALES,
    shared: str | None = None,
) -> AgentSpec:
    """Return the `AgentSpec` of an agent.

    :param agent: its name
    :param bidder: by which it bids
    :param earnings: what it can earn, where that is known
    :param scales: what its numbers stand for
    :param shared: policy that it shares; None: it has one of its own
    """
    action = bidder.action
    return agent_spec(agent, bidder.layout, action.size, action.rungs, earnings, scales, shared)


UNITS = -2
COPIES = 0


@dataclass(frozen=True)
class Separate:
    """Policies of different kinds side by side, one per entry of an axis: units, or copies."""

    policies: tuple[Policy, ...]
    axis: int = UNITS  # of observations (copy, unit, obs)

    @property
    def dtype(self) -> torch.dtype:
        """Return the widest dtype of the policies, so that no observation loses digits."""
        return max((p.dtype for p in self.policies), key=lambda dtype: torch.finfo(dtype).bits)

    @property
    def memory_size(self) -> int:
        """Return the longest memory of the policies; the others leave the rest unchanged."""
        return max(_memory_size(policy) for policy in self.policies)

    def __call__(self, obs: Tensor) -> Tensor:
        """Return the actions (..., unit, act) on `obs` (..., unit, obs), each by its own policy."""
        each = enumerate(self.policies)
        own = [policy(obs.narrow(self.axis, k, 1).to(policy.dtype)) for k, policy in each]
        return torch.cat(own, self.axis)

    def step(self, obs: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same, and the memory (..., unit, entry) at the next decision.

        :param obs: (..., unit, obs)
        :param memory: before it
        """
        return self._each(obs, memory, None)

    @property
    def mixed(self) -> bool:
        """Return whether any of the policies draws its actions."""
        return any(isinstance(p, MixedPolicy) and p.mixed for p in self.policies)

    def draw(self, obs: Tensor, memory: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same as `step`; those policies draw their actions that do so.

        :param obs: (..., unit, obs)
        :param memory: before it
        :param z: standard normal draws (..., unit, act)
        """
        return self._each(obs, memory, z)

    def _each(self, obs: Tensor, memory: Tensor, z: Tensor | None) -> tuple[Tensor, Tensor]:
        actions, memories = [], []
        for k, policy in enumerate(self.policies):
            row = obs.narrow(self.axis, k, 1).to(policy.dtype)
            before = memory.narrow(self.axis, k, 1)
            size = _memory_size(policy)
            kept = before[..., :size].to(policy.dtype)
            if z is not None and isinstance(policy, MixedPolicy) and policy.mixed:
                action, kept = policy.draw(row, kept, z.narrow(self.axis, k, 1).to(policy.dtype))
            elif isinstance(policy, PolicyWithMemory) and size:
                action, kept = policy.step(row, kept)
            else:
                action = policy(row)
            actions.append(action)
            memories.append(torch.cat([kept, before[..., size:]], dim=-1))
        return torch.cat(actions, self.axis), torch.cat(memories, self.axis)


def _memory_size(policy: Policy) -> int:
    return policy.memory_size if isinstance(policy, PolicyWithMemory) else 0


def side_by_side(policies: tuple[Policy, ...]) -> Policy:
    """Return one policy for several units: one stack where they are actors of equal sizes."""
    of_copies = [p.policies for p in policies if isinstance(p, Separate) and p.axis == COPIES]
    if len(of_copies) == len(policies):
        return Separate(tuple(map(side_by_side, zip(*of_copies, strict=True))), COPIES)
    actors = [p for p in policies if isinstance(p, ActorStack)]
    stacks = merge(actors)
    if len(actors) < len(policies) or len(stacks) > 1:
        return Separate(policies)
    return stacks[0]
