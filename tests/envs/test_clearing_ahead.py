"""Where no order depends on what happens, auctions are cleared many at a time: the same rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assume_rl.envs import record
from assume_rl.envs.market_env import MarketEnv
from assume_rl.envs.record import play_recorded
from assume_rl.envs.setting import Setting
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
Batch = tuple[str, dict[str, Any]]


class Batches:
    """A sink that keeps every batch as it comes."""

    def __init__(self) -> None:
        self.all: list[Batch] = []

    def write(self, table: str, columns: dict[str, Any]) -> None:
        """Keep a batch."""
        self.all.append((table, columns))


def played(compiled: Compiled, flush_hours: int | None) -> list[Batch]:
    sink = Batches()
    play_recorded(compiled, seed=1, policies={}, sink=sink, flush_hours=flush_hours)
    return sink.all


@pytest.mark.parametrize("flush_hours", [None, pytest.param(1, marks=pytest.mark.slow), 17])
@pytest.mark.parametrize("chunk", [1 << 18, 700])  # all at once, and four auctions at a time
def test_batches_are_those_of_one_auction_after_the_other(
    monkeypatch: pytest.MonkeyPatch, flush_hours: int | None, chunk: int
) -> None:
    case = load_scenario(SCENARIOS / "national", "week", overrides={"end_date": "2019-01-16 00:00"})
    compiled = compile_scenario(case)
    monkeypatch.setattr(record, "CHUNK", chunk)
    ahead = played(compiled, flush_hours)
    monkeypatch.setattr(Setting, "routine", False)
    stepped = played(compiled, flush_hours)

    assert [table for table, _ in ahead] == [table for table, _ in stepped]
    assert {table for table, _ in ahead} >= {"market_orders", "unit_dispatch", "start_costs"}
    for (table, found), (_, expected) in zip(ahead, stepped, strict=True):
        assert list(found) == list(expected)
        for name, values in expected.items():
            assert np.array_equal(found[name], values, equal_nan=values.dtype.kind == "f"), (
                table,
                name,
            )


def test_orders_that_depend_on_what_happens_are_not_cleared_ahead() -> None:
    compiled = compile_scenario(load_scenario(SCENARIOS / "ten_learners", "tiny"))
    env = MarketEnv(compiled, num_envs=1, seeds=(1,))
    assert not env.setting.routine
    state = env.reset(torch.tensor([0]))
    with pytest.raises(ValueError, match="depend on events"):
        env.clear_ahead(state.episodes, env.openings(state))
