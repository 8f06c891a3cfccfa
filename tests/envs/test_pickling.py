"""Environments can be pickled at any time, and continue elsewhere as they would have here."""

import multiprocessing
import pickle
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_markets import one_learner, ten_learners
from two_markets import two_markets

from assume_rl.envs.adapters.decisions import Decisions
from assume_rl.envs.market_env import MarketEnv
from assume_rl.errors import ConfigurationError
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.plugins import load_plugins, unload_plugins
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

pytestmark = pytest.mark.unchecked

ROOT = Path(__file__).parents[2]


class Half:
    """A fixed policy that asks for half of the highest price."""

    dtype = torch.float64

    def __call__(self, obs: torch.Tensor) -> torch.Tensor:
        return obs.new_full((*obs.shape[:-1], 2), 0.5)


def again(env: Any) -> Any:
    return pickle.loads(pickle.dumps(env))


def drawn(decisions: Decisions, step: int) -> list[torch.Tensor]:
    """Actions of all teams at a step, always the same."""
    generator = torch.Generator().manual_seed(step)
    sizes = [(len(team.agents), team.learned.action) for team in decisions.teams if team.learned]
    return [torch.rand((2, agents, a.size), generator=generator) for agents, a in sizes]


def turns(decisions: Decisions, steps: range) -> list[torch.Tensor]:
    """All that some steps return, and the first observations of the episodes after them."""
    found: list[torch.Tensor] = []
    for step in steps:
        turn = decisions.step(drawn(decisions, step))
        found += [*turn.observations, *turn.price, turn.terminated, turn.truncated]
        found += [part for own in turn.earned for part in (own.reward, own.profit, own.regret)]
    return [*found, *decisions.reset()]


def same(some: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    return len(some) == len(others) and all(map(torch.equal, some, others))


def scenario_of(name: str, folder: Path) -> Scenario:
    return {"single": one_learner(), "ten": ten_learners()}.get(name) or two_markets(folder / "two")


@pytest.mark.parametrize("name", ["single", "ten", "two markets"])
@pytest.mark.parametrize("after", [0, 5])
def test_an_episode_continues_bit_by_bit(name: str, after: int, tmp_path: Path) -> None:
    window = None if name == "two markets" else 20
    env = Decisions(
        scenario_of(name, tmp_path), num_envs=2, seed=3, window=window,
        policies={"learner_04": Half()} if name == "ten" else None,
    )  # fmt: skip
    env.reset()
    for step in range(after):
        env.step(drawn(env, step))
    other = again(env)
    rest = range(after, 12)
    assert same(turns(other, rest), turns(env, rest))


def test_one_that_has_not_begun_or_is_over_says_so_there_too() -> None:
    env = again(Decisions(one_learner(), num_envs=2, seed=3, window=6, policies=None))
    with pytest.raises(ConfigurationError, match="call reset first"):
        env.step(drawn(env, 0))
    assert len(turns(again(env), range(0))) == 1
    env.reset()
    for step in range(4):
        env.step(drawn(env, step))
    with pytest.raises(ConfigurationError, match="call reset first"):
        again(env).step(drawn(env, 0))


def test_a_state_and_its_environment_are_pickled_apart_too() -> None:
    env = MarketEnv(compile_scenario(ten_learners()), num_envs=2, seeds=(1, 2), window=20)
    state = env.reset(torch.arange(4))
    actions = [torch.full((4, 10, 2), 0.4)]
    for _ in range(3):
        state, _ = env.step(state, actions)
    pickled = pickle.dumps(env)
    assert len(pickled) < 1_000_000  # draws that are kept are left out
    other, there = pickle.loads(pickled), again(state)
    while not env.done(state):
        state, here = env.step(state, actions)
        there, elsewhere = other.step(there, actions)
        assert torch.equal(here.learners[0].reward.profit, elsewhere.learners[0].reward.profit)
        assert torch.equal(env.observe(state)[0], other.observe(there)[0])
    assert other.done(there)


def played_on(env: Any) -> list[float]:
    """The rewards of the rest of an episode of a PettingZoo environment, all asking the same."""
    found: list[float] = []
    while env.agents:
        bids = {a: np.full(env.action_space(a).shape, 0.6, np.float32) for a in env.agents}
        found += env.step(bids)[1].values()
    return found


def test_adapters_continue_too() -> None:
    pytest.importorskip("pettingzoo", reason="needs the extra 'pettingzoo'")
    from assume_rl.envs.adapters.gymnasium import SingleMarket, VectorMarket
    from assume_rl.envs.adapters.pettingzoo import parallel_env

    env = parallel_env(ten_learners(), window=10)
    env.reset(seed=4)
    env.step({a: env.action_space(a).sample() for a in env.agents})
    other = again(env)
    np.testing.assert_array_equal(other.state(), env.state())
    assert played_on(other) == played_on(env)
    bid = np.full(2, 0.6, np.float32)
    for market, bids in (
        (SingleMarket(one_learner(), window=10), bid),
        (VectorMarket(one_learner(), num_envs=2, window=10), np.stack([bid, bid])),
    ):
        market.reset(seed=4)
        market.step(bids)
        copy = again(market)
        for _ in range(5):
            for found, wanted in zip(copy.step(bids), market.step(bids), strict=True):
                np.testing.assert_equal(found, wanted)


FLOOR = """
from dataclasses import replace
from assume_rl.core.bidding.portfolio import Strategy, changed


def at_least(context, params):
    def floored(orders):
        return replace(orders, price=orders.price.clamp(min=35.0))

    return Strategy(lambda bidder, operator, power: changed(bidder, "floored", floored))


def register(registry):
    registry.portfolio_strategy("units_operator_floor", at_least)
"""


@pytest.fixture
def with_plugins(tmp_path: Path) -> Iterator[tuple[Scenario, Path]]:
    """A scenario whose bids depend on plug-ins, one of which is full of functions in functions."""
    shutil.copytree(ROOT / "scenarios" / "single_learner", tmp_path / "market")
    floor = tmp_path / "floor.py"
    floor.write_text(FLOOR)
    shutil.copy(ROOT / "examples" / "plugins" / "yesterday.py", tmp_path)
    operators = "name,bidding_EOM\nmining power,units_operator_floor\n"
    (tmp_path / "market" / "unit_operators.csv").write_text(operators)
    yield (
        load_scenario(
            tmp_path / "market", "tiny",
            overrides={"units.coal_old.bidding_EOM": "powerplant_energy_yesterday"},
            plugins=[floor, tmp_path / "yesterday.py"],
        ),
        floor,
    )  # fmt: skip
    unload_plugins()


def test_plugins_are_loaded_where_it_is_unpickled(with_plugins: tuple[Scenario, Path]) -> None:
    scenario, floor = with_plugins
    env = Decisions(scenario, num_envs=2, seed=3, window=30, policies=None)
    env.reset()
    env.step(drawn(env, 0))
    pickled = pickle.dumps(env)
    unload_plugins()
    other = pickle.loads(pickled)
    load_plugins([plugin.name for plugin in scenario.plugins])
    assert same(turns(other, range(1, 25)), turns(env, range(1, 25)))
    floor.write_text(FLOOR.replace("35.0", "34.0"))
    with pytest.raises(ConfigurationError, match=r"floor.py' has changed since the environment"):
        pickle.loads(pickled)


@pytest.mark.slow
def test_another_process_continues_an_episode(with_plugins: tuple[Scenario, Path]) -> None:
    pytest.importorskip("pettingzoo", reason="needs the extra 'pettingzoo'")
    from assume_rl.envs.adapters.pettingzoo import parallel_env

    for scenario in (ten_learners(), with_plugins[0]):
        env = parallel_env(scenario, window=10)
        env.reset(seed=4)
        env.step({a: env.action_space(a).sample() for a in env.agents})
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(played_on, (env,))
        assert found == played_on(env)


@pytest.mark.slow
def test_environments_in_processes_of_stable_baselines_are_those_in_this_one() -> None:
    pytest.importorskip("stable_baselines3", reason="needs the extra 'sb3'")
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

    from assume_rl.envs.adapters.gymnasium import SingleMarket

    makers = [partial(SingleMarket, one_learner(), seed=seed, window=10) for seed in (1, 2)]
    here, there = DummyVecEnv(makers), SubprocVecEnv(makers, start_method="spawn")
    np.testing.assert_array_equal(here.reset(), there.reset())
    for step in range(20):
        bids = np.random.default_rng(step).uniform(-1, 1, (2, 2)).astype(np.float32)
        seen, reward, done, infos = here.step(bids)
        found = there.step(bids)
        np.testing.assert_array_equal(found[0], seen)
        np.testing.assert_allclose(found[1], reward, rtol=1e-6)  # here they are float32
        np.testing.assert_array_equal(found[2], done)
        assert [info["profit"] for info in found[3]] == [info["profit"] for info in infos]
    there.close()
