"""Copies of a market with one learner as a Gymnasium vector environment."""

from pathlib import Path

import numpy as np
import pytest

from assume_rl.errors import ConfigurationError
from assume_rl.scenario.read import load_scenario

pytest.importorskip("gymnasium", reason="needs the extra 'gymnasium'")
pytest.importorskip("pettingzoo", reason="compares with the PettingZoo environment")
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics

from assume_rl.envs.adapters.gymnasium import VectorMarket
from assume_rl.envs.adapters.pettingzoo import parallel_env

SCENARIOS = Path(__file__).parents[2] / "scenarios"
SINGLE = load_scenario(SCENARIOS / "single_learner", "tiny")


def test_what_it_returns_lies_in_its_spaces() -> None:
    env = VectorMarket(SINGLE, num_envs=3, window=6)
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
    batched = VectorMarket(SINGLE, num_envs=2, seed=5, window=window)
    single = parallel_env(SINGLE, seed=5, window=window)
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
    assert VectorMarket.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    statistics = RecordEpisodeStatistics(VectorMarket(SINGLE, num_envs=2, window=6))
    env = DictInfoToList(statistics)
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
        VectorMarket(SCENARIOS / "ten_learners", num_envs=2)
