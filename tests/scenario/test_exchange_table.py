"""Tables of exchanges: how they and their series are read, refused and counted in forecasts."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest

from assume_rl.core.bidding import BIDDERS, Entry
from assume_rl.core.bidding.base import Context
from assume_rl.core.bidding.learned import PlantLearning, PlantParams, single_bid
from assume_rl.errors import ScenarioError
from assume_rl.experiments.description import data_digest
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.describe import describe
from assume_rl.scenario.read import load_scenario

UNITS, SERIES, CONFIG = "exchange_units.csv", "exchanges_df.csv", "config.yaml"
ROWS = """\
name,bidding_EOM,price_import,price_export,unit_operator
border,exchange_energy_naive,10,80,Grid
cable,naive_exchange,0,2999,Sea
"""
COLUMNS = {
    "border_import": 30.0,
    "border_export": -20.0,
    "cable_import": -5.0,
    "cable_export": 40.0,
}


def series(**changed: float | None) -> str:
    kept = {name: value for name, value in {**COLUMNS, **changed}.items() if value is not None}
    index = pd.date_range("2019-01-01", periods=25, freq="h")
    return pd.DataFrame(kept, index=index).to_csv(date_format="%Y-%m-%d %H:%M")


@pytest.fixture
def bordered(folder: Any) -> Any:
    folder.write(UNITS, ROWS)
    folder.write(SERIES, series())
    return folder


def problem(path: Path, **overrides: Any) -> str:
    with pytest.raises(ScenarioError) as raised:
        load_scenario(path, overrides=overrides)
    return "\n".join(raised.value.problems)


def test_signs_do_not_matter_and_prices_have_defaults(bordered: Any) -> None:
    bordered.write(UNITS, "name,bidding_EOM,unit_operator\nborder,naive_exchange,Grid\n")
    bordered.write(SERIES, series(cable_import=None, cable_export=None))
    scenario = load_scenario(bordered.path)
    (border,) = compile_scenario(scenario).fleet.blocks[-1].params.price_import
    assert (border, scenario.of("exchange")[0].technology) == (0, "exchange")
    block = compile_scenario(load_scenario(bordered.path)).fleet.blocks[-1]
    assert block.params.price_export.tolist() == [2999]
    assert block.params.most_export[3].tolist() == [-20]
    assert scenario.warnings == ()


def _learned(context: Context, params: PlantParams) -> PlantLearning:
    bidder = single_bid(context, params)
    return replace(bidder, name="learned", technologies=frozenset({"exchange"}))


def test_an_exchange_may_learn_though_it_has_no_nameplate_power(bordered: Any) -> None:
    with patch.dict(BIDDERS, {"learned": Entry(_learned, PlantParams)}):
        bordered.change(UNITS, "exchange_energy_naive", "learned")
        assert load_scenario(bordered.path).of("exchange")[0].bidding == {"EOM": "learned"}


def test_they_come_last_and_are_counted_on_both_sides(bordered: Any) -> None:
    compiled = compile_scenario(load_scenario(bordered.path))
    assert compiled.fleet.ids[-2:] == ("border", "cable")
    assert compiled.profiles.capacity[0, -2:].tolist() == [30, 5]
    summary = describe(compiled)
    assert summary.units["exchange"] == 2
    assert (summary.markets[0].sellers, summary.markets[0].buyers) == (5, 3)


@pytest.mark.parametrize(("demand", "price"), [(100, 40), (155, 58)])
def test_forecasts_add_imports_to_the_demand_and_take_exports_off(
    bordered: Any, demand: float, price: float
) -> None:
    """As recorded: 100 MW, and 35 of import less 60 of export, are 75 MW."""
    bordered.change("demand_df.csv", "00:00,100.0", f"00:00,{demand}")
    forecasts = compile_scenario(load_scenario(bordered.path)).profiles.forecasts["EOM"]
    assert forecasts.residual_load[0, 0] == demand - 25 - 25  # half of the sun shines
    assert forecasts.price[0, 0] == price


def test_one_that_is_not_in_the_market_does_not_count(bordered: Any) -> None:
    overrides = {"units.cable.bidding_EOM": None}
    compiled = compile_scenario(load_scenario(bordered.path, overrides=overrides))
    assert compiled.profiles.forecasts["EOM"].residual_load[0, 0] == 100 + 10 - 25


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"cable_export": None}, f"{SERIES}, column 'cable_export': is missing; "),
        ({"cable_import": None}, "did you mean 'cable_export'?"),
    ],
)
def test_a_column_that_an_exchange_needs(
    bordered: Any, changed: dict[str, None], sentence: str
) -> None:
    bordered.write(SERIES, series(**changed))
    assert sentence in problem(bordered.path)


def test_a_column_of_no_exchange_is_a_warning(bordered: Any) -> None:
    bordered.write(SERIES, series(cabel_import=1.0))
    (warning,) = load_scenario(bordered.path).warnings
    assert warning.startswith(f"{SERIES}, column 'cabel_import': no exchange has it")
    assert "did you mean 'cable_import'?" in warning


def test_series_are_needed_where_there_are_exchanges_and_only_there(bordered: Any) -> None:
    bordered.remove(SERIES)
    assert problem(bordered.path) == f"{SERIES}: no such file, which every exchange needs"
    assert load_scenario(bordered.path, overrides={"exchange_units": None}).warnings == ()
    bordered.write(SERIES, series())
    assert load_scenario(bordered.path, overrides={"exchange_units": None}).warnings == ()
    named = load_scenario(bordered.path, overrides={"exchange_units": None, "exchanges_df": SERIES})
    assert named.warnings == (f"{SERIES}: nothing reads it: there is no exchange",)


def test_faults_of_the_series_are_named_once(bordered: Any) -> None:
    bordered.change(SERIES, "2019-01-01 03:00,30.0", "2019-01-01 03:00,")
    where = f"{SERIES}, row '2019-01-01 03:00', column 'border_import'"
    assert problem(bordered.path) == f"{where}: the value is missing"


def test_prices_can_be_changed(bordered: Any) -> None:
    overrides = {"units.cable.price_import": 7, "units.cable.price_export": 50}
    block = compile_scenario(load_scenario(bordered.path, overrides=overrides)).fleet.blocks[-1]
    assert block.params.price_import.tolist() == [10, 7]
    assert block.params.price_export.tolist() == [80, 50]
    assert "name a column, such as price_export" in problem(bordered.path, **{"units.cable": 1})


def test_units_and_series_are_part_of_the_hash(bordered: Any) -> None:
    first = data_digest(load_scenario(bordered.path))
    bordered.write(SERIES, series(cable_import=6.0))
    second = data_digest(load_scenario(bordered.path))
    bordered.change(UNITS, ",80,", ",81,")
    assert len({first, second, data_digest(load_scenario(bordered.path))}) == 3
