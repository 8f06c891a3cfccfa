"""Plants that count starts beside storages that follow the rule, in one market, on both shells."""

from pathlib import Path

import pytest
from toy_scenarios import PLANTS, market, toy_scenario

from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.testing import assert_same_episode

pytestmark = pytest.mark.unchecked

FLEXIBLE = "powerplant_energy_heuristic_flexable"
OWN = dict.fromkeys((row[0] for row in PLANTS), FLEXIBLE)
# What a start costs; a plant without a minimum operating time reckons with the share it was on.
STARTS = {
    "units.coal.cold_start_cost": 30,
    "units.coal.min_operating_time": 0,
    "units.coal twin.cold_start_cost": 12,
    "units.gas.hot_start_cost": 5,
    "units.gas.warm_start_cost": 25,
    "units.gas.cold_start_cost": 60,
    "units.gas.downtime_hot_start": 1,
    "units.gas.downtime_warm_start": 2,
}


def mixed(folder: Path, hours: int) -> Compiled:
    products = [{"duration": "1h", "count": hours, "first_delivery": "1h"}]
    markets = {"EOM": market(opening_frequency=f"{hours}h", products=products)}
    toy_scenario(folder, markets, hours=48, bids={"EOM": OWN}, storage=True)
    return compile_scenario(load_scenario(folder, overrides=STARTS))


@pytest.mark.parametrize("hours", [1, 24])
def test_plants_that_count_starts_beside_storages(tmp_path: Path, hours: int) -> None:
    assert_same_episode(mixed(tmp_path, hours))


def test_two_markets_in_a_row(tmp_path: Path) -> None:
    """A day ahead, then hour by hour what is left."""
    day = [{"duration": "1h", "count": 24, "first_delivery": "2h"}]
    markets = {
        "DAM": market(opening_frequency="24h", products=day),
        "EOM": market(start_date="2019-01-01 01:00"),
    }
    compiled = toy_scenario(
        tmp_path, markets, hours=48, bids={"DAM": OWN, "EOM": OWN}, storage=True
    )
    assert_same_episode(compiled)


def test_products_longer_than_a_step(tmp_path: Path) -> None:
    products = [{"duration": "2h", "count": 3, "first_delivery": "1h"}]
    markets = {"EOM": market(opening_frequency="6h", products=products)}
    assert_same_episode(toy_scenario(tmp_path, markets, bids={"EOM": OWN}, storage=True))
