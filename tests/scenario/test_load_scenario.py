"""What a good folder is read as."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assume_rl.errors import ScenarioError
from assume_rl.learning.config import Schedule
from assume_rl.scenario.read import load_scenario

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
CONFIG, PLANTS, DEMANDS = "config.yaml", "powerplant_units.csv", "demand_units.csv"


def test_names_calendar_and_defaults(folder: Any) -> None:
    scenario = load_scenario(folder.path)
    assert (scenario.case, scenario.name) == ("base", folder.path.name)
    assert scenario.simulation_id == f"{folder.path.name}_base"
    assert len(scenario.index) == 25
    assert scenario.config.markets_config["EOM"].maximum_bid_price == 3000.0
    assert scenario.of("power_plant")[0].min_operating_time == 1.0
    assert scenario.of("demand")[0].price == 3000.0


def test_empty_cell_is_zero_and_absent_column_the_default(folder: Any) -> None:
    folder.change(DEMANDS, "unit_operator", "price,unit_operator")
    folder.change(DEMANDS, ",0,Grid", ",0,,Grid")
    scenario = load_scenario(folder.path)
    assert scenario.of("demand")[0].price == 0.0
    assert "empty cells of 'town' count as 0, not as the default 3000" in scenario.warnings[0]


def test_empty_strategy_keeps_a_unit_out(folder: Any) -> None:
    folder.change(PLANTS, "coal,powerplant_energy_naive", "coal,n.a.")
    assert load_scenario(folder.path).of("power_plant")[0].bidding == {}


def test_ramp_of_zero_is_no_limit(folder: Any) -> None:
    folder.change(PLANTS, "efficiency", "ramp_up,efficiency")
    folder.change(PLANTS, ",20,0.4", ",20,30,0.4")
    folder.change(PLANTS, ",0,0.5", ",0,0,0.5")
    folder.change(PLANTS, ",50,0,1", ",50,0,,1")
    assert [p.ramp_up for p in load_scenario(folder.path).of("power_plant")] == [30.0, None, None]


@pytest.mark.parametrize("sign", ["", "-"])
def test_demand_is_negative_whatever_its_sign(folder: Any, sign: str) -> None:
    folder.change(DEMANDS, ",200,0,", f",{sign}200,0,")
    folder.change("demand_df.csv", ",100.0", f",{sign}100.0")
    scenario = load_scenario(folder.path)
    assert (scenario.of("demand")[0].max_power, scenario.of("demand")[0].min_power) == (-200, 0)
    assert scenario.series.demand["town"].iloc[0] == -100


def test_demand_without_a_column_is_zero_and_says_so(folder: Any) -> None:
    row = "village,inflex_demand,demand_energy_naive,9,0,Grid\n"
    folder.write(DEMANDS, (folder.path / DEMANDS).read_text() + row)
    scenario = load_scenario(folder.path)
    assert (scenario.series.demand["village"] == 0).all()
    assert "no column for the demand unit 'village', its demand is 0" in scenario.warnings[0]


def test_availability_in_mw_is_divided_by_max_power(folder: Any) -> None:
    folder.change("availability_df.csv", "03:00,0.5", "03:00,20")
    shares = load_scenario(folder.path).series.availability["sun"]
    np.testing.assert_allclose([shares.iloc[3], shares.iloc[4]], [0.4, 0.01])


def test_overrides_are_typed_and_may_open_a_section(folder: Any) -> None:
    scenario = load_scenario(
        folder.path,
        overrides={
            "learning_config.gamma": "1e-1",
            "bidding_strategy_params.foresight": 6,
            "markets_config.EOM.products.0.count": "2",
            "end_date": "2019-01-01 12:00",
        },
    )
    assert scenario.learning.gamma == 0.1
    assert scenario.config.bidding_strategy_params["foresight"] == 6
    assert scenario.config.markets_config["EOM"].products[0].count == 2
    assert len(scenario.index) == 13


def test_overrides_reach_into_learning_settings_that_are_not_written(folder: Any) -> None:
    settings = {
        "reward.type": "profit",
        "reward.scale": "0.1",
        "learning_rates.actor": "1e-4",
        "learning_rate_schedule.critic.schedule": "exponential",
        "learning_rate_schedule.critic.end": "0.1",
        "target_noise_schedule.schedule": "linear",
    }
    overrides = {f"learning_config.{key}": value for key, value in settings.items()}
    learning = load_scenario(folder.path, overrides=overrides).learning
    assert (learning.reward.type, learning.reward.scale) == ("profit", 0.1)
    assert learning.learning_rates == {"actor": 1e-4}
    critic = Schedule(schedule="exponential", end=0.1)
    assert learning.learning_rate_schedule == {"critic": critic}
    written = {"learning_config.learning_rate_schedule": "linear"}
    assert load_scenario(folder.path, overrides=written | overrides).learning == learning


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("reward.tipe", "learning_config.reward.tipe"),
        ("rewrad.type", "unknown key 'rewrad'; did you mean 'reward'?"),
        ("gamma.type", "learning_config.gamma: "),
    ],
)
def test_overrides_that_reach_into_nothing_say_so(folder: Any, key: str, sentence: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(sentence)):
        load_scenario(folder.path, overrides={f"learning_config.{key}": "profit"})


def test_paths_are_relative_to_the_folder(folder: Any) -> None:
    folder.write("gas.safetensors", "")
    folder.change(CONFIG, "seed: 7", "seed: null\n  policies: {gas: gas.safetensors}")
    folder.change(CONFIG, "max_bid_price: 100", "trained_policies_load_path: learned/last")
    scenario = load_scenario(folder.path)
    assert scenario.config.policies == {"gas": str(folder.path / "gas.safetensors")}
    assert scenario.learning.trained_policies_load_path == str(folder.path / "learned/last")
    assert scenario.config.seed is None


def test_file_key_names_another_file_or_none(folder: Any) -> None:
    (folder.path / "availability_df.csv").rename(folder.path / "weather.csv")
    folder.change(CONFIG, "seed: 7", "availability_df: weather.csv\n  fuel_prices_df: null")
    scenario = load_scenario(folder.path)
    assert list(scenario.series.availability) == ["sun"]
    assert scenario.series.fuel_prices.empty
    assert "all prices are 0" in scenario.warnings[0]


def test_series_name_does_not_matter_with_another_case(folder: Any) -> None:
    text = (folder.path / CONFIG).read_text()
    folder.write(CONFIG, text.replace("base:", "first:").replace("other:", "base:"))
    assert load_scenario(str(folder.path), "first").case == "first"


def test_recorded_example_with_exchanges_switched_off(reference: Path) -> None:
    scenario = load_scenario(reference / "examples/scenarios/example_01a", "dam")
    unread = "fuel_prices_df.csv: no unit burns 'oil', 'biomass': nothing reads these columns"
    assert scenario.warnings == (unread,)
    assert len(scenario.index) == 721


@pytest.mark.parametrize(("name", "learners"), [("single_learner", 1), ("ten_learners", 10)])
def test_plants_on_a_ladder_are_the_plants_of_the_scenario(name: str, learners: int) -> None:
    cases = (load_scenario(SCENARIOS / name, case) for case in ("base", "ladder"))
    tables = [pd.read_csv(SCENARIOS / name / own.config.powerplant_units) for own in cases]
    differs = (tables[0] != tables[1]).sum()
    assert dict(differs[differs > 0]) == {"bidding_EOM": learners}
    assert (tables[1].bidding_EOM == "powerplant_energy_learning_ladder").sum() == learners
