"""Finished policies that remember earlier decisions bid the same on both shells."""

from pathlib import Path

import pytest
import torch

from assume_rl.envs.market_env import MarketEnv
from assume_rl.episodes.teams import Separate, side_by_side
from assume_rl.learning.nets.stack import ActorStack, initial_actors
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.testing import assert_same_episode

pytestmark = pytest.mark.unchecked

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
KINDS = ("gru", "mlp", "lstm_memory")


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    """Half a day with ten learners."""
    half = {"end_date": "2019-03-01 12:00"}
    return compile_scenario(load_scenario(SCENARIOS / "ten_learners", "tiny", overrides=half))


def policies(compiled: Compiled, *kinds: str) -> dict[str, ActorStack]:
    """Untrained actors, of these architectures in turn."""
    agents = MarketEnv(compiled, num_envs=1, seeds=(0,)).agents
    return {
        agent.unit_id: initial_actors(
            [agent], 7, architecture=kinds[k % len(kinds)], hidden=(8 + k % len(kinds), 8)
        )
        for k, agent in enumerate(agents)
    }


@pytest.mark.parametrize("kinds", [("gru",), KINDS], ids=["alike", "of all kinds"])
def test_they_bid_the_same_on_both_shells(compiled: Compiled, kinds: tuple[str, ...]) -> None:
    assert_same_episode(compiled, policies(compiled, *kinds))


def test_a_copy_bids_what_it_bids_alone_and_forgets_between_episodes(compiled: Compiled) -> None:
    own = policies(compiled, "gru")
    env = MarketEnv(compiled, num_envs=2, seeds=(1,), policies=own)
    state = env.reset(torch.tensor([1, 2]))
    seen = []
    while not env.done(state):
        state, _ = env.step(state, ())
        seen.append(state.memories)
    (names,) = {tuple(memories) for memories in seen}
    assert sum(len(agents) for agents in names) == len(own)
    counts = [memories[names[0]][..., -1].unique().tolist() for memories in seen]
    # One decision an hour, and none when the last auction closes.
    assert counts == [[float(min(k, 11))] for k in range(1, 13)]
    assert not env.restart(state).memories
    alone = MarketEnv(compiled, num_envs=1, seeds=(1,), policies=own)
    single = alone.reset(torch.tensor([2]))
    for memories in seen:
        single, _ = alone.step(single, ())
        for agents, memory in memories.items():
            torch.testing.assert_close(single.memories[agents][0], memory[1])


def test_policies_of_all_kinds_side_by_side_remember_what_each_does(compiled: Compiled) -> None:
    own = policies(compiled, *KINDS)
    together = side_by_side(tuple(own.values()))
    assert isinstance(together, Separate)
    size = max(stack.memory_size for stack in own.values())
    assert together.memory_size == size == 2 * 10 + 1
    memory = torch.zeros(4, len(own), size, dtype=torch.float64)
    alone = [torch.zeros(4, 1, stack.memory_size, dtype=torch.float64) for stack in own.values()]
    for _ in range(3):
        obs = torch.randn(4, len(own), 38, dtype=torch.float64)
        action, memory = together.step(obs, memory)
        for k, stack in enumerate(own.values()):
            mine, alone[k] = stack.step(obs[:, k : k + 1], alone[k])
            torch.testing.assert_close(action[:, k : k + 1], mine)
            torch.testing.assert_close(memory[:, k, : stack.memory_size], alone[k][:, 0])
