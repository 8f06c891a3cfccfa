"""Episodes that are recorded side by side have the rows of each alone."""

from pathlib import Path

import numpy as np
import pytest

from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.record import Play, play_recorded, play_side_by_side
from assume_rl.learning.nets.stack import ActorStack, initial_actors
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

TABLES = ("market_meta", "market_orders", "unit_dispatch", "rl_params")
SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"


def policies(compiled: Compiled, seed: int, kinds: tuple[str, ...]) -> dict[str, ActorStack]:
    agents = MarketEnv(compiled, num_envs=1, seeds=(0,)).agents
    return {
        agent.unit_id: initial_actors([agent], seed, architecture=kinds[k % len(kinds)])
        for k, agent in enumerate(agents)
    }


@pytest.mark.parametrize("kinds", [("mlp",), ("gru", "mlp")], ids=["alike", "of two kinds"])
def test_each_has_the_rows_that_it_has_alone(kinds: tuple[str, ...]) -> None:
    half = {"end_date": "2019-03-01 12:00"}
    compiled = compile_scenario(load_scenario(SCENARIOS / "ten_learners", "tiny", overrides=half))
    plays = [Play(seed, policies(compiled, seed, kinds), MemorySink()) for seed in (1, 2)]
    play_side_by_side(compiled, plays, flush_hours=5)

    prices = []
    for play in plays:
        alone = MemorySink()
        play_recorded(compiled, seed=play.seed, policies=play.policies, sink=alone, flush_hours=5)
        assert isinstance(play.sink, MemorySink)
        for table in TABLES:
            found, expected = play.sink.table(table), alone.table(table)
            assert list(found) == list(expected)
            assert expected
            for name, values in expected.items():
                np.testing.assert_array_equal(found[name], values, f"{table}.{name}")
        prices.append(alone.table("market_meta")["price"])
    assert (prices[0] != prices[1]).any()
