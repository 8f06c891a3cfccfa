"""Copies of a scenario with a single agent as a Gymnasium vector environment.

Observations, actions and rewards: docs/environments.md.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.core.team import Policy
from assume_rl.envs.adapters.decisions import Decisions, learned, missing_library
from assume_rl.errors import ConfigurationError
from assume_rl.scenario.types import Scenario

try:
    from gymnasium.spaces import Box
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ImportError as error:
    raise missing_library("Gymnasium", "gymnasium") from error

Observed = NDArray[np.float32]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]
Stepped = tuple[Observed, Numbers, Flags, Flags, dict[str, Any]]


class VectorMarket(VectorEnv[Observed, Observed, NDArray[Any]]):
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
        units = [unit for team in self._decisions.teams for unit in team.agents]
        if len(units) != 1:
            raise ConfigurationError(
                f"a vector environment has one learner, but {len(units)} learn here: give the "
                "others policies, or use `pettingzoo` or `torchrl` of assume_rl.envs.adapters"
            )
        bidder = learned(self._decisions.teams[0])
        self.num_envs = num_envs
        self.layout = bidder.layout
        self.single_observation_space = Box(-np.inf, np.inf, (self.layout.size,), np.float32)
        self.single_action_space = Box(-1.0, 1.0, (bidder.action.size,), np.float32)
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
        return _observed(self._decisions.reset()), {}

    def step(self, actions: Observed) -> Stepped:
        """Bid and return observations, rewards, terminations, truncations and infos, (copy ...).

        After the end of the episodes it starts the next ones instead, as `reset` does.

        :param actions: (copy, act)
        :raises ConfigurationError: no episode has begun, or an action is not finite
        """
        if self._over:
            return self._begun()
        turn = self._decisions.step([torch.from_numpy(actions).unsqueeze(1)])
        terminated, truncated = turn.terminated.numpy(), turn.truncated.numpy()
        self._over = bool(terminated[0] or truncated[0])
        (earned,) = turn.earned
        return (
            _observed(turn.observations),
            _of_learner(earned.reward),
            terminated,
            truncated,
            self._info(_of_learner(earned.profit), _of_learner(earned.regret), turn.price.numpy()),
        )

    def _info(self, profit: Numbers, regret: Numbers, price: Numbers) -> dict[str, Any]:
        """Return values of all copies, each with the mask of copies that the library expects."""
        values = {"profit": profit, "regret": regret, "price": price}
        return values | {f"_{key}": np.ones(self.num_envs, dtype=np.bool_) for key in values}

    def _begun(self) -> Stepped:
        """Return the result of a step that starts new episodes; its actions are ignored."""
        observed, info = self.reset()
        nothing = np.zeros(self.num_envs, dtype=np.bool_)
        return observed, np.zeros(self.num_envs), nothing, nothing.copy(), info


def _observed(observations: tuple[Tensor, ...]) -> Observed:
    return observations[0][:, 0].float().numpy()


def _of_learner(values: Tensor) -> Numbers:
    return values[:, 0].numpy()
