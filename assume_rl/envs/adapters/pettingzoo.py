"""A scenario as a PettingZoo parallel environment: each learning unit is an agent.

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
from assume_rl.envs.adapters.decisions import Decisions, Turn, learned, missing_library
from assume_rl.errors import ConfigurationError
from assume_rl.scenario.types import Scenario

try:
    from gymnasium.spaces import Box
    from pettingzoo import ParallelEnv
except ImportError as error:
    raise missing_library("PettingZoo", "pettingzoo") from error

Array = NDArray[np.float32]
Infos = dict[str, dict[str, float]]


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
        bidders = {u: learned(team) for team in decisions.teams for u in team.agents}
        self.layouts = {unit: bidder.layout for unit, bidder in bidders.items()}
        self.possible_agents = list(bidders)
        self.agents: list[str] = []
        self.observation_spaces = {
            unit: Box(-np.inf, np.inf, (bidder.layout.size,), np.float32)
            for unit, bidder in bidders.items()
        }
        self.action_spaces = {
            unit: Box(-1.0, 1.0, (bidder.action.size,), np.float32)
            for unit, bidder in bidders.items()
        }

    def observation_space(self, agent: str) -> Box:
        """Return the unbounded float32 space of observations; `layouts[agent]` names entries."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Box:
        """Return the space of actions: prices as shares of `max_bid_price`."""
        return self.action_spaces[agent]

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
        return self._arrays(self._decisions.reset()), {unit: {} for unit in self.agents}

    def step(
        self, actions: Mapping[str, Array]
    ) -> tuple[dict[str, Array], dict[str, float], dict[str, bool], dict[str, bool], Infos]:
        """Bid and return observations, rewards, terminations, truncations and infos by agent.

        :param actions: (act) by agent
        :raises ConfigurationError: the action of an agent is missing, or no episode has begun
        """
        turn = self._decisions.step([_joined(actions, t.agents) for t in self._decisions.teams])
        terminated, truncated = bool(turn.terminated), bool(turn.truncated)
        if terminated or truncated:
            self.agents = []
        return (
            self._arrays(turn.observations),
            self._numbers(earned.reward for earned in turn.earned),
            dict.fromkeys(self.possible_agents, terminated),
            dict.fromkeys(self.possible_agents, truncated),
            self._infos(turn),
        )

    def _arrays(self, tensors: Iterable[Tensor]) -> dict[str, Array]:
        """Return rows by agent from one (1, agent, ...) tensor per team."""
        rows = (row for tensor in tensors for row in tensor[0].float().cpu().numpy())
        return dict(zip(self.possible_agents, rows, strict=True))

    def _numbers(self, tensors: Iterable[Tensor]) -> dict[str, float]:
        """Return numbers by agent from one (1, agent) tensor per team."""
        numbers = (number for tensor in tensors for number in tensor[0].tolist())
        return dict(zip(self.possible_agents, numbers, strict=True))

    def _infos(self, turn: Turn) -> Infos:
        profit = self._numbers(earned.profit for earned in turn.earned)
        regret = self._numbers(earned.regret for earned in turn.earned)
        price = turn.price.item()
        return {
            unit: {"profit": profit[unit], "regret": regret[unit], "price": price}
            for unit in self.possible_agents
        }


def _joined(actions: Mapping[str, Array], units: tuple[str, ...]) -> Tensor:
    """Return the actions of a team, (1, agent, act)."""
    missing = [unit for unit in units if unit not in actions]
    if missing:
        raise ConfigurationError(f"there is no action for {', '.join(missing)}")
    return torch.from_numpy(np.stack([actions[unit] for unit in units])).unsqueeze(0)
