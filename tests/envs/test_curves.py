"""Reward curves of learners in the batch shell: what was played, what was not, what follows."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from assume_rl import keyed
from assume_rl.core import decisive
from assume_rl.envs import curves as module
from assume_rl.envs.curves import curves_ahead, curves_of
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
PLANT = {"units.learner.bidding_EOM": "powerplant_energy_learning_ladder"}


def ladders(name: str, *learners: str) -> MarketEnv:
    """Copies of windows of a scenario, with learners on a ladder."""
    chosen = {f"units.{unit}.bidding_EOM": "powerplant_energy_learning_ladder" for unit in learners}
    compiled = compile_scenario(load_scenario(SCENARIOS / name, "tiny", overrides=chosen))
    return MarketEnv(compiled, num_envs=COPIES, seeds=(1,), window=9, curves=True)


@pytest.fixture(scope="module")
def alone() -> MarketEnv:
    return ladders("single_learner", "learner")


def played(env: MarketEnv, entry: int | None = None, rung: int = 0) -> list[Earned]:
    """What random actions earned, or those with one entry always on the same rung."""
    return seen_and_played(env, entry, rung)[1]


def seen_and_played(
    env: MarketEnv, entry: int | None = None, rung: int = 0
) -> tuple[list[Tensor], list[Earned]]:
    """The same, and what the first team observed before and after each action."""
    state, found = env.reset(torch.arange(COPIES)), []
    seen = [env.observe(state)[0]]
    while not env.done(state):
        actions = []
        for k, team in enumerate(env.teams):
            assert team.learned is not None
            shape = (COPIES, len(team.ids), team.learned.action.size)
            drawn = keyed.array(shape, 0, "test_curves", k, state.step)
            action = drawn * 2.4 - 1.2  # beyond the ladder too
            if entry is not None:
                action[..., entry] = rung * 2.0 / (RUNGS - 1) - 1.0
            actions.append(action)
        state, happened = env.step(state, actions)
        found += happened.learners
        seen.append(env.observe(state)[0])
    return seen, found


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


RAMPED = {
    "units.learner.ramp_up": 100,
    "units.learner.ramp_down": 150,
    "units.learner.min_operating_time": 3,
    "units.learner.min_down_time": 2,
}
HALF_A_DAY = {"end_date": "2019-03-04 12:00"}
STORAGE = {
    "units.battery.bidding_EOM": "storage_energy_learning_ladder",
    "bidding_strategy_params.rungs": RUNGS,
}


@pytest.mark.parametrize("window", [9, None])
@pytest.mark.unchecked
@pytest.mark.parametrize(
    ("name", "case", "changes"),
    [
        ("single_learner", "tiny", PLANT | HALF_A_DAY),
        ("single_learner", "tiny", PLANT | RAMPED | HALF_A_DAY),
        ("summer_week", "storage_learns", STORAGE | {"end_date": "2019-07-01 09:00"}),
    ],
    ids=["plant", "ramps", "storage"],
)
def test_the_rung_that_was_played_leads_to_what_was_observed_next(
    name: str, case: str, changes: dict[str, Any], window: int | None
) -> None:
    """Auctions behind each other on one axis have the next observation of each alone."""
    compiled = compile_scenario(load_scenario(SCENARIOS / name, case, overrides=changes))
    env = MarketEnv(compiled, num_envs=COPIES, seeds=(1,), window=window, curves=True)
    seen, earned = seen_and_played(env)
    own = env.agents[0].own_size
    found = curves_ahead(env.setting, 0, earned, own)
    differs = False
    for after, one, (curve, ahead) in zip(seen[1:], earned, found, strict=True):
        rung = ((one.action + 1) * 0.5 * (RUNGS - 1)).round().long().clamp(0, RUNGS - 1)
        rungs = ahead.unflatten(-2, (-1, RUNGS))
        for entry in range(rung.shape[-1]):
            place = rung[..., entry, None, None].expand(-1, -1, 1, own)
            led = rungs[..., entry, :, :].gather(-2, place).squeeze(-2)
            # After the last auction of the calendar nothing is observed, and nothing counts.
            expected = torch.where(after.any(-1, keepdim=True), after[..., -own:], led)
            torch.testing.assert_close(led, expected, rtol=1e-12, atol=1e-12)
        assert curve.shape[-1] == ahead.shape[-2]
        differs = differs or bool((ahead.std(-2) > 0).any())
    assert differs


@pytest.mark.parametrize("name", ["rewards_of_team", "ladder_curve"])
def test_copies_that_do_not_fit_into_memory_together_have_the_same_curves(
    name: str, alone: MarketEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether all rungs are worked out, unit by unit, or those of a team that differ."""
    earned, work_out, calls = played(alone)[:2], getattr(module, name), []
    whole = curves_of(alone.setting, 0, earned)
    for own in (module, decisive):
        monkeypatch.setattr(own, "AT_ONCE", 1)

    def counted(*arguments: Any, **keywords: Any) -> Any:
        calls.append(len(keywords["action"]))
        return work_out(*arguments, **keywords)

    monkeypatch.setattr(module, name, counted)
    monkeypatch.setattr(module, "can_tell", lambda *_: name == "rewards_of_team")
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
