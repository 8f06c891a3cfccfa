"""A scenario with a single learner as Gymnasium environments: one market, or copies side by side.

Observations, actions and rewards: docs/environments.md.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.core.bidding.base import LearnedBidder
from assume_rl.core.team import Policy
from assume_rl.envs.adapters.decisions import Decisions, Turn, learned, missing_library
from assume_rl.errors import ConfigurationError
from assume_rl.scenario.types import Scenario

try:
    import gymnasium
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space

    from assume_rl.envs.adapters import spaces
except ImportError as error:
    raise missing_library("Gymnasium", "gymnasium") from error

Observed = NDArray[np.float32]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]
Stepped = tuple[Observed, Numbers, Flags, Flags, dict[str, Any]]


class SingleMarket(gymnasium.Env[NDArray[Any], Any]):
    """An environment of one market, in which the only learner bids.

    Learners on a ladder choose rungs by number. Which are legal is in `info["action_mask"]`, 0 or 1
    for each rung (of several prices: price by price), and comes from `action_masks`, for
    `MaskablePPO` of SB3-contrib.

    :param scenario: a study case; of a folder, the first one
    :param seed: of tie-breaks and windows, until `reset` is given another; None: the study case's
    :param window: steps of an episode, a random part of the calendar; None: all of it
    :param policies: fixed policies by unit id; all learning units but one must have one
    :raises ConfigurationError: not exactly one unit learns
    """

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        scenario: Scenario | Path | str,
        *,
        seed: int | None = None,
        window: int | None = None,
        policies: Mapping[str, Policy] | None = None,
    ) -> None:
        self._decisions = Decisions(
            scenario, num_envs=1, seed=seed, window=window, policies=policies
        )
        self._bidder = _only_learner(self._decisions)
        self.layout = self._bidder.layout
        self.observation_space = spaces.observations(self.layout)
        self.action_space = spaces.actions(self._bidder.action)
        self._legal: Flags | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observed, dict[str, Any]]:
        """Start the next episode and return observation (obs) and info.

        :param seed: start the first episode of this seed; None: the next one of the present seed
        :param options: ignored
        """
        super().reset(seed=seed)
        if seed is not None:
            self._decisions.seed(seed)
        begun = self._decisions.reset()
        return _observed(begun)[0], self._masked(self._decisions.legal(begun)[0])

    def step(self, action: Any) -> tuple[Observed, float, bool, bool, dict[str, Any]]:
        """Bid and return observation, reward, whether terminated, whether truncated, and info.

        :param action: (act), or of a ladder for one price a number
        :raises ConfigurationError: no episode has begun, or an action is not finite or no rung
        """
        given = torch.from_numpy(np.atleast_1d(np.asarray(action)))
        turn = self._decisions.step([given.view(1, 1, -1)])
        (earned,) = turn.earned
        info = {"profit": earned.profit.item(), "regret": earned.regret.item()}
        return (
            _observed(turn.observations)[0],
            earned.reward.item(),
            bool(turn.terminated),
            bool(turn.truncated),
            info | {"price": turn.price[0].item()} | self._masked(turn.legal[0]),
        )

    def action_masks(self) -> Flags:
        """Return which rungs may be chosen now, those of several prices one after the other.

        :raises ConfigurationError: the learner is not on a ladder, or no episode has begun
        """
        if self._legal is None:
            raise ConfigurationError(
                f"there is no mask of actions: {self._bidder.name} is not on a price ladder, or no "
                "episode has begun"
            )
        return self._legal

    def _masked(self, legal: Tensor | None) -> dict[str, Any]:
        """Return the part of an info that a mask (1, 1, ...) is."""
        if legal is None:
            return {}
        own = legal[0, 0].numpy()
        self._legal = own.reshape(-1)
        return {"action_mask": own.astype(np.int8)}


class VectorMarket(VectorEnv[Observed, Any, NDArray[Any]]):
    """A vector environment whose copies end together; the step after that starts new episodes.

    :param scenario: a study case; of a folder, the first one
    :param num_envs: number of copies
    :param seed: of tie-breaks and windows, until `reset` is given another; None: the study case's
    :param window: steps of an episode, a random part of the calendar; None: all of it
    :param policies: fixed policies by unit id; all learning units but one must have one
    :raises ConfigurationError: not exactly one unit learns
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        scenario: Scenario | Path | str,
        *,
        num_envs: int,
        seed: int | None = None,
        window: int | None = None,
        policies: Mapping[str, Policy] | None = None,
    ) -> None:
        self._decisions = Decisions(
            scenario, num_envs=num_envs, seed=seed, window=window, policies=policies
        )
        bidder = _only_learner(self._decisions)
        self.num_envs = num_envs
        self.layout = bidder.layout
        self.single_observation_space = spaces.observations(self.layout)
        self.single_action_space = spaces.actions(bidder.action)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._over = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observed, dict[str, Any]]:
        """Start the next episodes and return observations (copy, obs) and infos.

        :param seed: start the first episodes of this seed; None: the next ones of the present seed
        :param options: ignored
        """
        if seed is not None:
            self._decisions.seed(seed)
        self._over = False
        begun = self._decisions.reset()
        return _observed(begun), self._info(_masks(self._decisions.legal(begun)[0]))

    def step(self, actions: NDArray[Any]) -> Stepped:
        """Bid and return observations, rewards, terminations, truncations and infos, (copy ...).

        After the end of the episodes it starts the next ones instead, as `reset` does.

        :param actions: (copy, act), or of a ladder for one price (copy)
        :raises ConfigurationError: no episode has begun, or an action is not finite or no rung
        """
        if self._over:
            return self._begun()
        given = torch.from_numpy(np.asarray(actions)).view(self.num_envs, 1, -1)
        turn = self._decisions.step([given])
        terminated, truncated = turn.terminated.numpy(), turn.truncated.numpy()
        self._over = bool(terminated[0] or truncated[0])
        (earned,) = turn.earned
        return (
            _observed(turn.observations),
            _of_learner(earned.reward),
            terminated,
            truncated,
            self._info(_outcome(turn)),
        )

    def _info(self, values: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """Return values of all copies, each with the mask of copies that the library expects."""
        there = np.ones(self.num_envs, dtype=np.bool_)
        return {**values, **{f"_{key}": there for key in values}}

    def _begun(self) -> Stepped:
        """Return the result of a step that starts new episodes; its actions are ignored."""
        observed, info = self.reset()
        nothing = np.zeros(self.num_envs, dtype=np.bool_)
        return observed, np.zeros(self.num_envs), nothing, nothing.copy(), info


def _only_learner(decisions: Decisions) -> LearnedBidder[Any]:
    """Return the bidder of the only learner.

    :raises ConfigurationError: there are several
    """
    agents = [agent for team in decisions.teams for agent in team.agents]
    if len(agents) != 1:
        raise ConfigurationError(
            f"an environment of Gymnasium has one learner, but {len(agents)} learn here: give the "
            "others policies, or use `pettingzoo` or `torchrl` of assume_rl.envs.adapters"
        )
    return learned(decisions.teams[0])


def _outcome(turn: Turn) -> dict[str, NDArray[Any]]:
    """Return the entries of infos for a turn, (copy ...) each."""
    (earned,) = turn.earned
    return {
        "profit": _of_learner(earned.profit),
        "regret": _of_learner(earned.regret),
        "price": turn.price[0].numpy(),
        **_masks(turn.legal[0]),
    }


def _masks(legal: Tensor | None) -> dict[str, NDArray[Any]]:
    return {} if legal is None else {"action_mask": legal[:, 0].to(torch.int8).numpy()}


def _observed(observations: tuple[Tensor, ...]) -> Observed:
    return observations[0][:, 0].float().numpy()


def _of_learner(values: Tensor) -> Numbers:
    return values[:, 0].numpy()
