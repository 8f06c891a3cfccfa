"""The exact best response bounds every other way of bidding, and marginal cost is one of them."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor
from trained_runs import SCENARIOS, tiny

from assume_rl.agents.world import World
from assume_rl.core.bidding.base import View
from assume_rl.core.bidding.learned import PlantLearning
from assume_rl.core.orders import Orders
from assume_rl.experiments.bounds import Bounds, single_plant_bounds, unknown_bounds
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked


class Constant:
    """A policy that always takes the same action, the price over `max_bid_price`."""

    dtype = torch.float64

    def __init__(self, action: float, prices: int = 2) -> None:
        self.action, self.prices = action, prices

    def __call__(self, obs: Tensor) -> Tensor:
        return torch.full((len(obs), self.prices), self.action, dtype=torch.float64)


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return compile_scenario(tiny("single_learner"))


def play(compiled: Compiled, action: float, prices: int = 2) -> MemorySink:
    memory = MemorySink()
    world = World(compiled, seed=42, policies={"learner": Constant(action, prices)})
    asyncio.run(world.run_episode(0, sink=memory))
    return memory


def bounds_of(compiled: Compiled, memory: MemorySink) -> Bounds:
    bounds = single_plant_bounds(compiled, memory)
    assert bounds is not None
    return bounds


def test_no_constant_bid_earns_more_than_the_best_response(compiled: Compiled) -> None:
    found = []
    for action in (0.05, 0.5, 0.8, 1.0):
        memory = play(compiled, action)
        bounds = bounds_of(compiled, memory)
        reward = torch.from_numpy(memory.table("rl_params")["reward"])
        assert (bounds.best.reward >= reward - 1e-9).all()
        found.append(bounds.best.reward)
    assert all(torch.allclose(reward, found[0]) for reward in found)  # rivals bid the same


def test_the_best_response_beats_marginal_cost(compiled: Compiled) -> None:
    bounds = bounds_of(compiled, play(compiled, 0.5))
    assert (bounds.best.reward >= bounds.truthful.reward - 1e-12).all()
    assert bounds.best.reward.sum() > 1.05 * bounds.truthful.reward.sum()


def test_the_truthful_bound_is_what_bidding_marginal_cost_brings(
    compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = PlantLearning.orders

    def truthful(self: PlantLearning, view: View[Any], action: Tensor) -> Orders:
        found = orders(self, view, action)
        return replace(found, price=view.marginal_cost.repeat_interleave(2, dim=-1))

    bounds = bounds_of(compiled, play(compiled, 0.5))
    monkeypatch.setattr(PlantLearning, "orders", truthful)
    memory = play(compiled, 0.5)
    earned = pd.DataFrame(memory.table("rl_params"))
    assert bounds.truthful.reward.numpy() == pytest.approx(earned["reward"].to_numpy(), abs=1e-9)
    assert bounds.truthful.profit.numpy() == pytest.approx(earned["profit"].to_numpy(), abs=1e-6)
    price = memory.table("market_meta")["price"]
    assert bounds.truthful.price.numpy() == pytest.approx(price, abs=1e-9)


def with_availability(folder: Path, **columns: int) -> list[float]:
    """Write the scenario with a learner that has nothing every fourth hour; return its shares.

    :param columns: of the learner's row
    """
    shutil.copytree(SCENARIOS / "single_learner", folder)
    plants = pd.read_csv(folder / "powerplant_units.csv")
    plants.loc[plants["name"] == "learner", list(columns)] = list(columns.values())
    plants.to_csv(folder / "powerplant_units.csv", index=False)
    hours = pd.date_range("2019-03-04", "2019-03-05", freq="h")
    available = [(0.0, 0.2, 0.6, 1.0)[hour % 4] for hour in range(25)]
    series = pd.DataFrame({"datetime": hours, "learner": available})
    series.to_csv(folder / "availability_df.csv", index=False)
    return available


def test_a_renewable_is_bounded_by_what_it_offers(tmp_path: Path) -> None:
    """Its power, and with it the scale of its reward, differ from hour to hour."""
    available = with_availability(tmp_path / "plant")
    settings = {
        "end_date": "2019-03-05 00:00",
        "units.learner.bidding_EOM": "renewable_energy_learning_single_bid",
    }
    compiled = compile_scenario(load_scenario(tmp_path / "plant", "tiny", overrides=settings))
    idle = torch.tensor([available[hour % 25] == 0 for hour in range(1, 24)])
    best = []
    for action in (-1.0, 0.3, 0.5, 0.8, 1.0):
        memory = play(compiled, action, prices=1)
        bounds = bounds_of(compiled, memory)
        reward = torch.from_numpy(memory.table("rl_params")["reward"])
        assert (bounds.best.reward >= reward - 1e-9).all()
        assert (reward[idle] == 0).all()
        best.append(bounds.best.reward)
    assert all(torch.allclose(reward, best[0]) for reward in best)
    assert (best[0][~idle] > bounds.truthful.reward[~idle] + 1e-6).any()
    assert (best[0][idle] == 0).all()


@pytest.mark.parametrize("least", [100, 500])
def test_hours_with_fewer_own_orders_are_bounded_too(tmp_path: Path, least: int) -> None:
    """Orders without volume have no row: no power at all, or nothing above minimum power."""
    folder = tmp_path / "plant"
    available = with_availability(folder, min_power=least)
    settings = {"end_date": "2019-03-05 00:00", "learning_config.learning_mode": True}
    compiled = compile_scenario(load_scenario(folder, "tiny", overrides=settings))
    best = []
    for action in (-1.0, 0.3, 0.6, 1.0):
        memory = play(compiled, action)
        bounds = bounds_of(compiled, memory)
        reward = torch.from_numpy(memory.table("rl_params")["reward"])
        assert len(reward) == len(bounds.best.reward) == 23
        assert (bounds.best.reward >= reward - 1e-9).all()
        best.append(bounds.best.reward)
        idle = torch.tensor([available[hour % 25] == 0 for hour in range(1, 24)])
        # Who cannot sell is still charged for what the nameplate power would have earned.
        assert torch.allclose(bounds.best.reward[idle], reward[idle])
        assert (bounds.best.reward[idle] < 0).any()
    assert all(torch.allclose(reward, best[0]) for reward in best)  # own orders are no rivals


def test_starts_that_are_charged_count_over_the_whole_calendar(tmp_path: Path) -> None:
    """A cold start costs something only where rewards charge starts by their downtime."""
    folder = tmp_path / "plant"
    shutil.copytree(SCENARIOS / "single_learner", folder)
    plants = pd.read_csv(folder / "powerplant_units.csv").assign(cold_start_cost=80)
    plants.to_csv(folder / "powerplant_units.csv", index=False)
    settings = {"end_date": "2019-03-05 00:00", "learning_config.learning_mode": True}
    best = {}
    for charged in (False, True):
        overrides = {**settings, "bidding_strategy_params.start_costs": charged}
        compiled = compile_scenario(load_scenario(folder, "tiny", overrides=overrides))
        for action in (0.3, 0.5, 0.7):
            memory = play(compiled, action)
            bounds = bounds_of(compiled, memory)
            best[charged] = bounds.best.reward.sum()
            assert best[charged] >= memory.table("rl_params")["reward"].sum() - 1e-9
            assert best[charged] >= bounds.truthful.reward.sum()
    assert best[True] < best[False]


def test_several_learners_have_no_bounds() -> None:
    compiled = compile_scenario(tiny("ten_learners"))
    assert single_plant_bounds(compiled, MemorySink()) is None
    assert unknown_bounds(compiled) == "there are 10 learning bidders"


def test_a_storage_has_no_bounds(vectors: Path, tmp_path: Path) -> None:
    """What it can sell depends on what it bought, so that its auctions depend on each other."""
    folder = tmp_path / "storage"
    shutil.copytree(vectors / "v11_rl_storage" / "inputs", folder)
    table = folder / "storage_units.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:2]))
    compiled = compile_scenario(load_scenario(folder))
    assert compiled.learners == ("S1",)
    assert single_plant_bounds(compiled, MemorySink()) is None
    assert unknown_bounds(compiled) == (
        "S1 is no power plant: its sales depend on its earlier purchases"
    )
