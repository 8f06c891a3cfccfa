"""Reward curves of learners in the batch shell: what was played, and what was not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from assume_rl import keyed
from assume_rl.core.money import Reward
from assume_rl.core.reward_curve import ladder_curve
from assume_rl.envs import curves as module
from assume_rl.envs.curves import curves_of
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.rollout import Rollout
from assume_rl.envs.state import Earned
from assume_rl.errors import ConfigurationError
from assume_rl.learning.config import LearningConfig
from assume_rl.learning.learner import Learner
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import load_scenario

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
RUNGS, COPIES = 21, 3


def ladders(name: str, *learners: str) -> MarketEnv:
    """Copies of windows of a scenario, with learners on a ladder."""
    chosen = {f"units.{unit}.bidding_EOM": "powerplant_energy_learning_ladder" for unit in learners}
    compiled = compile_scenario(load_scenario(SCENARIOS / name, "tiny", overrides=chosen))
    return MarketEnv(compiled, num_envs=COPIES, seeds=(1,), window=9, curves=True)


def test_a_learner_with_ramps_has_no_curves() -> None:
    """How long it has run would be counted from the wrong instant."""
    chosen = {
        "units.learner.bidding_EOM": "powerplant_energy_learning_ladder",
        "units.learner.ramp_up": 50,
    }
    compiled = compile_scenario(
        load_scenario(SCENARIOS / "single_learner", "tiny", overrides=chosen)
    )
    MarketEnv(compiled, num_envs=1, seeds=(1,))
    with pytest.raises(ConfigurationError, match="no reward curves: learner has ramps"):
        MarketEnv(compiled, num_envs=1, seeds=(1,), curves=True)


@pytest.fixture(scope="module")
def alone() -> MarketEnv:
    return ladders("single_learner", "learner")


def played(env: MarketEnv, entry: int | None = None, rung: int = 0) -> list[Earned]:
    """What random actions earned, or those with one entry always on the same rung."""
    state, found = env.reset(torch.arange(COPIES)), []
    while not env.done(state):
        actions = []
        for k, team in enumerate(env.teams):
            drawn = keyed.array((COPIES, len(team.ids), 2), 0, "test_curves", k, state.step)
            action = drawn * 2.4 - 1.2  # beyond the ladder too
            if entry is not None:
                action[..., entry] = rung * 2.0 / (RUNGS - 1) - 1.0
            actions.append(action)
        state, happened = env.step(state, actions)
        found += happened.learners
    return found


def by_entry(curves: list[Tensor]) -> Tensor:
    """(auction copy agent entry rung)"""
    return torch.stack(curves).unflatten(-1, (2, RUNGS))


def test_the_rung_that_was_played_has_the_reward_that_was_received(alone: MarketEnv) -> None:
    earned = played(alone)
    curves = by_entry(curves_of(alone.setting, 0, earned))
    assert curves.shape == (7, COPIES, 1, 2, RUNGS)
    action = torch.stack([one.action for one in earned])
    rung = ((action + 1) * 0.5 * (RUNGS - 1)).round().long().clamp(0, RUNGS - 1)
    expected = torch.stack([one.reward.reward for one in earned]).unsqueeze(-1)
    found = curves.gather(-1, rung.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(found, expected.expand_as(found), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("entry", [0, 1])
def test_a_rung_that_was_not_played_has_what_it_would_have_brought(
    alone: MarketEnv, entry: int
) -> None:
    """Nothing links the hours of this scenario, so a whole episode on a rung says so."""
    curves = by_entry(curves_of(alone.setting, 0, played(alone)))[..., entry, :]
    assert (curves.std(-1) > 0).any()
    for rung in (0, 13, 15, RUNGS - 1):
        brought = torch.stack([one.reward.reward for one in played(alone, entry, rung)])
        torch.testing.assert_close(curves[..., rung], brought, rtol=1e-12, atol=1e-12)


def test_many_auctions_at_once_have_the_curves_of_each_alone() -> None:
    env = ladders("ten_learners", "learner_02", "learner_06")
    team = next(k for k, own in enumerate(env.teams) if "ladder" in own.bidder.name)
    earned = [one for one in played(env) if one.team == team]
    together = curves_of(env.setting, team, earned)
    for one, curve in zip(earned, together, strict=True):
        torch.testing.assert_close(curves_of(env.setting, team, [one])[0], curve)


def test_copies_that_do_not_fit_into_memory_together_have_the_same_curves(
    alone: MarketEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    earned = played(alone)[:2]
    whole = curves_of(alone.setting, 0, earned)
    monkeypatch.setattr(module, "AT_ONCE", 1)
    calls = []

    def counted(*arguments: Any, **keywords: Any) -> Reward:
        calls.append(len(keywords["action"]))
        return ladder_curve(*arguments, **keywords)

    monkeypatch.setattr(module, "ladder_curve", counted)
    for one, curve in zip(whole, curves_of(alone.setting, 0, earned), strict=True):
        torch.testing.assert_close(curve, one, rtol=1e-12, atol=1e-12)
    assert calls == [1] * (2 * COPIES)


def test_a_rollout_without_curves_is_refused_to_who_learns_from_them(alone: MarketEnv) -> None:
    config = LearningConfig(algorithm="fictitious_play")
    learner = Learner(config, alone.agents, seeds=(1,), device=torch.device("cpu"))
    silent = MarketEnv(alone.setting.compiled, num_envs=COPIES, seeds=(1,))
    Rollout(silent, learner, store=False)
    with pytest.raises(ConfigurationError, match="fictitious_play learns from reward curves"):
        Rollout(silent, learner)


def test_what_curves_need_is_kept_where_it_is_asked_for(alone: MarketEnv) -> None:
    silent = MarketEnv(alone.setting.compiled, num_envs=COPIES, seeds=(1,), window=9)
    with pytest.raises(ValueError, match="curves=True"):
        curves_of(silent.setting, 0, played(silent))
