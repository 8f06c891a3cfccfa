"""Copies of a scenario as one batched TorchRL environment.

Observations, actions and rewards: docs/environments.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from assume_rl.core.bidding.base import ActionSpec, LearnedBidder
from assume_rl.core.team import Policy, Team
from assume_rl.envs.adapters.decisions import Decisions, Legal, Turn, learned, missing_library
from assume_rl.envs.state import Observations
from assume_rl.errors import ConfigurationError
from assume_rl.scenario.types import Scenario

try:
    from tensordict import TensorDict, TensorDictBase
    from torchrl.data import Bounded, Categorical, Composite, TensorSpec, Unbounded
    from torchrl.envs import EnvBase
except ImportError as error:
    raise missing_library("TorchRL", "torchrl") from error

INFOS = ("profit", "regret", "price")
FLAGS = ("done", "terminated", "truncated")


@dataclass(frozen=True)
class Group:
    """Agents with one bidder and of equal shape: one nested tensordict."""

    bidder: LearnedBidder[Any]
    teams: Mapping[int, Team]  # by position in the environment

    @property
    def units(self) -> list[str]:
        """Return the names of the agents, in the order of the agent axis."""
        return [unit for team in self.teams.values() for unit in team.agents]

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Return this group's (copy, agent, ...) tensor from one per team of the environment."""
        return torch.cat([parts[team] for team in self.teams], dim=1).to(torch.float32)

    def actions(self, joined: Tensor) -> dict[int, Tensor]:
        """Return the actions (copy, agent, act) by team.

        :param joined: of the group, in its `action` spec
        """
        if self.bidder.action.rungs and self.bidder.action.size == 1:
            joined = joined.unsqueeze(-1)
        sizes = [len(team.agents) for team in self.teams.values()]
        return dict(zip(self.teams, torch.split(joined, sizes, dim=1), strict=True))

    def seen(self, observations: Observations, legal: Legal) -> dict[str, Tensor]:
        """Return the observations of the group's agents, and on ladders their mask of rungs."""
        found = {"observation": self.join(observations)}
        masks = [mask for team in self.teams if (mask := legal[team]) is not None]
        return found | ({"action_mask": torch.cat(masks, dim=1)} if masks else {})

    def specs(self, num_envs: int) -> dict[str, Composite]:
        """Return the specs of observation, action and reward for `num_envs` copies."""
        shape, action = (num_envs, len(self.units)), self.bidder.action
        info = {name: Unbounded((*shape, 1)) for name in INFOS}
        seen: dict[str, TensorSpec] = {"observation": Unbounded((*shape, self.bidder.layout.size))}
        if action.rungs:
            chosen: TensorSpec = Categorical(action.rungs, _prices(action, shape))
            masks = (*_prices(action, shape), action.rungs)
            seen["action_mask"] = Categorical(2, masks, dtype=torch.bool)
        else:
            chosen = Bounded(-1.0, 1.0, (*shape, action.size))
        return {
            "observation": Composite(seen | {"info": Composite(info, shape=shape)}, shape=shape),
            "action": Composite(action=chosen, shape=shape),
            "reward": Composite(reward=Unbounded((*shape, 1)), shape=shape),
        }


def _prices(action: ActionSpec, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of rungs that agents choose, without an axis of prices if there is one."""
    return shape if action.size == 1 else (*shape, action.size)


class TorchRLMarket(EnvBase):  # type: ignore[misc]
    """An environment of agents by group, batch size `(num_envs,)`, whose copies end together.

    `group_map` has the agents of each group: those with one bidder, which names the group; if there
    is only one, it is called "agents". `layouts` names the entries of its observations. Agents on
    a ladder choose rungs by number; `action_mask` beside their observation says which are legal.

    :param scenario: a study case; of a folder, the first one
    :param num_envs: number of copies
    :param seed: of tie-breaks and windows, until `set_seed`; None: the study case's
    :param window: steps of an episode, a random part of the calendar; None: all of it
    :param policies: fixed policies by unit id; these units are not agents
    :param device: "auto", "cpu", "cuda" or "cuda:<n>"
    """

    def __init__(
        self,
        scenario: Scenario | Path | str,
        *,
        num_envs: int,
        seed: int | None = None,
        window: int | None = None,
        policies: Mapping[str, Policy] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        decisions = Decisions(
            scenario, num_envs=num_envs, seed=seed, window=window, policies=policies, device=device
        )
        super().__init__(device=device, batch_size=(num_envs,))
        self._decisions = decisions
        self._groups = _groups(decisions.teams)
        self.group_map = {name: group.units for name, group in self._groups.items()}
        self.layouts = {name: group.bidder.layout for name, group in self._groups.items()}
        specs = {name: group.specs(num_envs) for name, group in self._groups.items()}
        for kind in ("observation", "action", "reward"):
            by_group = {name: by_kind[kind] for name, by_kind in specs.items()}
            setattr(self, f"{kind}_spec", Composite(by_group, shape=(num_envs,)).to(device))
        flags = {name: Categorical(2, shape=(num_envs, 1), dtype=torch.bool) for name in FLAGS}
        self.done_spec = Composite(flags, shape=(num_envs,)).to(device)

    def _set_seed(self, seed: int | None) -> None:
        if seed is not None:
            self._decisions.seed(seed)

    def _reset(self, tensordict: TensorDictBase | None = None, **_: Any) -> TensorDictBase:
        asked = None if tensordict is None else tensordict.get("_reset", None)
        if asked is not None and not bool(asked.all()):
            raise ConfigurationError(
                "copies of a market play the same auctions side by side: reset all or none"
            )
        observations = self._decisions.reset()
        legal = self._decisions.legal(observations)
        begun = self.full_observation_spec.zero().update(self.full_done_spec.zero())
        for name, group in self._groups.items():
            begun[name].update(group.seen(observations, legal))
        return begun

    def _step(self, tensordict: TensorDictBase) -> TensorDictBase:
        actions: dict[int, Tensor] = {}
        for name, group in self._groups.items():
            actions |= group.actions(tensordict.get((name, "action")))
        turn = self._decisions.step([actions[team] for team in range(len(actions))])
        groups = {name: self._nested(group, turn) for name, group in self._groups.items()}
        terminated, truncated = turn.terminated[:, None], turn.truncated[:, None]
        flags = {"done": terminated | truncated, "terminated": terminated, "truncated": truncated}
        return TensorDict({**groups, **flags}, self.batch_size, self.device)

    def _nested(self, group: Group, turn: Turn) -> TensorDictBase:
        """Return a group's part of the result of a step."""

        def numbers(name: str) -> Tensor:
            return group.join([getattr(e, name) for e in turn.earned])[..., None]

        shape = (*self.batch_size, len(group.units))
        prices = [
            price[:, None].expand(-1, len(team.agents))
            for price, team in zip(turn.price, self._decisions.teams, strict=True)
        ]
        info = {"profit": numbers("profit"), "regret": numbers("regret")}
        info["price"] = group.join(prices)[..., None]
        return TensorDict(
            {
                **group.seen(turn.observations, turn.legal),
                "reward": numbers("reward"),
                "info": TensorDict(info, shape),
            },
            shape,
        )


def _groups(teams: Sequence[Team]) -> dict[str, Group]:
    """Return the teams of each bidder and shape as a group.

    A single group is "agents", as in TorchRL. Others are called after the bidder, those of another
    shape with a number from 2 on behind it.
    """
    found: dict[tuple[Any, ...], dict[int, Team]] = {}
    for place, team in enumerate(teams):
        bidder = learned(team)
        kind = (bidder.name, bidder.layout.size, bidder.action)
        found.setdefault(kind, {})[place] = team
    groups: dict[str, Group] = {}
    for (name, *_), own in found.items():
        alike = sum(group.bidder.name == name for group in groups.values())
        groups[f"{name}_{alike + 1}" if alike else name] = Group(learned(own[min(own)]), own)
    return groups if len(groups) > 1 else {"agents": next(iter(groups.values()))}
