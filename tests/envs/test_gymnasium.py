"""Copies of a market with one learner as a Gymnasium vector environment."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from libraries import Later, needs
from small_markets import SCENARIOS, one_learner

from assume_rl.errors import ConfigurationError
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

gymnasium: Any = Later("gymnasium")
wrappers: Any = Later("gymnasium.wrappers.vector")
adapter: Any = Later("assume_rl.envs.adapters.gymnasium")
pettingzoo: Any = Later("assume_rl.envs.adapters.pettingzoo")

pytestmark = [
    needs("gymnasium", reason="needs the extra 'gymnasium'"),
    needs("pettingzoo", reason="compares with the PettingZoo environment"),
]


def on_a_ladder(bidder: str) -> Scenario:
    """The learner on a ladder of 11 rungs; it may have to stay on or off."""
    chosen = {f"units.learner.{key}": 12 for key in ("min_operating_time", "min_down_time")}
    chosen |= {"units.learner.ramp_up": 100, "units.learner.ramp_down": 100}
    chosen |= {"units.learner.bidding_EOM": bidder, "bidding_strategy_params.rungs": 11}
    return load_scenario(SCENARIOS / "single_learner", "tiny", overrides=chosen)


@cache
def one_price() -> Scenario:
    return on_a_ladder("renewable_energy_learning_ladder")


@cache
def two_prices() -> Scenario:
    return on_a_ladder("powerplant_energy_learning_ladder")


def test_what_it_returns_lies_in_its_spaces() -> None:
    env = adapter.VectorMarket(one_learner(), num_envs=3, window=6)
    observations, _ = env.reset(seed=1)
    assert env.observation_space.contains(observations)
    assert env.observation_space.shape == (3, env.layout.size)
    observations, reward, terminated, truncated, info = env.step(env.action_space.sample())
    assert env.observation_space.contains(observations)
    for values, dtype in ((reward, float), (terminated, bool), (truncated, bool)):
        assert (values.shape, values.dtype) == ((3,), dtype)
    assert {key: values.shape for key, values in info.items()} == dict.fromkeys(
        ("profit", "regret", "price", "_profit", "_regret", "_price"), (3,)
    )


@pytest.mark.unchecked
@pytest.mark.parametrize("window", [None, 10])
def test_each_copy_is_one_episode_of_the_pettingzoo_environment(window: int | None) -> None:
    """Copy 1 of 2 plays episodes 1, 3, 5, ... of the seed; a step in between begins the next."""
    batched = adapter.VectorMarket(one_learner(), num_envs=2, seed=5, window=window)
    single = pettingzoo.parallel_env(one_learner(), seed=5, window=window)
    batched.action_space.seed(0)
    observed, _ = batched.reset()
    single.reset()
    for _ in range(2):
        (expected,) = single.reset()[0].values()
        while single.agents:
            np.testing.assert_array_equal(observed[1], expected)
            actions = batched.action_space.sample()
            observed, *numbers, info = batched.step(actions)
            wanted = single.step({"learner": actions[1]})
            expected = wanted[0]["learner"]
            assert [values[1] for values in numbers] == [one["learner"] for one in wanted[1:4]]
            assert {key: info[key][1] for key in wanted[4]["learner"]} == wanted[4]["learner"]
        np.testing.assert_array_equal(observed[1], expected)
        observed, reward, terminated, truncated, _ = batched.step(batched.action_space.sample())
        assert [values.any() for values in (reward, terminated, truncated)] == [False] * 3
        single.reset()


def test_wrappers_of_the_library_count_episodes() -> None:
    assert (
        adapter.VectorMarket.metadata["autoreset_mode"] is gymnasium.vector.AutoresetMode.NEXT_STEP
    )
    statistics = wrappers.RecordEpisodeStatistics(
        adapter.VectorMarket(one_learner(), num_envs=2, window=6)
    )
    env = wrappers.DictInfoToList(statistics)
    env.reset(seed=1)
    total, episodes = np.zeros(2), []
    for _ in range(9):
        _, reward, _, truncated, infos = env.step(env.action_space.sample())
        total += reward
        if truncated.any():
            episodes += [(info["episode"]["l"], info["episode"]["r"]) for info in infos]
            np.testing.assert_allclose([r for _, r in episodes[-2:]], total)
            total[:] = 0.0
    assert [length for length, _ in episodes] == [4, 4, 4, 4]


def test_it_is_for_one_learner() -> None:
    with pytest.raises(ConfigurationError, match="10 learn here"):
        adapter.VectorMarket(SCENARIOS / "ten_learners", num_envs=2)


@pytest.mark.filterwarnings("ignore:.*A Box observation space m:UserWarning")  # it has no bounds
@pytest.mark.unchecked
@pytest.mark.parametrize(
    ("scenario", "space"),
    [
        (one_learner, ("Box", -1.0, 1.0, (2,), np.float32)),
        (one_price, ("Discrete", 11)),
        (two_prices, ("MultiDiscrete", [11, 11])),
    ],
)
def test_the_checkers_of_the_libraries_accept_it(
    scenario: Callable[[], Scenario], space: tuple[Any, ...]
) -> None:
    env = adapter.SingleMarket(scenario(), window=26)
    kind, *sizes = space
    assert env.action_space == getattr(gymnasium.spaces, kind)(*sizes)
    Later("gymnasium.utils.env_checker").check_env(env, skip_render_check=True)
    theirs = pytest.importorskip("stable_baselines3.common.env_checker")
    theirs.check_env(env)


@pytest.mark.unchecked
@pytest.mark.parametrize("scenario", [one_learner, two_prices])
def test_it_is_the_pettingzoo_environment_of_one_agent(scenario: Callable[[], Scenario]) -> None:
    env, other = (
        adapter.SingleMarket(scenario(), window=10),
        pettingzoo.parallel_env(scenario(), window=10),
    )
    env.action_space.seed(0)
    for seed in (7, None):
        observed, info = env.reset(seed=seed)
        wanted, infos = other.reset(seed)
        over = False
        while not over:
            np.testing.assert_array_equal(observed, wanted["learner"])
            np.testing.assert_equal(info, infos["learner"])
            action = env.action_space.sample()
            observed, reward, terminated, truncated, info = env.step(action)
            wanted, rewards, ended, cut, infos = other.step({"learner": action})
            assert reward == rewards["learner"]
            assert (terminated, truncated) == (ended["learner"], cut["learner"])
            over = terminated or truncated
        assert not other.agents


@pytest.mark.unchecked
def test_masks_are_what_maskable_learners_ask_for() -> None:
    env = adapter.SingleMarket(two_prices())
    with pytest.raises(ConfigurationError, match="no episode has begun"):
        env.action_masks()
    _, info = env.reset()
    ruled_out = 0
    for _ in range(24):
        masks = env.action_masks()
        assert (masks.shape, masks.dtype) == ((22,), bool)
        np.testing.assert_array_equal(masks, info["action_mask"].reshape(-1))
        ruled_out += (~masks).sum()
        *_, info = env.step(np.array([row.argmax() for row in np.split(masks, 2)]))
    assert ruled_out > 0
    with pytest.raises(ConfigurationError, match="is not on a price ladder"):
        adapter.SingleMarket(one_learner()).action_masks()


@pytest.mark.unchecked
def test_a_rung_that_is_ruled_out_counts_as_the_next_one_that_is_not() -> None:
    """A plant that has to stay on asks for the least for its minimum power, whatever is chosen."""
    env, same = (
        adapter.SingleMarket(two_prices(), window=20),
        adapter.SingleMarket(two_prices(), window=20),
    )
    env.reset()
    same.reset()
    over, changed = False, False
    while not over:
        legal = [np.flatnonzero(own) for own in np.split(env.action_masks(), 2)]
        nearest = np.array([own[np.abs(own - 6).argmin()] for own in legal])
        changed |= bool((nearest != 6).any())
        _, reward, _, over, _ = env.step(np.array([6, 6]))
        assert reward == same.step(nearest)[1]
    assert changed


@pytest.mark.unchecked
def test_copies_on_a_ladder_have_a_mask_each() -> None:
    env = adapter.VectorMarket(one_price(), num_envs=3, window=26)
    assert env.single_action_space == gymnasium.spaces.Discrete(11)
    _, info = env.reset(seed=1)
    assert info["action_mask"].shape == (3, 11)
    observed, *_, info = env.step(env.action_space.sample())
    assert observed.shape == (3, env.layout.size)
    assert info["action_mask"].shape == (3, 11)
