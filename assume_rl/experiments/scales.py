"""The scales of policies' observations and actions: kept of a training, or seen before one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from assume_rl.core.bidding.base import LearnedBidder
from assume_rl.core.bidding.ladder import rungs_of, rungs_once_seen
from assume_rl.core.team import Policy
from assume_rl.errors import PolicyError
from assume_rl.experiments.case import study_case
from assume_rl.experiments.in_memory import played_in_memory
from assume_rl.experiments.policies import learned_bidders
from assume_rl.experiments.policy_folder import policy_folder
from assume_rl.learning.policies.folder import entry_of
from assume_rl.learning.policies.places import check_folder, is_assume_layout
from assume_rl.learning.types import NO_SCALES, Scales
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.types import Scenario

PRICES = "market_meta"


def compiled_on(scenario: Scenario, folder: Path | str | None) -> Compiled:
    """Return a compiled study case whose agents see and decide on the scales of their policies.

    What policies keep of their training counts where the study case asks for it: the range of
    forecasts with `forecast_scale: training`, prices of ladders with `rung_prices: seen_prices`.

    :param scenario: the study case
    :param folder: policies of units that the study case names none for; None: there are none
    :raises PolicyError: policies do not say what is asked for, or cannot be read
    """
    compiled = compile_scenario(scenario)
    seen = any(rungs_of(bidder) for bidder in learned_bidders(compiled).values())
    if not seen and scenario.learning.forecast_scale == "recorded":
        return compiled
    if folder is not None:
        check_folder(Path(folder))
    scales = _kept(compiled, None if folder is None else policy_folder(Path(folder)))
    return compile_scenario(scenario, scales=scales) if scales else compiled


def compiled_to_play(scenario: Scenario | Path | str, folder: Path | str | None) -> Compiled:
    """Return `compiled_on` of the policies that a study case is played on, without training.

    :param scenario: the study case; of a path, the first one
    :param folder: policies; None: those of `trained_policies_load_path`
    """
    case = study_case(scenario)
    return compiled_on(case, folder or case.learning.trained_policies_load_path)


def _kept(compiled: Compiled, folder: Path | None) -> dict[str, Scales]:
    """Return the scales that policies keep, by agent."""
    named, kept = compiled.scenario.config.policies, {}
    for agent in compiled.learners:
        path = Path(named[agent]) if agent in named else folder
        if path is None:
            continue
        entry = entry_of(path, compiled.policy(agent))
        unsaid = path.suffix == ".pt" or is_assume_layout(path)
        own = NO_SCALES if entry is None else entry.scales
        if entry is not None:
            kept[agent] = own
        if (
            compiled.scenario.learning.forecast_scale == "training"
            and (entry is not None or unsaid)
            and own.residual_load is None
            and compiled.scales[agent].residual_load is not None
        ):
            raise PolicyError(
                f"'{path}': the policy of unit '{agent}' does not say on which scale it saw "
                "forecasts; set learning_config.forecast_scale to recorded"
            )
    return kept


@dataclass(frozen=True)
class AtCost:
    """A policy that bids a bidder's centre of exploration: plants their marginal cost."""

    bidder: LearnedBidder[Any]
    dtype: torch.dtype = torch.float64

    def __call__(self, obs: Tensor) -> Tensor:
        """Return the centre of the first random actions."""
        return self.bidder.explore_around(obs)


@dataclass(frozen=True)
class Withheld:
    """A policy that asks for the highest price, so that others set it wherever they can."""

    bidder: LearnedBidder[Any]
    dtype: torch.dtype = torch.float64

    def __call__(self, obs: Tensor) -> Tensor:
        """Return the highest action."""
        return obs.new_ones((*obs.shape[:-1], self.bidder.action.size))


def with_seen_prices(compiled: Compiled, fixed: Mapping[str, Policy]) -> Compiled:
    """Return a study case whose ladders of seen prices have them, so that a training can begin.

    The market is played twice, with learners that bid their marginal cost and with learners that
    withhold, which lets dearer rivals set prices. That depends on the study case only, on no shell
    and no seed of a training: whoever resumes sees the same.

    :param compiled: some ladders of which may be open
    :param fixed: policies of units that do not learn, by agent
    """
    bidders = learned_bidders(compiled)
    waiting = [agent for agent in bidders if rungs_once_seen(bidders[agent], ())]
    if not any(agent not in fixed for agent in waiting):
        return compiled
    plays = [
        _prices(compiled, {a: fixed.get(a) or kind(own) for a, own in bidders.items()})
        for kind in (AtCost, Withheld)
    ]
    rungs = {
        agent: rungs_once_seen(bidders[agent], [p for play in plays for p in play.get(market, ())])
        for market, own in compiled.agents.items()
        for agent in own.values()
        if agent in waiting
    }
    scales = {
        agent: replace(own, rungs=rungs.get(agent, own.rungs))
        for agent, own in compiled.scales.items()
    }
    return compile_scenario(compiled.scenario, scales=scales)


def _prices(compiled: Compiled, policies: Mapping[str, Policy]) -> dict[str, list[float]]:
    """Return the highest price that supply was paid, of each market, node and product, EUR/MWh."""
    seed = compiled.scenario.config.seed or 0
    rows = played_in_memory(compiled, policies, seed, frozenset({PRICES})).table(PRICES)
    found: dict[str, list[float]] = {}
    for market, price, volume in zip(
        rows["market_id"], rows["max_price"], rows["supply_volume"], strict=True
    ):
        if volume > 0:
            found.setdefault(str(market), []).append(float(price))
    return found
