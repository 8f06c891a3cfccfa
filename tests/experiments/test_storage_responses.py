"""What a learning storage could gain alone, in an episode that was played."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import torch
from fleets import Unit, write_fleet
from played_storage import played
from test_bounds import Constant
from torch import Tensor

from assume_rl.agents.world import World
from assume_rl.evaluation.exploitability import exploitability
from assume_rl.experiments.bounds import responses
from assume_rl.experiments.recorded_episode import RecordedEpisode
from assume_rl.experiments.recorded_storages import recorded_storage
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

FLEET = [Unit("storage", "one"), Unit("single", "two")]


class InTurn:
    """A policy that takes some actions one after the other."""

    dtype = torch.float64

    def __init__(self, *actions: float) -> None:
        self.actions = list(actions)

    def __call__(self, obs: Tensor) -> Tensor:
        action = self.actions.pop(0)
        self.actions.append(action)
        return torch.full((len(obs), 1), action, dtype=torch.float64)


def episode(folder: Path, *actions: float) -> tuple[Compiled, MemorySink]:
    """Return an episode in which a storage takes some actions."""
    compiled = compile_scenario(load_scenario(write_fleet(folder, FLEET)))
    memory = MemorySink()
    policies = {"storage 0": InTurn(*actions), "single 1": Constant(0.9, 1)}
    asyncio.run(World(compiled, seed=1, policies=policies).run_episode(0, sink=memory))
    return compiled, memory


def test_what_was_bid_earns_what_was_received(tmp_path: Path) -> None:
    actions = (-0.95, 0.2, 0.1, -0.9)
    compiled, memory = episode(tmp_path / "case", *actions)
    recorded = RecordedEpisode(compiled, memory)
    own = recorded.received("storage 0").profit
    bids = torch.tensor([actions[hour % 4] for hour in range(len(own))]).double() * 100
    found = played(recorded_storage(recorded, "storage 0"), bids[None])
    assert float(found) == pytest.approx(float(own.sum()), abs=1e-3)  # of float32 tables
    assert own.count_nonzero() > 2


def test_it_gains_as_much_as_its_grid_can_tell(tmp_path: Path) -> None:
    compiled, memory = episode(tmp_path / "case", -0.95, 0.2, 0.1, -0.9)
    plant, storage = responses(compiled, memory)  # in the order of the fleet
    assert (storage.kind, plant.kind) == ("grid", "exact")
    assert storage.gap is not None
    assert storage.best_profit is not None
    assert storage.gap > 0
    assert np.isclose(storage.best_profit, storage.profit + storage.gap)
    assert 0 <= storage.error < 0.05 * storage.best_profit
    market = exploitability([storage, plant])
    assert (market.kind, market.error) == ("grid", storage.error)
    # AND no actions of a few earn more
    for actions in [(-1.0, 1.0), (-0.6, 0.6), (0.9,), (0.0, -1.0, -1.0)]:
        compiled, memory = episode(tmp_path / str(actions), *actions)
        profit = float(RecordedEpisode(compiled, memory).received("storage 0").profit.sum())
        assert profit <= storage.best_profit + storage.error


def test_plans_earn_no_more_than_the_best_response(tmp_path: Path) -> None:
    compiled, memory = episode(tmp_path / "case", -0.95, 0.2, 0.1, -0.9)
    plant, storage = responses(compiled, memory)
    assert plant.planned_profit is None
    assert storage.planned_profit is not None
    assert storage.best_profit is not None
    assert 0 < storage.planned_profit <= storage.best_profit + storage.error
    assert storage.share_of_plan == pytest.approx(storage.profit / storage.planned_profit)
