"""Markets that clear at the same instant: their order in the configuration changes no result."""

import asyncio
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from policies import fresh_policies
from toy_scenarios import market, toy_scenario

from assume_rl.agents.world import World
from assume_rl.envs.record import play_recorded
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.testing.episodes import KEYS, Frames

pytestmark = pytest.mark.unchecked

NONE = np.nan
# A margin of 55 EUR/MWh where the other one sets the price: 3 / 0.6 = 5 and 12 / 0.2 = 60 EUR/MWh.
CHEAP = ("cheap", "O1", "nuclear", "uranium", 300, 0, 0.6, NONE, NONE, 0, 0, 0)
AT_LEAST_200 = ("cheap", "O1", "nuclear", "uranium", 300, 200, 0.6, NONE, NONE, 0, 0, 0)
DEAR = ("dear", "O2", "hard coal", "hard coal", 900, 0, 0.2, NONE, NONE, 0, 0, 0)

HOURLY = market()
LIMITED = market(maximum_bid_volume=40, maximum_bid_price=60)
FOUR_HOURS = market(
    products=[{"duration": "1h", "count": 4, "first_delivery": "1h"}],
    opening_frequency="4h",
    maximum_bid_volume=30,
)
LEARNS = {"coal": "powerplant_energy_learning", "gas": "powerplant_energy_learning_single_bid"}


def play(compiled: Compiled, shell: str) -> Frames:
    """All tables of an episode in which those that could learn act on untrained policies."""
    sink, policies = Frames(), fresh_policies(compiled)
    if shell == "batch":
        play_recorded(compiled, seed=1, policies=policies, sink=sink)
    else:
        asyncio.run(World(compiled, seed=1, policies=policies).run_episode(0, sink=sink))
    return sink


def orders_of(markets: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{name: markets[name] for name in names} for names in permutations(markets)]


@pytest.mark.parametrize("shell", ["agents", "batch"])
@pytest.mark.parametrize("plant", [CHEAP, AT_LEAST_200], ids=["free", "at least 200 MW"])
def test_what_two_markets_sell_at_one_instant_is_delivered(
    tmp_path: Path, shell: str, plant: tuple[Any, ...]
) -> None:
    markets = {"A": market(maximum_bid_volume=125), "B": market(maximum_bid_volume=175)}
    for order in orders_of(markets):
        compiled = toy_scenario(tmp_path, order, hours=8, plants=[plant, DEAR], load=500)
        tables = play(compiled, shell)
        sold = tables.table("market_dispatch")
        of_cheap = sold[sold["unit_id"] == "cheap"].groupby("market_id")["power"].agg(set)
        assert of_cheap.to_dict() == {"A": {125.0}, "B": {175.0}}
        rows = tables.table("unit_dispatch")
        own = rows[rows["unit"] == "cheap"].sort_values("time")
        assert own["power"].tolist() == [0.0] + [300.0] * 7
        assert own["energy_generation_costs"].tolist() == [0.0] + [1500.0] * 7


@pytest.mark.parametrize("shell", [pytest.param("agents", marks=pytest.mark.slow), "batch"])
@pytest.mark.parametrize(
    "markets",
    [
        {"A": LIMITED, "EOM": HOURLY},
        {"B": FOUR_HOURS, "EOM": HOURLY},
        {"A": LIMITED, "B": FOUR_HOURS, "EOM": HOURLY},
    ],
    ids=["hourly twice", "of two lengths", "three"],
)
def test_the_order_of_markets_changes_no_result(
    tmp_path: Path, shell: str, markets: dict[str, dict[str, Any]]
) -> None:
    """Plants with ramps, minimum times and minimum powers; two act on policies."""
    first, *others = (
        play(toy_scenario(tmp_path, order, hours=14, bids={"EOM": LEARNS}), shell)
        for order in orders_of(markets)
    )
    assert len(first.table("rl_params")) >= 26
    for other in others:
        for table, keys in KEYS.items():
            a, b = (found.table(table) for found in (first, other))
            if a.empty and b.empty:  # flows, as there is no line
                continue
            a, b = a.sort_values(keys), b.sort_values(keys)
            pd.testing.assert_frame_equal(
                a.reset_index(drop=True), b[list(a)].reset_index(drop=True), rtol=0, atol=1e-9
            )


@pytest.mark.parametrize("shell", ["agents", "batch"])
def test_every_unit_is_executed_once_an_instant(tmp_path: Path, shell: str) -> None:
    markets = {"A": LIMITED, "B": FOUR_HOURS, "EOM": HOURLY}
    compiled = toy_scenario(tmp_path, markets, hours=30)
    tables = play(compiled, shell)
    rows = tables.table("unit_dispatch")
    assert not rows.duplicated(["time", "unit"]).any()
    rows = rows.rename(columns={"unit": "unit_id", "time": "datetime"})
    keys = ["datetime", "unit_id"]
    sold = tables.table("market_dispatch").groupby(keys, as_index=False)["power"].sum()
    both = sold.merge(rows, on=keys, suffixes=("_sold", ""))
    # A demand buys in every market all that it still needs, and a plant sells all that it has.
    limits = both["unit_id"].map({"load": np.inf, "coal twin": 80.0})
    expected = both["power_sold"].clip(upper=limits)[limits.notna()]
    assert len(expected) > 40
    assert (both["power_sold"] > 80).any()
    np.testing.assert_allclose(both["power"][limits.notna()], expected, rtol=0, atol=1e-9)
