"""Copies of a market as a batched TorchRL environment."""

import shutil
from pathlib import Path

import pytest
import torch

from assume_rl.errors import ConfigurationError
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

pytest.importorskip("torchrl", reason="needs the extra 'torchrl'")
pytest.importorskip("pettingzoo", reason="compares with the PettingZoo environment")
from tensordict import TensorDict
from torchrl.envs import StepCounter, TransformedEnv, check_env_specs
from torchrl.envs.utils import check_marl_grouping

from assume_rl.envs.adapters.pettingzoo import parallel_env
from assume_rl.envs.adapters.torchrl import TorchRLMarket

SCENARIOS = Path(__file__).parents[2] / "scenarios"
TEN = load_scenario(SCENARIOS / "ten_learners", "tiny")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Ten learners, the first, fourth and last of whom name one price instead of two."""
    folder = tmp_path_factory.mktemp("scenario") / "mixed"
    shutil.copytree(SCENARIOS / "ten_learners", folder)
    table = folder / "powerplant_units.csv"
    single = ("learner_01,", "learner_04,", "learner_10,")
    lines = [
        line.replace("energy_learning", "energy_learning_single_bid")
        if line.startswith(single)
        else line
        for line in table.read_text().splitlines(keepends=True)
    ]
    table.write_text("".join(lines))
    return load_scenario(folder, "tiny")


@pytest.mark.parametrize("window", [None, 5, 20])
def test_the_library_accepts_it(window: int | None) -> None:
    check_env_specs(TorchRLMarket(TEN, num_envs=3, window=window), break_when_any_done="both")


def test_the_library_accepts_several_groups(mixed: Scenario) -> None:
    env = TorchRLMarket(mixed, num_envs=2, window=5)
    check_env_specs(env, break_when_any_done="both")
    units = [unit for group in env.group_map.values() for unit in group]
    check_marl_grouping(env.group_map, units)
    assert sorted(units) == [f"learner_{i:02}" for i in range(1, 11)]
    single = env.group_map["powerplant_energy_learning_single_bid"]
    assert single == ["learner_01", "learner_04", "learner_10"]
    shapes = {name: env.full_action_spec[name, "action"].shape for name in env.group_map}
    assert shapes == {
        "powerplant_energy_learning": (2, 7, 2),
        "powerplant_energy_learning_single_bid": (2, 3, 1),
    }
    for name, layout in env.layouts.items():
        assert env.observation_spec[name, "observation"].shape[-1] == layout.size


@pytest.mark.unchecked
@pytest.mark.parametrize("window", [None, 10])
def test_each_copy_is_one_episode_of_the_pettingzoo_environment(
    mixed: Scenario, window: int | None
) -> None:
    batched = TorchRLMarket(mixed, num_envs=3, seed=5, window=window)
    single = parallel_env(mixed, seed=5, window=window)
    torch.manual_seed(0)
    played = batched.rollout(1000)
    for copy in range(3):
        observations, _ = single.reset()
        for step in played[copy].unbind(0):
            found = {
                unit: (step[name][i], step["next", name][i])
                for name, units in batched.group_map.items()
                for i, unit in enumerate(units)
            }
            for unit, (now, _) in found.items():
                assert now["observation"].tolist() == observations[unit].tolist()
            observations, reward, terminated, truncated, info = single.step(
                {unit: now["action"].numpy() for unit, (now, _) in found.items()}
            )
            for unit, (_, then) in found.items():
                assert then["reward"].item() == pytest.approx(reward[unit], rel=1e-6, abs=1e-9)
                for key, value in info[unit].items():
                    assert then["info", key].item() == pytest.approx(value, rel=1e-6, abs=1e-6)
                assert then["observation"].tolist() == observations[unit].tolist()
                assert step["next", "terminated"].item() == terminated[unit]
                assert step["next", "truncated"].item() == truncated[unit]
        assert single.agents == []


def test_a_rollout_goes_on_with_new_episodes() -> None:
    env = TorchRLMarket(TEN, num_envs=2, window=6)
    played = env.rollout(11, break_when_any_done=False)
    done = played["next", "done"][..., 0]
    assert played.shape == (2, 11)
    assert done.nonzero()[:, 1].tolist() == [3, 7, 3, 7]
    after = played["next", "agents", "observation"][:, 3]
    assert not torch.equal(after, played["agents", "observation"][:, 4])
    within = played["next", "agents", "observation"][:, 2]
    assert torch.equal(within, played["agents", "observation"][:, 3])


def test_a_seed_starts_over() -> None:
    env = TorchRLMarket(TEN, num_envs=4, seed=1, window=6)
    begun = env.reset()["agents", "observation"]
    assert not torch.equal(env.reset()["agents", "observation"], begun)
    env.set_seed(2)
    assert not torch.equal(env.reset()["agents", "observation"], begun)
    env.set_seed(1)
    assert torch.equal(env.reset()["agents", "observation"], begun)


def test_transforms_may_cut_episodes_short() -> None:
    env = TransformedEnv(TorchRLMarket(TEN, num_envs=2), StepCounter(max_steps=3))
    done = env.rollout(7, break_when_any_done=False)["next", "done"][0, :, 0]
    assert done.tolist() == [False, False, True, False, False, True, False]


def test_copies_cannot_be_reset_one_by_one() -> None:
    env = TorchRLMarket(TEN, num_envs=2)
    some = TensorDict({"_reset": torch.tensor([[True], [False]])}, [2])
    with pytest.raises(ConfigurationError, match="reset all or none"):
        env.reset(some)


@pytest.mark.gpu
def test_it_runs_on_a_gpu() -> None:
    env = TorchRLMarket(TEN, num_envs=3, window=8, device="cuda")
    check_env_specs(env)
    assert env.rollout(3)["next", "agents", "reward"].device.type == "cuda"
