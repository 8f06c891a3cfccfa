"""Copies of a market as a batched TorchRL environment."""

import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from libraries import Later, needs
from small_markets import SCENARIOS, ten_learners
from two_markets import two_markets

from assume_rl.errors import ConfigurationError
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

envs: Any = Later("torchrl.envs")
adapter: Any = Later("assume_rl.envs.adapters.torchrl")
pettingzoo: Any = Later("assume_rl.envs.adapters.pettingzoo")

pytestmark = [
    needs("torchrl", reason="needs the extra 'torchrl'"),
    needs("pettingzoo", reason="compares with the PettingZoo environment"),
]


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
    envs.check_env_specs(
        adapter.TorchRLMarket(ten_learners(), num_envs=3, window=window), break_when_any_done="both"
    )


def test_the_library_accepts_several_groups(mixed: Scenario) -> None:
    env = adapter.TorchRLMarket(mixed, num_envs=2, window=5)
    envs.check_env_specs(env, break_when_any_done="both")
    units = [unit for group in env.group_map.values() for unit in group]
    Later("torchrl.envs.utils").check_marl_grouping(env.group_map, units)
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
    batched = adapter.TorchRLMarket(mixed, num_envs=3, seed=5, window=window)
    single = pettingzoo.parallel_env(mixed, seed=5, window=window)
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


@pytest.mark.unchecked
@pytest.mark.parametrize(("bidder", "act"), [("renewable", ()), ("powerplant", (2,))])
def test_agents_on_a_ladder_choose_rungs_and_see_which_are_legal(
    bidder: str, act: tuple[int, ...]
) -> None:
    chosen = {
        f"units.learner_{k:02}.bidding_EOM": f"{bidder}_energy_learning_ladder"
        for k in range(1, 11)
    } | {"bidding_strategy_params.rungs": 7}  # fmt: skip
    scenario = load_scenario(SCENARIOS / "ten_learners", "tiny", overrides=chosen)
    env = adapter.TorchRLMarket(scenario, num_envs=2, window=8)
    envs.check_env_specs(env)
    env.set_seed(5)
    played = env.rollout(6)
    assert played["agents", "action"].shape == (2, 6, 10, *act)
    assert played["agents", "action_mask"].shape == (2, 6, 10, *act, 7)
    single = pettingzoo.parallel_env(scenario, seed=5, window=8)
    _, infos = single.reset()
    for step in played[0].unbind(0):
        for k, agent in enumerate(single.possible_agents):
            assert step["agents", "action_mask"][k].tolist() == infos[agent]["action_mask"].tolist()
        actions = dict(zip(single.possible_agents, step["agents", "action"].numpy(), strict=True))
        _, rewards, *_, infos = single.step(actions)
        for found, wanted in zip(step["next", "agents", "reward"], rewards.values(), strict=True):
            assert found.item() == pytest.approx(wanted, rel=1e-6)


@pytest.mark.unchecked
def test_agents_of_a_bidder_with_unlike_shapes_are_groups_apart(tmp_path: Path) -> None:
    env = adapter.TorchRLMarket(two_markets(tmp_path / "two"), num_envs=2)
    envs.check_env_specs(env)
    name = "powerplant_energy_learning"
    assert env.group_map == {name: ["learner@EOM"], f"{name}_2": ["learner@PAIRS"]}
    assert env.full_action_spec[f"{name}_2", "action"].shape == (2, 1, 4)
    info = env.rollout(1)["next"]
    assert not torch.equal(info[name, "info", "price"], info[f"{name}_2", "info", "price"])


@pytest.mark.filterwarnings("ignore:PettingZoo in TorchRL is tested using:UserWarning")
@pytest.mark.unchecked
@pytest.mark.parametrize("bidder", ["renewable", "powerplant"])
def test_the_library_reads_state_and_masks_of_the_pettingzoo_environment(bidder: str) -> None:
    """As BenchMARL does, whose tasks of PettingZoo go through this wrapper."""
    ladder = {
        "units.learner.bidding_EOM": f"{bidder}_energy_learning_ladder",
        "units.learner.ramp_up": 100,
        "units.learner.ramp_down": 100,
        "units.learner.min_operating_time": 12,
        "bidding_strategy_params.rungs": 7,
    }
    market = pettingzoo.parallel_env(
        load_scenario(SCENARIOS / "single_learner", "tiny", overrides=ladder)
    )
    env = Later("torchrl.envs.libs.pettingzoo").PettingZooWrapper(
        market, return_state=True, use_mask=True, group_map={"agents": ["learner"]}
    )
    envs.check_env_specs(env)
    played = env.rollout(20)
    assert torch.equal(played["state"], played["agents", "observation"][:, 0])
    mask = played["agents", "action_mask"]
    assert mask.shape == ((20, 1, 7) if bidder == "renewable" else (20, 1, 2, 7))
    assert not mask.all()


@pytest.mark.unchecked
def test_a_pickled_one_continues_where_it_stood() -> None:
    env = adapter.TorchRLMarket(ten_learners(), num_envs=2, window=10)
    now = env.reset()
    now["agents", "action"] = torch.full((2, 10, 2), 0.3)
    env.step(now)
    other = pickle.loads(pickle.dumps(env))
    for _ in range(3):
        found, wanted = (market.step(now.clone())["next"] for market in (other, env))
        assert torch.equal(found["agents", "observation"], wanted["agents", "observation"])
        assert torch.equal(found["agents", "reward"], wanted["agents", "reward"])


def test_a_rollout_goes_on_with_new_episodes() -> None:
    env = adapter.TorchRLMarket(ten_learners(), num_envs=2, window=6)
    played = env.rollout(11, break_when_any_done=False)
    done = played["next", "done"][..., 0]
    assert played.shape == (2, 11)
    assert done.nonzero()[:, 1].tolist() == [3, 7, 3, 7]
    after = played["next", "agents", "observation"][:, 3]
    assert not torch.equal(after, played["agents", "observation"][:, 4])
    within = played["next", "agents", "observation"][:, 2]
    assert torch.equal(within, played["agents", "observation"][:, 3])


def test_a_seed_starts_over() -> None:
    env = adapter.TorchRLMarket(ten_learners(), num_envs=4, seed=1, window=6)
    begun = env.reset()["agents", "observation"]
    assert not torch.equal(env.reset()["agents", "observation"], begun)
    env.set_seed(2)
    assert not torch.equal(env.reset()["agents", "observation"], begun)
    env.set_seed(1)
    assert torch.equal(env.reset()["agents", "observation"], begun)


def test_transforms_may_cut_episodes_short() -> None:
    env = envs.TransformedEnv(
        adapter.TorchRLMarket(ten_learners(), num_envs=2), envs.StepCounter(max_steps=3)
    )
    done = env.rollout(7, break_when_any_done=False)["next", "done"][0, :, 0]
    assert done.tolist() == [False, False, True, False, False, True, False]


def test_copies_cannot_be_reset_one_by_one() -> None:
    env = adapter.TorchRLMarket(ten_learners(), num_envs=2)
    some = Later("tensordict").TensorDict({"_reset": torch.tensor([[True], [False]])}, [2])
    with pytest.raises(ConfigurationError, match="reset all or none"):
        env.reset(some)


@pytest.mark.gpu
def test_it_runs_on_a_gpu() -> None:
    env = adapter.TorchRLMarket(ten_learners(), num_envs=3, window=8, device="cuda")
    envs.check_env_specs(env)
    assert env.rollout(3)["next", "agents", "reward"].device.type == "cuda"
