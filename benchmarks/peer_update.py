"""Milliseconds of a MATD3 gradient step in ASSUME; executed by the python of its environment.

`python -m benchmarks.peer_update LEARNERS ...` prints one JSON line: {learners: ms}. Batches of
128, observations of 38, actions of 2, the critics that ASSUME has; the median of several calls.
"""

import json
import statistics
import sys
from pathlib import Path

from benchmarks.peer import first_episodes, open_world, scratch, timed_calls

HOURS = 7 * 24  # of an episode: more than a batch
CASE = {
    "start_date": "2019-03-01 00:00",
    "end_date": "2019-03-08 00:00",
    "time_step": "1h",
    "seed": 1,
    "markets_config": {
        "EOM": {
            "operator": "EOM_operator",
            "product_type": "energy",
            "products": [{"duration": "1h", "count": 1, "first_delivery": "1h"}],
            "opening_frequency": "1h",
            "opening_duration": "1h",
            "maximum_bid_volume": 1e6,
            "maximum_bid_price": 3000,
            "minimum_bid_price": -500,
            "volume_unit": "MWh",
            "price_unit": "EUR/MWh",
            "market_mechanism": "pay_as_clear",
        }
    },
}
PLANT = (
    "name,technology,unit_operator,bidding_EOM,fuel_type,emission_factor,max_power,min_power,"
    "efficiency,additional_cost"
)
DEMAND = "name,technology,unit_operator,bidding_EOM,max_power,min_power,price"


def main() -> None:
    print(json.dumps({learners: step_ms(int(learners)) for learners in sys.argv[1:]}))


def step_ms(learners: int) -> float:
    """Milliseconds of one step of all critics and, every other time, all actors."""
    steps = 2 * max(1, 50 // learners)  # of a call; two, because actors wait for every second
    with scratch() as inputs:
        write_scenario(inputs / "fleet", learners, steps)
        world = open_world(inputs / "fleet", "base")
        from assume.reinforcement_learning.algorithms.matd3 import TD3

        seconds = timed_calls(TD3, "update_policy")
        first_episodes(world, 2)
    return 1000 * statistics.median(seconds[1:]) / steps


def write_scenario(folder: Path, learners: int, gradient_steps: int) -> None:
    """An hourly market of gas plants that all learn, and one buyer, in ASSUME's format."""
    learning = {
        "learning_mode": True,
        "algorithm": "matd3",
        "batch_size": 128,
        "train_freq": "24h",
        "gradient_steps": gradient_steps,
        "training_episodes": 4,
        "episodes_collecting_initial_experience": 1,
        "validation_episodes_interval": 2,
    }
    plant = "gas turbine,{0},powerplant_energy_learning,natural gas,0.2,100,0,0.5,{0}"
    plants = [f"plant_{k}," + plant.format(k) for k in range(learners)]
    buyer = "demand,inelastic,retail,demand_energy_naive,1000000,0,3000"
    hours = [
        f"2019-03-{1 + hour // 24:02} {hour % 24:02}:00,{60 * learners}"
        for hour in range(HOURS + 1)
    ]
    tables = {
        "powerplant_units.csv": [PLANT, *plants],
        "demand_units.csv": [DEMAND, buyer],
        "demand_df.csv": ["datetime,demand", *hours],
        "fuel_prices_df.csv": ["fuel,natural gas,co2", "price,20,25"],
        "config.yaml": [json.dumps({"base": CASE | {"learning_config": learning}})],  # JSON is YAML
    }
    folder.mkdir()
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
