"""Targets of values are kept in the range of earnings, and left alone where they are in it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from test_algorithms import same
from toys import fleet, learner, random_joint

from assume_rl.agents.learning.role import Learning
from assume_rl.agents.world import World
from assume_rl.envs.market_env import MarketEnv
from assume_rl.episodes.earnings import earnings_of
from assume_rl.errors import ConfigurationError
from assume_rl.learning.states import states
from assume_rl.learning.types import Earnings
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

SCENARIO = Path(__file__).parents[2] / "scenarios" / "single_learner"
SMALL = {"batch_size": 16, "gradient_steps": 4, "algorithm": "maddpg"}


def earning(least, most, decisions=24):
    agents = fleet((3, 1, 1), (4, 2, 1))
    return [replace(agent, earnings=Earnings(least, most, decisions)) for agent in agents]


def trained(agents, rounds=1, **settings):
    ours = learner(agents, **(SMALL | settings))
    for seed in range(rounds):
        ours.observe(random_joint(ours, 32, seed=seed, scale=2.0))
        ours.update(1.0)
    return ours


@pytest.mark.parametrize(
    ("gamma", "values"), [(1.0, (-24.0, 48.0)), (0.5, (-1.75, 3.5)), (0.0, (-1.0, 2.0))]
)
def test_a_value_is_a_discounted_sum_of_rewards(gamma, values):
    decisions = 24 if gamma == 1 else 3
    assert Earnings(-1.0, 2.0, decisions).values(gamma) == pytest.approx(values)


@pytest.mark.parametrize("algorithm", ["maddpg", "matd3", "iddpg"])
def test_a_range_that_is_never_left_changes_nothing(algorithm):
    agents = earning(-1e3, 1e3)
    plain, clipped = (
        trained(agents, algorithm=algorithm, clip_targets=clip) for clip in (False, True)
    )
    assert same(states(plain.nets, 0), states(clipped.nets, 0))


def test_no_target_leaves_the_range():
    ours = trained(
        earning(-0.1, 0.2, 1), 12, clip_targets=True, gamma=0.9, learning_rate=0.01, tau=1.0
    )
    batch = ours._batches.latest(32)
    for critic in ours.nets["critic"]:
        for q in critic.form.values(critic.now, batch.now):
            assert -0.2 < q.mean() < 0.3
            assert (q.abs() < 0.5).float().mean() > 0.9  # rewards have a standard deviation of 2


def test_unknown_earnings_are_refused():
    with pytest.raises(ConfigurationError, match="clip_targets: the possible earnings of 'unit_0'"):
        learner(fleet((3, 1, 1)), clip_targets=True)


def test_both_shells_say_the_same_of_a_scenario():
    limits = {"maximum_bid_price": 200, "minimum_bid_price": -50}
    settings = {f"markets_config.EOM.{key}": value for key, value in limits.items()}
    settings |= {"learning_config.clip_targets": True}
    scenario = load_scenario(SCENARIO, "tiny", overrides=settings)
    compiled = compile_scenario(scenario)
    (earned,) = expected = tuple(earnings_of(compiled).values())
    market = MarketEnv(compiled, num_envs=1, seeds=[1])
    assert tuple(spec.earnings for spec in market.agents) == expected
    learning = Learning(scenario.learning, scenario.start, scenario.index[-1].to_pydatetime())
    asyncio.run(World(compiled, seed=1, learning=learning).run_episode())
    assert tuple(spec.earnings for spec in learning.learner.agents) == expected
    cost = compiled.profiles.marginal_cost[:, compiled.fleet.ids.index("learner")]
    limit = scenario.learning.max_bid_price
    assert earned.decisions == sum(len(tick.opening) for tick in compiled.plan)
    assert earned.most == pytest.approx((200 - float(cost.min())) / limit)
    assert earned.least == pytest.approx(-0.5 * earned.most)  # nothing sold at the highest price
