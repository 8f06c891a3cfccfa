"""Overrides of units, fuel prices, demand and availability: as if the tables had other values."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assume_rl.errors import ScenarioError
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import Reader, load_scenario
from assume_rl.scenario.types import Scenario

PLANTS, SHARES, FUELS = "powerplant_units.csv", "availability_df.csv", "fuel_prices_df.csv"
DEMAND = "demand_df.csv"


def same(a: Scenario, b: Scenario) -> None:
    """Both are the same to the core: units, capacities, costs and forecasts."""
    assert a.units == b.units
    mine, other = compile_scenario(a).profiles, compile_scenario(b).profiles
    torch.testing.assert_close(mine.capacity, other.capacity, rtol=0, atol=0)
    torch.testing.assert_close(mine.marginal_cost, other.marginal_cost, rtol=0, atol=0)
    for market, forecasts in mine.forecasts.items():
        expected = other.forecasts[market]
        torch.testing.assert_close(forecasts.price, expected.price, rtol=0, atol=0)
        torch.testing.assert_close(forecasts.residual_load, expected.residual_load, rtol=0, atol=0)


# (overrides; file, what to replace, by what) that mean the same
EQUAL: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "a number": ({"units.coal.max_power": 120}, (PLANTS, ",100,20,", ",120,20,")),
    "as text": ({"units.coal.max_power": "120"}, (PLANTS, ",100,20,", ",120,20,")),
    "two cells": (
        {"units.coal.max_power": 10, "units.coal.min_power": 5}, (PLANTS, ",100,20,", ",10,5,"),
    ),
    "a mapping": ({"units": {"coal": {"efficiency": 0.3}}}, (PLANTS, ",0.4,North", ",0.3,North")),
    "a strategy": (
        {"units.coal.bidding_EOM": "powerplant_energy_learning"},
        (PLANTS, "hard coal,powerplant_energy_naive", "hard coal,powerplant_energy_learning"),
    ),
    "out of the market": (
        {"units.coal.bidding_EOM": None}, (PLANTS, "coal,powerplant_energy_naive", "coal,"),
    ),
    "a forecast": (
        {"units.coal.forecast_price": "price_keep_given"},
        (PLANTS, "name,", "name,forecast_price,"),
    ),
    "an operator that looks like a number": (
        {"units.coal.unit_operator": 7}, (PLANTS, ",0.4,North", ",0.4,7"),
    ),
    "demand of a unit": ({"units.town.max_power": -250}, ("demand_units.csv", "200,", "250,")),
    "a fuel price": ({"fuel_prices.natural gas": 30}, (FUELS, ",25,", ",30,")),
    "a scaled fuel price": ({"fuel_prices.co2": {"scale": 1.5}}, (FUELS, ",20", ",30")),
    "scaled from the command line": (
        {"fuel_prices.co2": "{scale: 1.5}"}, (FUELS, ",20", ",30"),
    ),
    "availability": ({"availability.sun": 0.25}, (SHARES, ",0.5", ",0.25")),
    "scaled availability": ({"availability.sun.scale": 1.5}, (SHARES, ",0.5", ",0.75")),
    "limited availability": ({"availability.sun.scale": 3}, (SHARES, ",0.5", ",1")),
}  # fmt: skip


@pytest.mark.parametrize("name", EQUAL)
def test_an_override_is_as_good_as_another_table(folder: Any, name: str) -> None:
    overrides, change = EQUAL[name]
    changed = load_scenario(folder.path, overrides=overrides)
    if name == "a forecast":
        text = (folder.path / PLANTS).read_text().replace("name,", "name,forecast_price,")
        rows = text.replace("coal,hard", "coal,price_keep_given,hard").replace(
            "gas,gas", "gas,,gas"
        )
        folder.write(PLANTS, rows.replace("sun,solar", "sun,,solar"))
    else:
        folder.change(*change)
    same(changed, load_scenario(folder.path))


def test_demand_is_scaled_or_constant_and_stays_negative(folder: Any) -> None:
    plain = load_scenario(folder.path).series.demand["town"].to_numpy()
    for value, expected in (({"scale": 1.05}, 1.05 * plain), (80, -80.0), (-80, -80.0)):
        found = load_scenario(folder.path, overrides={"demand.town": value})
        np.testing.assert_array_equal(found.series.demand["town"], np.broadcast_to(expected, 25))


def test_a_constant_comes_before_its_scale(folder: Any) -> None:
    changed = {"demand.town.scale": 2, "demand.town": 50}
    assert (load_scenario(folder.path, overrides=changed).series.demand["town"] == -100).all()


def test_forecasts_follow_unless_the_folder_has_them(folder: Any) -> None:
    def load_of(overrides: dict[str, Any]) -> torch.Tensor:
        compiled = compile_scenario(load_scenario(folder.path, overrides=overrides))
        return compiled.profiles.forecasts["EOM"].residual_load

    double = {"demand.town": {"scale": 2}}
    assert (load_of(double) > load_of({})).all()
    given = (folder.path / DEMAND).read_text().replace("town", "residual_load_EOM")
    folder.write("forecasts_df.csv", given)
    assert torch.equal(load_of(double), load_of({}))


def test_the_longest_unit_is_meant_and_names_may_have_dots_and_spaces(folder: Any) -> None:
    folder.change(PLANTS, "gas,gas turbine", "coal.2 b,gas turbine")
    changed = load_scenario(folder.path, overrides={"units.coal.2 b.max_power": 7})
    assert [plant.max_power for plant in changed.of("power_plant")] == [100, 7, 50]


def test_a_unit_with_a_dot_can_have_a_policy(folder: Any) -> None:
    folder.change(PLANTS, "gas,gas turbine", "gas.2,gas turbine")
    changed = load_scenario(folder.path, overrides={"policies.gas.2": PLANTS})
    assert list(changed.config.policies) == ["gas.2"]


def test_a_plant_without_a_series_is_there_to_be_scaled(folder: Any) -> None:
    changed = load_scenario(folder.path, overrides={"availability.coal": {"scale": 0.9}})
    assert (changed.series.availability["coal"] == 0.9).all()


def test_what_was_changed_in_tables_is_recorded(folder: Any) -> None:
    given = {"units.coal.max_power": "120", "demand.town": {"scale": 2}, "seed": 3}
    scenario = load_scenario(folder.path, overrides=given)
    assert scenario.overrides == {"units.coal.max_power": 120, "demand.town.scale": 2}
    assert load_scenario(folder.path).overrides == {}


FAULTS: dict[str, tuple[str, Any, str]] = {
    "unit": ("units.cole.max_power", 1, "there is no such unit; did you mean 'coal'?"),
    "no column": ("units.coal", 1, "name a column, such as max_power"),
    "column": ("units.coal.max_powr", 1, "unknown column; did you mean 'max_power'?"),
    "market": ("units.coal.bidding_EON", "x", "unknown column; did you mean 'bidding_EOM'?"),
    "type": ("units.coal.max_power", "much", "should be a valid number"),
    "yes": ("units.coal.max_power", True, "should be a valid number"),
    "list": ("units.town.max_power", [1], "must be a single value, not [1]"),
    "nothing": ("units.town.max_power", None, "is missing"),
    "bounds": ("units.coal.efficiency", 2, "should be less than or equal to 1"),
    "strategy": (
        "units.coal.bidding_EOM", "powerplant_energy_lerning",
        "unknown strategy 'powerplant_energy_lerning'; did you mean 'powerplant_energy_learning'?",
    ),
    "kind": (
        "units.town.bidding_EOM", "powerplant_energy_naive_intraday",
        "is not for this kind of unit; did you mean 'demand_energy_naive_intraday'?",
    ),
    "short": (
        "units.coal.bidding_EOM", "intraday",
        "unknown strategy 'intraday'; did you mean 'powerplant_energy_naive_intraday'?",
    ),
    "tonnes": ("fuel_prices.CO2", 30, "there is no such fuel; did you mean 'co2'?"),
    "fuel": ("fuel_prices.hard_coal", 1, "there is no such fuel; did you mean 'hard coal'?"),
    "fuel type": ("fuel_prices.co2", "dear", "must be a number or {scale: number}, not 'dear'"),
    "infinite": ("fuel_prices.co2", float("inf"), "must be a number"),
    "factor": ("demand.town", {"factor": 2}, "unknown key 'factor'; valid: scale"),
    "scale": ("demand.town.scale", "much", "must be a number, not 'much'"),
    "negative": ("demand.town.scale", -1, "must not be negative, not -1"),
    "demand": ("demand.twon", 1, "there is no such demand unit; did you mean 'town'?"),
    "nameless": ("demand", 5, "there is no such demand unit; valid: town"),
    "plant": (
        "availability.town", 1, "there is no such power plant; valid: coal, gas, sun",
    ),
    "share": ("availability.sun", 95, "must lie between 0 and 1, not 95"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_one_sentence_that_names_the_key(folder: Any, fault: str) -> None:
    key, value, sentence = FAULTS[fault]
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path, overrides={key: value})
    (problem,) = raised.value.problems
    full = f"{key}.factor" if fault == "factor" else key
    assert problem.startswith(f"override {full}: ")
    assert sentence in problem


def test_values_that_do_not_fit_each_other_name_the_unit(folder: Any) -> None:
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path, overrides={"units.coal.max_power": 10})
    assert str(raised.value) == "override units.coal: min_power 20 is above max_power 10"


def test_a_fuel_without_a_price_cannot_be_scaled(folder: Any) -> None:
    folder.change(FUELS, "sunshine", "moonshine")
    with pytest.raises(ScenarioError, match="the fuel has no price to scale; write a number"):
        load_scenario(folder.path, overrides={"fuel_prices.sunshine.scale": 2})
    changed = load_scenario(folder.path, overrides={"fuel_prices.sunshine": 2})
    assert [w for w in changed.warnings if "no column" in w] == []
    assert (changed.series.fuel_prices["sunshine"] == 2).all()


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("num_envs", "learning_config.num_envs"),
        ("num_env", "learning_config.num_envs"),
        ("foresight", "bidding_strategy_params.foresight"),
        ("market_mechanism", "markets_config.EOM.market_mechanism"),
        ("EOM.market_mechanism", "markets_config.EOM"),
        ("unit.coal.max_power", "units"),
        ("end_dat", "end_date"),
        ("learning_mode", "learning_config.learning_mode"),
    ],
)
def test_a_key_without_its_section_is_told_where_it_belongs(
    folder: Any, key: str, nearest: str
) -> None:
    with pytest.raises(ScenarioError, match=f"override {key}: unknown key.* mean '{nearest}'"):
        load_scenario(folder.path, overrides={key: 5})


def test_a_setting_that_does_not_fit_is_told_at_its_override(folder: Any) -> None:
    key = "markets_config.EOM.market_mechanism"
    with pytest.raises(ScenarioError, match=f"^override {key}: unknown mechanism 'pay_as_bit'"):
        load_scenario(folder.path, overrides={key: "pay_as_bit"})
    folder.change("config.yaml", "pay_as_clear", "pay_as_bit")
    with pytest.raises(ScenarioError, match=r"^config.yaml, base.markets_config.EOM.market_mech"):
        load_scenario(folder.path, overrides={"seed": 1})


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("scenarios/single_lerner", "did you mean '{}/scenarios/single_learner'?"),
        ("scenarois/single_learner", "did you mean '{}/scenarios/single_learner'?"),
        ("scenarios/elsewhere", "'{}/scenarios' is the nearest that exists"),
        ("scenarios/single_learner/file", "'{}/scenarios/single_learner' is the nearest"),
    ],
)
def test_a_wrong_folder_is_told_the_nearest(tmp_path: Path, wrong: str, hint: str) -> None:
    (tmp_path / "scenarios" / "single_learner").mkdir(parents=True)
    (tmp_path / "scenarios" / "single_learner" / "file").touch()
    with pytest.raises(ScenarioError) as raised:
        load_scenario(tmp_path / wrong)
    assert str(raised.value).endswith("?" if "mean" in hint else "that exists")
    assert f"is not a folder; {hint.format(tmp_path)}" in str(raised.value)


def test_a_reader_reads_a_table_once_and_mixes_nothing_up(folder: Any) -> None:
    reader = Reader()
    first = reader.load(folder.path, overrides={"demand.town.scale": 2, "learning_config.gamma": 0})
    (folder.path / DEMAND).unlink()
    second = reader.load(folder.path)
    np.testing.assert_array_equal(first.series.demand, 2 * second.series.demand)
    assert (first.learning.gamma, second.learning.gamma) == (0.0, 0.99)
    with pytest.raises(ScenarioError, match="no such file"):
        reader.load(folder.path, overrides={"end_date": "2019-01-01 12:00"})


def test_an_impossible_date_is_one_sentence(folder: Any) -> None:
    folder.change("config.yaml", "end_date: 2019-01-02 00:00", "end_date: 2019-02-30")
    with pytest.raises(ScenarioError, match=r"^config.yaml, base.end_date: '2019-02-30' is not"):
        load_scenario(folder.path)


# (overrides, the problem): of a setting that does not fit others, where these are from too
AT_ODDS: list[tuple[dict[str, Any], str]] = [
    (
        {"bidding_strategy_params.foresight": 0},
        "override bidding_strategy_params.foresight: should be greater than 0, not 0",
    ),
    (
        {"bidding_strategy_params.act_dim": 7},
        "override bidding_strategy_params.act_dim: is 7, but powerplant_energy_learning has 2",
    ),
    (
        {"learning_config.min_bid_price": 200, "seed": 3},
        "config.yaml, base.learning_config: min_bid_price 200 is above max_bid_price 100 "
        "(override learning_config.min_bid_price)",
    ),
    (
        {"end_date": "2018-12-31"},
        "config.yaml, base: end_date 2018-12-31 00:00 is not after start_date 2019-01-01 00:00 "
        "(override end_date)",
    ),
    (
        {"learning_config.algorithm": "mappo"},
        "config.yaml, base.learning_config.clip_targets: is a key of r2d2, dqn, iddpg, "
        "itd3, maddpg, matd3, q_learning, qrdqn, "
        "not of the algorithm mappo (override learning_config.algorithm)",
    ),
]


@pytest.mark.parametrize(("overrides", "problem"), AT_ODDS)
def test_a_mistake_of_an_override_does_not_blame_the_files_alone(
    folder: Any, overrides: dict[str, Any], problem: str
) -> None:
    folder.change("config.yaml", "max_bid_price", "clip_targets: false\n    max_bid_price")
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path, overrides=overrides)
    assert raised.value.problems == (problem,)


def test_a_parameter_in_the_file_is_refused_there_once(folder: Any) -> None:
    folder.change("config.yaml", "seed: 7", "bidding_strategy_params: {foresight: 0}")
    folder.change(
        "powerplant_units.csv", "coal,powerplant_energy_naive", "coal,powerplant_energy_learning"
    )
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path)
    assert raised.value.problems == (
        "config.yaml, base.bidding_strategy_params.foresight: should be greater than 0, not 0",
    )
