"""A scenario as a PettingZoo parallel environment: each learner in a market is an agent.

Observations, actions and rewards: docs/environments.md.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.core.team import Policy
from assume_rl.envs.adapters.decisions import Decisions, Legal, Turn, learned, missing_library
from assume_rl.errors import ConfigurationError
from assume_rl.scenario.types import Scenario

try:
    from gymnasium.spaces import Box
    from pettingzoo import ParallelEnv

    from assume_rl.envs.adapters import spaces
except ImportError as error:
    raise missing_library("PettingZoo", "pettingzoo") from error

Array = NDArray[np.float32]
Infos = dict[str, dict[str, Any]]


def parallel_env(
    scenario: Scenario | Path | str,
    *,
    seed: int | None = None,
    window: int | None = None,
    policies: Mapping[str, Policy] | None = None,
) -> "ParallelMarket":
    """Return a `ParallelMarket` of the agents of a scenario.

    :param scenario: a study case; of a folder, the first one
    :param seed: of tie-breaks and windows, until `reset` is given another; None: the study case's
    :param window: steps of an episode, a random part of the calendar; None: all of it
    :param policies: fixed policies by unit id; these units are not agents
    """
    return ParallelMarket(
        Decisions(scenario, num_envs=1, seed=seed, window=window, policies=policies)
    )


class ParallelMarket(ParallelEnv):  # type: ignore[misc]
    """A parallel environment in which all agents bid at every decision and end together."""

    metadata = {"name": "assume_rl_market", "render_modes": []}  # noqa: RUF012
    render_mode = None

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions
        bidders = {a: learned(team) for team in decisions.teams for a in team.agents}
        self.layouts = {agent: bidder.layout for agent, bidder in bidders.items()}
        self.possible_agents = list(bidders)
        self.agents: list[str] = []
        self.observation_spaces = {a: spaces.observations(own) for a, own in self.layouts.items()}
        self.action_spaces = {a: spaces.actions(own.action) for a, own in bidders.items()}
        size = sum(layout.size for layout in self.layouts.values())
        self.state_space = Box(-np.inf, np.inf, (size,), np.float32)
        self._state = np.zeros(size, np.float32)

    def observation_space(self, agent: str) -> Box:
        """Return the unbounded float32 space of observations; `layouts[agent]` names entries."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Actions:
        """Return the space of actions: prices as shares of `max_bid_price`, or numbers of rungs."""
        return self.action_spaces[agent]

    def state(self) -> Array:
        """Return the present observations of all agents, side by side, in `state_space`."""
        return self._state

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Array], Infos]:
        """Start the next episode and return observations and infos by agent.

        :param seed: start the first episode of this seed; None: the next one of the present seed
        :param options: ignored
        """
        if seed is not None:
            self._decisions.seed(seed)
        self.agents = list(self.possible_agents)
        begun = self._decisions.reset()
        return self._observed(begun), self._masks(self._decisions.legal(begun))

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Array], dict[str, float], dict[str, bool], dict[str, bool], Infos]:
        """Bid and return observations, rewards, terminations, truncations and infos by agent.

        :param actions: (act) by agent; of a ladder for one price a number
        :raises ConfigurationError: the action of an agent is missing, or no episode has begun
        """
        turn = self._decisions.step([_joined(actions, t.agents) for t in self._decisions.teams])
        terminated, truncated = bool(turn.terminated), bool(turn.truncated)
        if terminated or truncated:
            self.agents = []
        return (
            self._observed(turn.observations),
            self._numbers(earned.reward for earned in turn.earned),
            dict.fromkeys(self.possible_agents, terminated),
            dict.fromkeys(self.possible_agents, truncated),
            self._infos(turn),
        )

    def _observed(self, tensors: Iterable[Tensor]) -> dict[str, Array]:
        """Return observations by agent from one (1, agent, obs) tensor per team."""
        rows = [row for tensor in tensors for row in tensor[0].float().numpy()]
        self._state = np.concatenate(rows)
        return dict(zip(self.possible_agents, rows, strict=True))

    def _masks(self, legal: Legal) -> Infos:
        """Return infos with the masks of agents on a ladder."""
        infos: Infos = {agent: {} for agent in self.possible_agents}
        for team, own in zip(self._decisions.teams, legal, strict=True):
            if own is not None:
                for agent, row in zip(team.agents, own[0].to(torch.int8).numpy(), strict=True):
                    infos[agent]["action_mask"] = row
        return infos

    def _numbers(self, tensors: Iterable[Tensor]) -> dict[str, float]:
        """Return numbers by agent from one (1, agent) tensor per team."""
        numbers = (number for tensor in tensors for number in tensor[0].tolist())
        return dict(zip(self.possible_agents, numbers, strict=True))

    def _infos(self, turn: Turn) -> Infos:
        profit = self._numbers(earned.profit for earned in turn.earned)
        regret = self._numbers(earned.regret for earned in turn.earned)
        infos = self._masks(turn.legal)
        for team, price in zip(self._decisions.teams, turn.price, strict=True):
            for agent in team.agents:
                infos[agent] |= {"profit": profit[agent], "regret": regret[agent]}
                infos[agent]["price"] = price.item()
        return infos


def _joined(actions: Mapping[str, Any], agents: tuple[str, ...]) -> Tensor:
    """Return the actions of a team, (1, agent, act)."""
    missing = [agent for agent in agents if agent not in actions]
    if missing:
        raise ConfigurationError(f"there is no action for {', '.join(missing)}")
    rows = np.stack([np.atleast_1d(actions[agent]) for agent in agents])
    return torch.from_numpy(rows).unsqueeze(0)
