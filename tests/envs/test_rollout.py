"""Rollouts hand over what the Learning role of the message shell would have received."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from assume_rl.agents.learning.role import Learning
from assume_rl.agents.world import World
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.rollout import Place, Rollout, Stretch
from assume_rl.envs.seating import rearrangement
from assume_rl.learning.exploration import Exploration
from assume_rl.learning.learner import Learner
from assume_rl.learning.types import MEMORY, Joint, beside
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
CPU = torch.device("cpu")


def scenario(name: str, **overrides: Any) -> Compiled:
    settings = {"learning_config.train_freq": "6h", **overrides}
    return compile_scenario(load_scenario(SCENARIOS / name, "tiny", overrides=settings))


def learner_of(env: MarketEnv, dtype: torch.dtype = torch.float64) -> Learner:
    config = env.setting.compiled.scenario.learning
    return Learner(config, env.agents, seeds=env.seeds, device=CPU, dtype=dtype)


def hours(*times: int) -> list[int]:
    return [3600 * time for time in times]


def rows(stretches: list[Stretch]) -> list[int | None]:
    return [None if s.joint is None else s.joint.terminated.shape[1] for s in stretches]


@pytest.mark.parametrize(
    ("name", "random_start", "actor"),
    [
        pytest.param("ten_learners", True, "mlp", marks=[pytest.mark.unchecked, pytest.mark.slow]),
        pytest.param("ten_learners", False, "mlp", marks=[pytest.mark.unchecked, pytest.mark.slow]),
        pytest.param("ten_learners", False, "gru", marks=pytest.mark.unchecked),
        ("single_learner", True, "mlp"),
        pytest.param("single_learner", False, "mlp", marks=pytest.mark.slow),
    ],
)
def test_both_shells_hand_over_the_same_transitions(
    name: str, random_start: bool, actor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = scenario(name, **{"learning_config.actor_architecture": actor})
    hands_over_the_same_transitions(compiled, random_start, monkeypatch)


def hands_over_the_same_transitions(
    compiled: Compiled, random_start: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a Learning role that updates every six hours, and what it makes of one episode
    plan = compiled.scenario
    end = plan.index[-1].to_pydatetime()
    role = Learning(plan.learning, plan.start, end, seed=5, dtype=torch.float64)
    expected: list[Joint] = []
    monkeypatch.setattr(Learner, "observe", lambda self, joint: expected.append(joint))
    if not random_start:
        role.turn_off_initial_exploration()
    asyncio.run(World(compiled, seed=5, learning=role).run_episode(1))
    # WHEN its learner plays the same episode in the batch shell
    curves = compiled.scenario.learning.settings.needs_curves
    env = MarketEnv(compiled, num_envs=1, seeds=(5,), curves=curves)
    assert env.agents == role.learner.agents
    law = role.plan.exploration(0, random_start=random_start)
    rollout = Rollout(env, role.learner, exploration=law)
    updates = [time - role.plan.start for time in role.plan.update_times]
    got = list(rollout.play(torch.tensor([1]), updates))
    # THEN every update is given the same rows, and the episode the same scores
    assert [s.due for s in got] == [*updates, None]
    for ours, theirs in zip((s.joint for s in got), expected, strict=True):
        assert ours is not None
        same_joint(ours, theirs)
    assert role.scores is not None
    for field, brought in vars(rollout.scores()).items():
        assert float(brought[0]) == pytest.approx(getattr(role.scores, field), rel=1e-9)


@pytest.mark.unchecked
@pytest.mark.parametrize(
    "mechanism", ["pay_as_clear", pytest.param("pay_as_bid", marks=pytest.mark.slow)]
)
def test_both_shells_hand_over_the_same_curves(
    mechanism: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten learners on one ladder, so that many prices are equal; markets publish levels only."""
    bidders = {
        f"units.learner_{k:02}.bidding_EOM": "powerplant_energy_learning_ladder"
        for k in range(1, 11)
    }
    compiled = scenario(
        "ten_learners",
        **bidders,
        **{
            "learning_config.algorithm": "fictitious_play",
            "markets_config.EOM.market_mechanism": mechanism,
            "end_date": "2019-03-02 00:00",
        },
    )
    hands_over_the_same_transitions(compiled, False, monkeypatch)


@pytest.mark.unchecked
def test_both_shells_hand_over_what_every_rung_would_have_led_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A plant with ramps and start costs, and a storage, to the end of the calendar."""
    day = {
        "units.battery.bidding_EOM": "storage_energy_learning_ladder",
        "learning_config.algorithm": "curve_actor_critic",
        "learning_config.train_freq": "6h",
        "end_date": "2019-07-01 18:00",
    }
    storage = load_scenario(SCENARIOS / "summer_week", "storage_learns", overrides=day)
    compiled = compile_scenario(storage)
    hands_over_the_same_transitions(compiled, False, monkeypatch)
    compiled = scenario(
        "single_learner",
        **{
            "units.learner.bidding_EOM": "powerplant_energy_learning_ladder",
            "units.learner.ramp_up": 100,
            "units.learner.ramp_down": 150,
            "units.learner.min_operating_time": 3,
            "units.learner.hot_start_cost": 2000,
            "bidding_strategy_params.start_costs": True,
            "learning_config.algorithm": "curve_actor_critic",
        },
    )
    hands_over_the_same_transitions(compiled, False, monkeypatch)


def same_joint(ours: Joint, theirs: Joint) -> None:
    for a, b in zip(ours.groups, theirs.groups, strict=True):
        for field in ("obs", "action", "reward", "next_obs"):
            value = getattr(b, field)
            torch.testing.assert_close(getattr(a, field), value, rtol=1e-9, atol=1e-9)
            assert not getattr(a, field).is_inference()  # else nothing could be learned from it
        assert a.extras.keys() == b.extras.keys()
        for name, value in b.extras.items():
            torch.testing.assert_close(a.extras[name], value, rtol=1e-9, atol=1e-9)
    assert torch.equal(ours.terminated, theirs.terminated)
    assert torch.equal(ours.truncated, theirs.truncated)


def by_agent(learner: Learner, joint: Joint | None, field: str) -> Tensor:
    """(seed, row, agent, ...) with the agents in their order."""
    assert joint is not None
    order = torch.tensor([p for group in learner.groups for p in group.positions])
    parts = [part.extras.get(field, getattr(part, field, None)) for part in joint.groups]
    return torch.cat(parts, dim=2)[:, :, order.argsort()]


@pytest.mark.unchecked
@pytest.mark.parametrize(("name", "actor"), [("ten_learners", "mlp"), ("single_learner", "gru")])
def test_copies_stand_side_by_side_and_seeds_apart(name: str, actor: str) -> None:
    compiled = scenario(name, **{"learning_config.actor_architecture": actor})
    env = MarketEnv(compiled, num_envs=3, seeds=(1, 2))
    learner = learner_of(env)
    rollout = Rollout(env, learner, exploration=Exploration("noise", scale=0.1))
    stretches = list(rollout.play(torch.arange(3).repeat(2), hours(24)))
    assert rows(stretches) == [3 * 23, 3 * 24]
    scores = rollout.scores()
    for k, seed in enumerate((1, 2)):
        alone = MarketEnv(compiled, num_envs=1, seeds=(seed,))
        single = Rollout(alone, learner.single(k), exploration=Exploration("noise", scale=0.1))
        (_, last) = single.play(torch.tensor([1]), hours(24))
        for field in ("obs", "action", "reward", "next_obs", *learner.extras):
            ours = by_agent(learner, stretches[1].joint, field)[k, 1::3]
            theirs = by_agent(learner.single(k), last.joint, field)[0]
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
        assert float(scores.profit[3 * k + 1]) == pytest.approx(float(single.scores().profit[0]))


@pytest.mark.unchecked
@pytest.mark.parametrize(
    "parts",
    [
        [(0, 64), (64, 70)],
        pytest.param([(0, 70)], marks=pytest.mark.slow),
        pytest.param([(0, 30), (30, 70)], marks=pytest.mark.slow),
    ],
)
def test_copies_play_the_same_bytes_in_any_part_of_a_wave(parts: list[tuple[int, int]]) -> None:
    compiled = scenario("single_learner", end_date="2019-03-11 06:00")
    learner = learner_of(MarketEnv(compiled, num_envs=1, seeds=(1,)), torch.float32)

    def played(first: int, last: int) -> Joint:
        env = MarketEnv(compiled, num_envs=last - first, seeds=(1,))
        place = Place(first, last - first, 70)
        law = Exploration("noise", scale=0.1)
        rollout = Rollout(env, learner, exploration=law, place=place)
        (end,) = rollout.play(torch.arange(first, last), ())
        assert end.joint is not None
        return end.joint

    whole, joined = played(0, 70), beside([played(*part) for part in parts])
    assert joined.copies == whole.copies
    for own, expected in zip(joined.groups, whole.groups, strict=True):
        for part in ("obs", "action", "reward", "next_obs"):
            assert torch.equal(getattr(own, part), getattr(expected, part))


@pytest.mark.unchecked
def test_what_actors_remember_ends_with_the_episode() -> None:
    env = MarketEnv(
        scenario("single_learner", **{"learning_config.actor_architecture": "gru"}),
        num_envs=1,
        seeds=(1,),
    )
    rollout = Rollout(env, learner_of(env))
    memories = [
        joint.groups[0].extras[MEMORY][0, :, 0]
        for _ in range(2)
        for joint in (stretch.joint for stretch in rollout.play(torch.tensor([1]), ()))
        if joint is not None
    ]
    assert torch.equal(*memories)
    assert memories[0][:, -1].tolist() == list(range(len(memories[0])))
    assert not memories[0][0].any()
    assert memories[0][1:, :-1].any(dim=-1).all()


def test_an_evaluation_is_scored_without_transitions() -> None:
    env = MarketEnv(scenario("ten_learners"), num_envs=2, seeds=(1,), evaluation=True)
    learner, episodes = learner_of(env), torch.tensor([1, 2])
    plain, silent = Rollout(env, learner), Rollout(env, learner, store=False)
    assert rows(list(plain.play(episodes, ()))) == [2 * 47]
    assert rows(list(silent.play(episodes, ()))) == [None]
    assert torch.equal(plain.scores().reward, silent.scores().reward)


def test_the_end_of_a_window_is_truncated_with_its_real_next_observation() -> None:
    compiled = scenario("ten_learners")
    env = MarketEnv(compiled, num_envs=40, seeds=(1,), window=45)
    state = env.reset(torch.arange(40))
    last = state.start == compiled.steps - 45
    stretches = list(Rollout(env, learner_of(env)).play(torch.arange(40), hours(24)))
    joint = stretches[-1].joint
    assert joint is not None
    ends = slice(-40, None)
    assert torch.equal(joint.terminated[0, ends], last)
    assert torch.equal(joint.truncated[0, ends], ~last)
    assert not (joint.terminated | joint.truncated)[0, :-40].any()
    follows = joint.groups[0].next_obs[0, ends].abs().sum((1, 2)) > 0
    assert torch.equal(follows, ~last)


def test_a_learner_learns_from_what_is_handed_over() -> None:
    env = MarketEnv(scenario("single_learner"), num_envs=4, seeds=(1, 2))
    learner = learner_of(env, torch.float32)
    rollout = Rollout(env, learner, exploration=Exploration("initial", std=0.3))
    for stretch in rollout.play(torch.arange(4).repeat(2), hours(12, 24, 36, 48)):
        if stretch.joint is not None:
            learner.observe(stretch.joint)
    before = [w.clone() for w in learner.actors(1)[0].weights.values()]
    learner.update(1.0)
    after = list(learner.actors(1)[0].weights.values())
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_experienced_units_skip_the_random_start() -> None:
    compiled = scenario("ten_learners")
    env = MarketEnv(compiled, num_envs=2, seeds=(1,))
    law = Exploration("initial", std=0.3, scale=0.0)
    learner = learner_of(env)
    known = env.agents[3].unit_id
    rollout = Rollout(env, learner, exploration=law, experienced=[known])
    joint = next(rollout.play(torch.tensor([1, 2]), hours(24))).joint
    assert joint is not None
    means = learner.actions([part.obs for part in joint.groups])
    gaps = [m - part.action for m, part in zip(means, joint.groups, strict=True)]
    order = torch.tensor([p for group in learner.groups for p in group.positions])
    gap = torch.cat(gaps, dim=2)[:, :, order.argsort()].abs().amax((0, 1, 3))
    assert gap[3] < 1e-12
    assert (gap[[0, 1, 2, 4, 5, 6, 7, 8, 9]] > 0.01).all()


def test_agents_are_brought_into_the_order_of_the_learner() -> None:
    teams, groups = [["a", "b", "c"], ["x", "y"]], [["y", "b"], ["a", "c"], ["x"]]
    values = [torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[8.0, 9.0]])]
    there = [pick(values) for pick in rearrangement(teams, groups, CPU)]
    assert [v.tolist() for v in there] == [[[9.0, 2.0]], [[1.0, 3.0]], [[8.0]]]
    back: list[Tensor] = [pick(there) for pick in rearrangement(groups, teams, CPU)]
    assert all(torch.equal(a, b) for a, b in zip(back, values, strict=True))
