"""The common base of the adapters: copies of a market, one decision at a time.

`MarketEnv` is stateless; this module keeps the state, the numbers of the episodes and the seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from assume_rl.core.bidding.base import LearnedBidder
from assume_rl.core.money import Reward
from assume_rl.core.team import Policy, Team
from assume_rl.envs.adapters.ladders import as_bid, legal_rungs
from assume_rl.envs.market_env import Happened, MarketEnv, State
from assume_rl.envs.state import Observations
from assume_rl.episodes.draws import draw_seed
from assume_rl.episodes.plan import pick_device
from assume_rl.errors import ConfigurationError, uninstalled
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.found_plugins import Plugin
from assume_rl.scenario.plugins import load_same
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

Legal = tuple[Bool[Tensor, "copy agent *price_rung"] | None, ...]
"""Per team: which rungs may be chosen, see `adapters.ladders`; None: its action is no ladder."""


@dataclass(frozen=True)
class Turn:
    """The result of a decision."""

    observations: Observations  # of the next decision; 0 where the calendar is over
    earned: tuple[Reward, ...]  # per team (copy, agent): settled since the decision
    # EUR/MWh, per team: of its market's auction cleared last; 0 if none was.
    price: tuple[Float[Tensor, " copy"], ...]
    terminated: Bool[Tensor, " copy"]  # the calendar is over
    truncated: Bool[Tensor, " copy"]  # the window is over, but not the calendar
    legal: Legal  # of the next decision; all rungs where the calendar is over


class Decisions:
    """Copies of a market that are played side by side, all at the same auction.

    Copy `c` plays the episodes `c`, `c + num_envs`, ... of the seed.

    :param scenario: a study case; of a folder, the first one
    :param num_envs: number of copies
    :param seed: of tie-breaks and windows; None: the study case's
    :param window: steps of an episode, a random part of the calendar; None: all of it
    :param policies: fixed policies by unit id
    :param device: "auto", "cpu", "cuda" or "cuda:<n>"
    :raises ConfigurationError: no unit learns, or a policy of the study case is not given
    """

    def __init__(
        self,
        scenario: Scenario | Path | str,
        *,
        num_envs: int,
        seed: int | None,
        window: int | None,
        policies: Mapping[str, Policy] | None,
        device: torch.device | str = "cpu",
    ) -> None:
        chosen = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
        _check_policies(chosen, policies or {})
        self._device = pick_device(str(device))
        self._compiled = compile_scenario(chosen, self._device)
        self._num_envs, self._window = num_envs, window
        self._policies = policies
        self.seed(draw_seed(chosen, seed))
        if not self.teams:
            raise ConfigurationError(
                f"{chosen.name}, case {chosen.case}: no unit is left that learns to bid"
            )
        if self._env.setting.in_turns:
            markets = ", ".join(self._env.setting.learners_markets)
            raise ConfigurationError(
                f"{chosen.name}, case {chosen.case}: units learn in markets that open one after "
                f"the other ({markets}), but all agents of this interface act at the same time; "
                "give those of all but one market fixed policies"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle its arguments and its position; loading compiles it again.

        Plug-ins come first: of what follows, some may be known in their files only.
        """
        made_of = {
            "scenario": self._compiled.scenario,
            "num_envs": self._num_envs,
            "seed": self._seed,
            "window": self._window,
            "policies": self._policies,
            "device": str(self._device),
        }
        plugins = Carried(self._compiled.scenario.plugins)
        return _continued, (plugins, made_of, self._episodes, self._state)

    @property
    def teams(self) -> tuple[Team, ...]:
        """Return the teams of the learners, in the order of observations and actions."""
        return self._env.teams

    def seed(self, seed: int) -> None:
        """Set the seed, so that the next `reset` starts its first episodes.

        :raises ConfigurationError: it is not an integer
        """
        if not isinstance(seed, int):
            raise ConfigurationError(f"a seed must be one whole number, got {seed!r}")
        self._seed = seed
        self._env = MarketEnv(
            self._compiled,
            num_envs=self._num_envs,
            seeds=(seed,),
            policies=self._policies,
            window=self._window,
            device=self._device,
        )
        self._episodes = torch.arange(self._num_envs, device=self._device)
        self._state: State | None = None

    def reset(self) -> Observations:
        """Start the next episode of every copy and return the observations per team."""
        self._state = self._env.reset(self._episodes)
        self._episodes = self._episodes + self._num_envs
        return self._env.observe(self._state)

    def step(self, actions: Sequence[Float[Tensor, "copy agent act"]]) -> Turn:
        """Bid and return the `Turn` at the next decision or at the end.

        :param actions: per team, clipped to [-1, 1]; on a ladder numbers of rungs
        :raises ConfigurationError: no episode has begun, it is over, or an action is not finite or
            no rung
        """
        if self._state is None or self._env.done(self._state):
            raise ConfigurationError("no episode has begun, or it is over: call reset first")
        asked = zip(self.teams, actions, strict=True)
        bids = [as_bid(learned(team).action, given) for team, given in asked]
        self._state, happened = self._env.step(self._state, bids)
        return self._turn(self._state, happened)

    def legal(self, observations: Observations) -> Legal:
        """Return which rungs may be chosen at a decision.

        :param observations: of it, per team
        """
        seen = zip(self.teams, observations, strict=True)
        return tuple(legal_rungs(learned(team).action, obs) for team, obs in seen)

    def _turn(self, state: State, happened: Happened) -> Turn:
        over = torch.full((self._num_envs,), self._env.done(state), device=self._device)
        terminated = over & self._env.terminated(state)
        observations = self._env.observe(state)
        return Turn(
            observations=observations,
            earned=tuple(self._earned(happened, team) for team in range(len(self.teams))),
            price=tuple(self._price(happened, p.market) for p in self._env.setting.learners),
            terminated=terminated,
            truncated=over & ~terminated,
            legal=tuple(
                None if own is None else own | terminated.view(-1, *[1] * (own.ndim - 1))
                for own in self.legal(observations)
            ),
        )

    def _earned(self, happened: Happened, team: int) -> Reward:
        """Return the sum of a team's rewards."""
        nothing = self._zeros(len(self.teams[team].ids))
        rewards = (earned.reward for earned in happened.learners if earned.team == team)
        return sum(rewards, Reward(nothing, nothing, nothing))

    def _price(self, happened: Happened, market: str) -> Tensor:
        books = [cleared.book for cleared in happened.cleared if cleared.market == market]
        return books[-1].clearing.price[:, 0, 0] if books else self._zeros()

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros((self._num_envs, *shape), dtype=torch.float64, device=self._device)


@dataclass(frozen=True)
class Carried:
    """Plug-ins in a pickle, which are loaded before everything after them."""

    plugins: tuple[Plugin, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return _loaded, (self.plugins,)


def _loaded(plugins: tuple[Plugin, ...]) -> Carried:
    """Return plug-ins, loaded.

    :raises ConfigurationError: one is missing, or has changed
    """
    changed = load_same(plugins)
    if changed is not None:
        raise ConfigurationError(
            f"plug-in '{changed.name}' has changed since the environment was pickled"
        )
    return Carried(plugins)


def _continued(
    _plugins: Carried, made_of: dict[str, Any], episodes: Tensor, state: State | None
) -> Decisions:
    """Return copies of a market that continue where they were pickled."""
    found = Decisions(**made_of)
    found._episodes, found._state = episodes, state
    return found


def learned(team: Team) -> LearnedBidder[Any]:
    """Return the bidder of a team that learns."""
    assert team.learned is not None
    return team.learned


def missing_library(library: str, extra: str) -> ImportError:
    """Return the error of an adapter whose library is not installed.

    :param library: its name
    :param extra: of this package that installs it
    """
    return ModuleNotFoundError(uninstalled("this environment", library, extra), name=extra)


def _check_policies(scenario: Scenario, given: Mapping[str, Policy]) -> None:
    """Check that all policies that a study case names are given."""
    missing = sorted(scenario.config.policies.keys() - given.keys())
    if missing:
        raise ConfigurationError(
            f"{scenario.name}, case {scenario.case}, names policies: load those of "
            f"{', '.join(missing)} and give them in `policies`"
        )
