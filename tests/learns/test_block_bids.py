"""A plant learns prices of a block and of the rest that no other pair of its rungs beats."""

from itertools import product
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from torch import Tensor

from assume_rl.envs.market_env import MarketEnv
from assume_rl.experiments.train import train
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario

pytestmark = pytest.mark.unchecked

PRICES = [10.0, 36.0, 50.0, 69.0, 90.0]
DAY = [120.0, 260.0, 400.0, 180.0]
"""MW in the four hours of each auction; hydro and lignite serve 200, gas at 70 EUR/MWh the rest."""
PLANTS = """name,unit_operator,bidding_EOM,max_power,min_power,additional_cost,technology
coal,A,powerplant_energy_learning_block_ladder,100,60,36,coal
river,B,powerplant_energy_naive,100,0,5,hydro
lignite,C,powerplant_energy_naive,100,0,17,lignite
gas,D,powerplant_energy_naive,300,0,70,gas
"""
CASE = {
    "start_date": "2021-01-01 00:00",
    "end_date": "2021-01-02 04:00",
    "time_step": "1h",
    "seed": 1,
    "bidding_strategy_params": {"rungs_at": PRICES, "foresight": 4},
    "learning_config": {
        "learning_mode": True,
        "algorithm": "q_learning",
        "temperature": 0.05,
        "reward": {"type": "profit"},
        "gamma": 0.0,
        "training_episodes": 8,
        "episodes_collecting_initial_experience": 4,
        "validation_episodes_interval": 4,
        "num_envs": 4,
        "train_freq": "28h",
        "gradient_steps": 150,
        "batch_size": 64,
        "learning_rate": 0.003,
    },
    "markets_config": {
        "EOM": {
            "operator": "exchange",
            "products": [{"duration": "1h", "count": 4, "first_delivery": "1h"}],
            "opening_frequency": "4h",
            "opening_duration": "1h",
            "market_mechanism": "complex_clearing",
            "additional_fields": ["bid_type", "min_acceptance_ratio"],
        }
    },
}


def write(folder: Path) -> Path:
    (folder / "config.yaml").write_text(yaml.safe_dump({"base": CASE}, sort_keys=False))
    (folder / "powerplant_units.csv").write_text(PLANTS)
    (folder / "demand_units.csv").write_text(
        "name,technology,unit_operator,bidding_EOM,max_power,min_power,price\n"
        "load,demand,R,demand_energy_naive,1000,0,3000\n"
    )
    times = pd.date_range(CASE["start_date"], CASE["end_date"], freq="h", name="datetime")
    # The first auction delivers from the second hour on.
    load = [DAY[(hour - 1) % len(DAY)] for hour in range(len(times))]
    pd.DataFrame({"load": load}, index=times).to_csv(folder / "demand_df.csv")
    return folder


def rewards_of_all_pairs(compiled: Compiled) -> Tensor:
    """Return what each pair of rungs earns over the calendar, by enumeration."""
    pairs = torch.tensor(list(product(range(len(PRICES)), repeat=2)), dtype=torch.float64)
    env = MarketEnv(compiled, num_envs=len(pairs), seeds=(1,))
    state = env.reset(torch.ones(len(pairs), dtype=torch.int64))
    total = torch.zeros(len(pairs), dtype=torch.float64)
    action = (2 * pairs / (len(PRICES) - 1) - 1).unsqueeze(1)
    while not env.done(state):
        state, happened = env.step(state, [action])
        total += sum(earned.reward.reward[:, 0] for earned in happened.learners)
    return total.view(len(PRICES), len(PRICES))


@pytest.mark.slow
def test_no_other_pair_of_prices_earns_more(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path))
    known = rewards_of_all_pairs(compile_scenario(scenario))
    trained = train(scenario, seed=1, out=tmp_path / "run")
    assert trained.last.reward >= 0.999 * float(known.max())
    # AND the price of the block and that of the rest both matter
    assert known.amax(dim=1).min() < 0.9 * known.max()
    assert known.amax(dim=0).min() < 0.97 * known.max()
