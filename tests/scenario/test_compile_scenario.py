"""Tensors of a scenario, by hand and against recorded forecasts."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.describe import describe
from assume_rl.scenario.read import load_scenario

CONFIG, PLANTS = "config.yaml", "powerplant_units.csv"


def compiled(folder: Any, **kwargs: Any) -> Compiled:
    return compile_scenario(load_scenario(folder.path, **kwargs))


def close(found: torch.Tensor, wanted: Any) -> None:
    wanted = torch.tensor(wanted, dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-9)


def test_fleet_is_plants_then_demands(folder: Any) -> None:
    fleet = compiled(folder).fleet
    assert fleet.ids == ("coal", "gas", "sun", "town")
    assert [(b.technology.name, b.start, b.stop) for b in fleet.blocks] == [
        ("thermal", 0, 3),
        ("demand", 3, 4),
    ]
    assert fleet.owner.tolist() == [0, 1, 1, 2]
    assert not fleet.blocks[0].params.ramped


def test_capacity_and_marginal_cost(folder: Any) -> None:
    profiles = compiled(folder).profiles
    close(profiles.capacity[2], [100, 80, 25, -102])
    # fuel/efficiency + co2 * emission factor/efficiency
    close(
        profiles.marginal_cost[0], [10 / 0.4 + 20 * 0.3 / 0.4, 25 / 0.5 + 20 * 0.2 / 0.5, 0, 3000]
    )


def test_start_costs_are_per_start_and_times_in_steps(folder: Any) -> None:
    folder.change(PLANTS, "efficiency", "hot_start_cost,downtime_hot_start,ramp_up,efficiency")
    for end, cells in ((",20,0.4", "5,3,10"), (",0,0.5", "0,0,0"), (",50,0,1", "0,0,0")):
        head, tail = end.rsplit(",", 1)
        folder.change(PLANTS, f"{end},", f"{head},{cells},{tail},")
    params = compiled(folder).fleet.blocks[0].params
    close(params.hot_start_cost, [500, 0, 0])
    close(params.downtime_hot_start, [3, 0, 0])
    assert params.ramped
    assert params.ramp_up.tolist() == [10, torch.inf, torch.inf]


def test_forecasts(folder: Any) -> None:
    folder.change("demand_df.csv", "02:00,102.0", "02:00,180.0")
    folder.change("demand_df.csv", "03:00,103.0", "03:00,999.0")
    forecasts = compiled(folder).profiles.forecasts["EOM"]
    close(forecasts.price[0, :4], [40, 40, 58, 3000])  # 25 MW sun, 100 coal, 80 gas; scarcity
    close(forecasts.residual_load[0, :4], [75, 76, 155, 974])
    assert forecasts.scaled_price.min() == 0
    assert forecasts.scaled_residual_load.max() == 1
    assert forecasts.series.tolist() == [0, 0, 0, 0]


def test_units_choose_their_forecast_algorithm(folder: Any) -> None:
    folder.change(PLANTS, "fuel_type", "forecast_price,fuel_type")
    folder.change(PLANTS, ",hard coal,0.3", ",,hard coal,0.3")
    folder.change(PLANTS, ",natural gas,", ",price_keep_given,natural gas,")
    folder.change(PLANTS, ",sunshine,", ",,sunshine,")
    forecasts = compiled(folder).profiles.forecasts["EOM"]
    assert forecasts.series.tolist() == [0, 1, 0, 0]
    close(forecasts.price[:, 0], [40, 50])
    close(forecasts.scaled_price[1], [0.5] * 25)


@pytest.mark.parametrize("used", [True, False])
def test_given_forecasts(folder: Any, used: bool) -> None:
    text: str = (folder.path / "demand_df.csv").read_text()
    folder.write("forecasts_df.csv", text.replace("town", "price_EOM"))
    folder.change(CONFIG, "seed: 7", f"use_forecasts_df: {used}")
    price = compiled(folder).profiles.forecasts["EOM"].price[0]
    close(price[:2], [100, 101] if used else [40, 40])


@pytest.mark.parametrize(
    ("technology", "found"),
    [("Wind Onshore", True), ("SOLAR", True), ("wind_onshore", False), ("biomass", False)],
)
def test_renewables_are_recognised_as_in_the_format(
    folder: Any, technology: str, found: bool
) -> None:
    folder.change(PLANTS, "sun,solar", f"sun,{technology}")
    load = compiled(folder).profiles.forecasts["EOM"].residual_load[0, 0]
    assert load == (75 if found else 100)


def test_operators_group_units_by_bidder(folder: Any) -> None:
    found = compiled(folder)
    assert [(o.name, o.units) for o in found.operators] == [
        ("North", (0,)),
        ("South", (1, 2)),
        ("Grid", (3,)),
    ]
    south = found.operators[1].participants["EOM"]
    assert [(p.bidder.name, p.units) for p in south] == [
        ("powerplant_energy_learning", (1,)),
        ("powerplant_energy_naive", (2,)),
    ]
    assert found.learners == ("gas",)


def test_unit_of_no_market_is_in_the_fleet_but_does_not_bid(folder: Any) -> None:
    folder.change(PLANTS, "coal,powerplant_energy_naive", "coal,")
    found = compiled(folder)
    assert found.operators[0].units == (0,)
    assert found.operators[0].participants == {}


def test_strategy_parameters_reach_the_strategies(folder: Any) -> None:
    overrides = {"bidding_strategy_params.foresight": 6, "learning_config.max_bid_price": 80}
    found = compiled(folder, overrides=overrides)
    bidder = found.operators[1].participants["EOM"][0].bidder
    assert bidder.foresight == 6
    assert found.lookback == 7


def test_memory_covers_foresight_executions_and_sales(folder: Any) -> None:
    hourly = compiled(folder)
    assert (hourly.lookback, hourly.horizon) == (13, 3)  # foresight 12; delivery ends 2 h ahead
    folder.change(CONFIG, "count: 1", "count: 20")
    folder.change(CONFIG, "opening_frequency: 1h", "opening_frequency: 24h")
    assert compiled(folder).horizon == 22


def test_minimum_times_count_only_with_ramps(folder: Any) -> None:
    folder.change(PLANTS, "emission_factor", "min_down_time")
    folder.change(PLANTS, ",0.3,", ",30,")
    assert compiled(folder).lookback == 13
    folder.change(PLANTS, "fuel_type", "ramp_up")
    folder.change(PLANTS, "naive,hard coal", "naive,10")
    folder.change(PLANTS, "natural gas", "0")
    folder.change(PLANTS, "sunshine", "0")
    assert compiled(folder).lookback == 33  # 30 h before the earliest of 2 executed steps


def test_description(folder: Any) -> None:
    summary = describe(compiled(folder))
    assert summary.units == {"power plant": 3, "demand unit": 1}
    assert summary.operators == ("North", "South", "Grid")
    assert summary.learners == ("gas",)
    (market,) = summary.markets
    assert (market.auctions, market.sellers, market.buyers) == (23, 3, 1)
    assert f"{market.first_delivery:%d %H}" == "01 01"
    assert f"{market.last_delivery:%d %H}" == "02 00"


@pytest.mark.reference
@pytest.mark.parametrize(
    "vector", ["v01_basic", "v02_pay_as_bid", "v06_dam24_ramps", "v10_rl_plants"]
)
def test_recorded_forecasts(reference: Path, vector: str) -> None:
    folder = reference / "vectors" / vector
    found = compile_scenario(load_scenario(folder / "inputs")).profiles.forecasts["EOM"]
    recorded = pd.read_csv(folder / "expected" / "forecasts.csv")
    close(found.price[0], recorded["price_EOM"].to_numpy())
    close(found.residual_load[0], recorded["residual_load_EOM"].to_numpy())


@pytest.mark.reference
@pytest.mark.parametrize(
    ("example", "case", "auctions"),
    [("example_01a", "base", 719), ("example_01a", "dam", 29), ("example_02a", "tiny", 95)],
)
def test_recorded_scenarios_compile(
    reference: Path, example: str, case: str, auctions: int
) -> None:
    folder = reference / "examples" / "scenarios" / example
    summary = describe(compile_scenario(load_scenario(folder, case)))
    assert summary.markets[0].auctions == auctions
