"""Training on the message shell: what a Learning role learns, whoever plays the episodes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import torch
from trained_runs import tiny

from assume_rl import Learning
from assume_rl.agents.world import World
from assume_rl.errors import ConfigurationError
from assume_rl.experiments.collection.local import Local
from assume_rl.experiments.collection.message_player import MessagePlayer
from assume_rl.experiments.observer import Silent
from assume_rl.experiments.train import TrainResult, train
from assume_rl.learning.policies.folder import load_policies
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.types import Scenario

pytestmark = pytest.mark.unchecked

SETTINGS = {
    "training_episodes": 4,
    "episodes_collecting_initial_experience": 1,
    "validation_episodes_interval": 2,
    "train_freq": "6h",
    "action_noise_schedule": "linear",
}


def test_evaluations_are_closed_whatever_others_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[MessagePlayer] = []
    close, close_pool = MessagePlayer.close, Local.close

    def noted(player: MessagePlayer) -> None:
        closed.append(player)
        close(player)

    def failing(pool: Local) -> None:
        close_pool(pool)
        raise RuntimeError("does not close")

    monkeypatch.setattr(MessagePlayer, "close", noted)
    monkeypatch.setattr(Local, "close", failing)
    with pytest.raises(RuntimeError, match="does not close"):
        train(case(), engine="agents", out=tmp_path / "train")
    assert len(set(closed)) == 2  # the pool's, and that of evaluations


def case(name: str = "single_learner", **settings: Any) -> Scenario:
    chosen = SETTINGS | settings
    return tiny(name, **{f"learning_config.{key}": value for key, value in chosen.items()})


def weights(folder: Path) -> list[torch.Tensor]:
    return [w for stack in load_policies(folder).actors for w in stack.weights.values()]


async def joined(role: Learning, scenario: Scenario) -> None:
    """Let a Learning role join one episode after the other."""
    world = World(compile_scenario(scenario), seed=42, learning=role)
    for episode in range(1, SETTINGS["training_episodes"] + 1):
        await world.run_episode(episode)


@pytest.mark.parametrize(
    "name", ["single_learner", pytest.param("ten_learners", marks=pytest.mark.slow)]
)
def test_a_learning_role_among_the_agents_learns_the_same(name: str, tmp_path: Path) -> None:
    scenario = case(name)
    result = train(scenario, engine="agents", seed=42, out=tmp_path / "train")
    end = scenario.index[-1].to_pydatetime()
    role = Learning(scenario.learning, scenario.start, end, seed=42)
    asyncio.run(joined(role, scenario))
    role.save_actor_params(tmp_path / "role")
    pairs = zip(
        weights(tmp_path / "role"), weights(result.folder / "policies" / "last"), strict=True
    )
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


class Stumbling(Silent):
    """Fails in the middle of an episode."""

    def opening(self, time: int) -> None:
        if time == 3 * 3600:
            raise ConfigurationError("stumbled")


@pytest.mark.parametrize("copies", [1, 2])
def test_what_fails_in_an_episode_ends_the_training(copies: int, tmp_path: Path) -> None:
    scenario = case(num_envs=copies)
    with pytest.raises(ConfigurationError, match="stumbled"):
        train(scenario, engine="agents", observer=Stumbling(), out=tmp_path / "train")


def test_it_trains_where_an_event_loop_is_running_already(tmp_path: Path) -> None:
    async def notebook() -> TrainResult:
        return train(case(num_envs=2), engine="agents", out=tmp_path / "inside")

    assert len(asyncio.run(notebook()).episodes) == 4 + 1
