"""Who decides for units that share a bidder, and how their orders come about."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.bidding.base import AnyBidder, Bidder, LearnedBidder, View
from assume_rl.core.contract import of_kind, shaped
from assume_rl.core.money import Outcome, Reward
from assume_rl.core.orders import Orders
from assume_rl.core.units.fleet import Members
from assume_rl.core.units.holding import cut


@runtime_checkable
class Policy(Protocol):
    """Maps observations to actions; an `ActorStack` of the learning package is one.

    One that remembers earlier decisions is a `PolicyWithMemory` too.
    """

    @property
    def dtype(self) -> torch.dtype:
        """Return the dtype that observations must be cast to."""
        ...

    def __call__(self, obs: Tensor) -> Tensor:
        """Return the actions of observations: (..., unit, obs) -> (..., unit, act)."""
        ...


@runtime_checkable
class PolicyWithMemory(Policy, Protocol):
    """Carries a memory from one decision to the next, which its caller keeps."""

    @property
    def memory_size(self) -> int:
        """Return the length of a unit's memory, which starts each episode at zero; 0: no memory."""
        ...

    def step(self, obs: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return the actions of observations, and the memory at the next decision.

        :param obs: (..., unit, obs)
        :param memory: (..., unit, entry)
        """
        ...


@runtime_checkable
class MixedPolicy(PolicyWithMemory, Protocol):
    """May draw its actions, from random numbers that its caller provides."""

    @property
    def mixed(self) -> bool:
        """Return whether it draws them."""
        ...

    def draw(self, obs: Tensor, memory: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same as `step`, of actions that are drawn.

        :param obs: (..., unit, obs)
        :param memory: (..., unit, entry)
        :param z: standard normal draws (..., unit, act)
        """
        ...


@dataclass(frozen=True)
class Team:
    """Units of one technology that share a bidder in one market, and who decides for it."""

    bidder: AnyBidder
    members: Members  # of the portfolio's fleet
    # Names of the learners that its units are in this market: one for each, or their operator's.
    agents: tuple[str, ...]
    learns: bool = False  # its actions come from a learner
    policy: Policy | None = None  # its actions come from a fixed policy; None and no learner: rule
    # For each agent, others of its unit whose rewards are its own as well, see `joint_reward`;
    # empty: there are none.
    rewarded_with: tuple[tuple[str, ...], ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the ids of its units."""
        return self.members.units.ids

    @cached_property
    def learned(self) -> LearnedBidder[Any] | None:
        """Return its bidder if a policy decides for it, else None."""
        return self.bidder if isinstance(self.bidder, LearnedBidder) else None

    @cached_property
    def rule(self) -> Bidder[Any] | None:
        """Return its bidder if that follows a rule, else None."""
        return None if isinstance(self.bidder, LearnedBidder) else self.bidder

    @cached_property
    def remembering(self) -> PolicyWithMemory | None:
        """Return its fixed policy if that remembers anything, else None."""
        policy = self.policy
        if isinstance(policy, PolicyWithMemory) and policy.memory_size:
            return policy
        return None

    @cached_property
    def mixing(self) -> MixedPolicy | None:
        """Return its fixed policy if that draws its actions, else None."""
        policy = self.policy
        return policy if isinstance(policy, MixedPolicy) and policy.mixed else None

    def decide(
        self, observation: Tensor, memory: Tensor | None, z: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the action of its fixed policy, and the policy's memory at the next decision.

        :param observation: (..., unit, obs), float64
        :param memory: what it remembered so far; None where an episode begins
        :param z: standard normal draws (..., unit, act) for a policy that draws its actions
        """
        if self.policy is None:
            raise ValueError(f"{self.bidder.name} has no fixed policy")
        obs = observation.to(self.policy.dtype)
        remembering, mixing = self.remembering, self.mixing
        if memory is None:
            size = 0 if remembering is None else remembering.memory_size
            memory = obs.new_zeros(*obs.shape[:-1], size)
        if mixing is not None and z is not None:
            action, after = mixing.draw(obs, memory, z.to(obs.dtype))
            return action, None if remembering is None else after
        if remembering is None:
            return self.policy(obs), None
        return remembering.step(obs, memory)

    # The only place where bidders are called, and where what they return is checked.

    def orders(self, view: View[Any], action: Tensor | None) -> Orders:
        """Return the bidder's orders for a view; `action` is None for a rule.

        :raises ContractError: that is not what a bidder returns
        """
        if self.rule is not None:
            found = self.rule.orders(view)
        elif self.learned is not None and action is not None:
            found = self.learned.orders(view, action)
        else:
            raise ValueError(f"{self.bidder.name} bids by a policy: it needs an action")
        batch, slots = view.marginal_cost.shape[:-2], len(self.ids) * self.bidder.slots
        shapes = {
            "price": (*batch, len(view.lengths), slots),
            "volume": (*batch, len(view.lengths), slots),
            "unit": (slots,),
            "node": (slots,),
        }
        of_kind(self.bidder.orders, found, Orders)
        for name, shape in shapes.items():
            shaped(self.bidder.orders, getattr(found, name), shape, name)
        if view.reservable is None:
            return found
        return replace(found, volume=cut(found.volume, view.reservable))

    def observe(self, view: View[Any]) -> Float[Tensor, "... unit obs"]:
        """Return the policy's observation of a view.

        :raises ContractError: that is not what a bidder returns
        """
        learned = self._learned()
        shape = (*view.marginal_cost.shape[:-2], len(self.agents), learned.layout.size)
        return shaped(learned.observe, learned.observe(view), shape)

    def explore_around(
        self, observation: Float[Tensor, "... unit obs"]
    ) -> Float[Tensor, "... unit act"]:
        """Return the centre of the random actions of the initial experience.

        :raises ContractError: that is not what a bidder returns
        """
        learned = self._learned()
        shape = (*observation.shape[:-1], learned.action.size)
        return shaped(learned.explore_around, learned.explore_around(observation), shape)

    def reward(self, outcome: Outcome[Any]) -> Reward:
        """Return the reward of an outcome.

        :raises ContractError: that is not what a bidder returns
        """
        learned = self._learned()
        found = of_kind(learned.reward, learned.reward(outcome), Reward)
        shape = (*outcome.sold.shape[:-2], len(self.agents))
        for name, value in vars(found).items():
            shaped(learned.reward, value, shape, name)
        return found

    def _learned(self) -> LearnedBidder[Any]:
        if self.learned is None:
            raise ValueError(f"{self.bidder.name} follows a rule")
        return self.learned
