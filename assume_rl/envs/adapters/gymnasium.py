"""Copies of a scenario with a single learning bidder as a Gymnasium vector environment.

What an observation, an action and a reward is: docs/environments.md.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assume_rl.core.trade import Policy
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
    """All copies are done together; the step after that begins their next episodes.

    :param scenario: a study case; of a folder, the first one.
    :param seed: of tie-breaks and windows, until `reset` names another; None: the study case's.
    :param window: steps of an episode, drawn from the calendar; None: the whole calendar.
    :param policies: fixed policies by unit id; all learners but one must have one.
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
        """Begin the next episodes; with a seed, the first of that seed. There are no options."""
        if seed is not None:
            self._decisions.seed(seed)
        self._over = False
        return _observed(self._decisions.reset()), {}

    def step(self, actions: Observed) -> Stepped:
        """Bid, and see what happens until the next decision; after the last one, `reset`."""
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
        """Values of all copies; the library pairs each with a mask of the copies that have it."""
        values = {"profit": profit, "regret": regret, "price": price}
        return values | {f"_{key}": np.ones(self.num_envs, dtype=np.bool_) for key in values}

    def _begun(self) -> Stepped:
        """The step that only begins new episodes; actions count for nothing."""
        observed, info = self.reset()
        nothing = np.zeros(self.num_envs, dtype=np.bool_)
        return observed, np.zeros(self.num_envs), nothing, nothing.copy(), info


def _observed(observations: tuple[Tensor, ...]) -> Observed:
    return observations[0][:, 0].float().numpy()


def _of_learner(values: Tensor) -> Numbers:
    return values[:, 0].numpy()
