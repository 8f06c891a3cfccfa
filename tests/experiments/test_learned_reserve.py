"""A plant learns the price for reserve that trying all prices against fixed rivals finds best."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from reserve_markets import MARKET, write_folder
from torch import Tensor
from trained_runs import table

from assume_rl.envs.record import play_recorded
from assume_rl.experiments.train import train
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.testing.episodes import Frames

pytestmark = pytest.mark.unchecked

RUNGS = [0.0, 10.0, 25.0, 40.0, 55.0, 70.0, 90.0]
HOURS = 9


def write(folder: Path) -> Path:
    """80 MW of reserve, and 60 MW each of two rivals at 20 and 60 EUR/MW and hour.

    The learner has 50 MW, which energy is forecast to pay 15 EUR/MWh above its cost.
    """
    products = [{"duration": "1h", "count": 1, "first_delivery": "1h"}]
    market = {**MARKET, "products": products, "opening_frequency": "1h"}
    case = {
        "start_date": "2019-01-01 00:00",
        "end_date": "2019-01-01 08:00",
        "time_step": "1h",
        "markets_config": {"EOM": market, "RES": {**market, "product_type": "capacity_pos"}},
        "bidding_strategy_params": {"rungs_at": RUNGS, "foresight": 2},
        "learning_config": {
            "algorithm": "q_learning",
            "gamma": 0.0,
            "reward": {"type": "profit"},
            "training_episodes": 20,
            "episodes_collecting_initial_experience": 6,
            "initial_actions": "uniform",
            "validation_episodes_interval": 10,
            "gradient_steps": 20,
            "learning_rate": 0.01,
            "train_freq": "8h",
        },
    }
    naive = "powerplant_energy_naive"
    rows = [
        ("learner", naive, "powerplant_capacity_learning_ladder", 50, 30),
        ("low", None, f"{naive}_balancing", 60, 20),
        ("high", None, f"{naive}_balancing", 60, 60),
        ("energy", naive, None, 500, 45),
    ]
    names = ["name", "bidding_EOM", "bidding_RES", "max_power", "additional_cost"]
    plants = pd.DataFrame(rows, columns=names)
    times = pd.date_range("2019-01-01", periods=HOURS, freq="h")
    write_folder(folder, case, plants, times, town=200.0, grid=80.0)
    return folder


class Always:
    """A policy that always takes one rung."""

    dtype = torch.float64

    def __init__(self, rung: int) -> None:
        self.place = 2.0 * rung / (len(RUNGS) - 1) - 1.0

    def __call__(self, obs: Tensor) -> Tensor:
        return torch.full((*obs.shape[:-1], 1), self.place, dtype=torch.float64)


@pytest.mark.slow
def test_a_plant_learns_the_best_price_for_reserve(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path / "case"))
    compiled, brought = compile_scenario(scenario), []
    for rung in range(len(RUNGS)):
        frames = Frames()
        play_recorded(compiled, seed=1, policies={"learner": Always(rung)}, sink=frames)
        brought.append(frames.table("rl_params")["profit"].sum())
    hours = HOURS - 2
    # Below 20 it sells 50 MW at 20; below 60 it sells what is left at its own price; else nothing.
    by_hand = [50 * (20 - 15), 50 * (20 - 15), *(20 * (price - 15) for price in RUNGS[2:5]), 0, 0]
    assert brought == pytest.approx([hours * profit for profit in by_hand])

    result = train(scenario, engine="batch", seed=1, out=tmp_path / "out")
    orders = table(result.folder, "market_orders")
    prices = orders[(orders.unit_id == "learner") & (orders.market_id == "RES")].price
    assert len(prices) == hours
    best = RUNGS[brought.index(max(brought))]
    assert best == 55.0
    assert set(prices.round(6)) == {best}
