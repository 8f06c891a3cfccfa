"""A unit kind that exists only in this file: one call registers it, and everything knows it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import Field

from assume_rl.core.units.thermal import ThermalParams
from assume_rl.errors import ConfigurationError, ScenarioError
from assume_rl.experiments.description import data_digest
from assume_rl.experiments.run import run
from assume_rl.reports.source import queries
from assume_rl.reports.source.opening import open_source
from assume_rl.results.study_tables import collected, study_metadata
from assume_rl.results.tables import metadata
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.config.schema import StudyCase
from assume_rl.scenario.describe import describe
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.tables import UNIT_TABLES, register, unregister
from assume_rl.scenario.tables.base import (
    MetaColumn,
    Series,
    SeriesFile,
    Unit,
    UnitTable,
    Values,
    column,
)
from assume_rl.testing.toys import toy_thermal

CONFIG, TURBINES = "config.yaml", "wind_turbines.csv"
ROWS = """\
name,technology,bidding_EOM,rotor,unit_operator
big,wind,powerplant_energy_naive,30,Coast
small,wind,powerplant_energy_naive,10,Coast
"""


class Turbine(Unit):
    """Its rotor decides its power."""

    rotor: float = Field(ge=0)
    """MW."""

    def concerns(self) -> dict[str, str]:
        return {"rotor": "is meant in MW"} if self.rotor > 1000 else {}


def _params(turbines: Sequence[Turbine], _: float) -> ThermalParams:
    return toy_thermal(column(t.rotor for t in turbines).tolist())


def _capacity(turbine: Turbine, series: Series) -> Values:
    return series.available(turbine, turbine.rotor)


def _cost(_: Turbine, series: Series) -> Values:
    return series.constant(1.5)


TURBINE = UnitTable(
    name="turbine",
    label="turbine",
    file="wind_turbines",
    row=Turbine,
    technology="thermal",
    to_params=_params,
    capacity=_capacity,
    marginal_cost=_cost,
    forecast="supply",
    power="rotor",
    availability="share",
    meta=(MetaColumn("rotor", "MW"),),
)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    register(TURBINE)
    yield
    unregister("turbine")


@pytest.fixture
def windy(folder: Any) -> Any:
    folder.change("powerplant_units.csv", "powerplant_energy_learning", "powerplant_energy_naive")
    folder.write(TURBINES, ROWS)
    return folder


def test_its_file_is_read_and_its_units_come_after_the_others(windy: Any) -> None:
    scenario = load_scenario(windy.path)
    assert [unit.id for unit in scenario.units] == ["coal", "gas", "sun", "town", "big", "small"]
    assert [turbine.rotor for turbine in scenario.of("turbine")] == [30, 10]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (",30,", ",-30,", f"{TURBINES}, row 'big', column 'rotor': should be greater than"),
        ("rotor", "motor", f"{TURBINES}, column 'rotor': the column is missing"),
        ("energy_naive", "energy_nave", "unknown strategy 'powerplant_energy_nave'"),
        ("small,", "sun,", f"{TURBINES}, row 'sun': the name belongs to several units: power plant "
         "and turbine"),
    ],
)  # fmt: skip
def test_its_faults_are_named(windy: Any, old: str, new: str, sentence: str) -> None:
    windy.change(TURBINES, old, new)
    with pytest.raises(ScenarioError) as raised:
        load_scenario(windy.path)
    assert sentence in str(raised.value)


def test_its_concerns_are_warnings(windy: Any) -> None:
    expected = f"{TURBINES}, row 'big', column 'rotor': is meant in MW"
    assert expected not in load_scenario(windy.path).warnings
    windy.change(TURBINES, ",30,", ",30000,")
    assert expected in load_scenario(windy.path).warnings


def test_its_file_key_names_another_file_or_switches_it_off(windy: Any) -> None:
    (windy.path / TURBINES).rename(windy.path / "other.csv")
    assert load_scenario(windy.path).of("turbine") == ()
    named = load_scenario(windy.path, overrides={"wind_turbines": "other.csv"})
    assert len(named.of("turbine")) == 2
    windy.change(CONFIG, "seed: 7", "wind_turbines: missing.csv")
    with pytest.raises(ScenarioError, match=r"missing.csv: the file, named by wind_turbines"):
        load_scenario(windy.path)
    windy.change(CONFIG, "missing.csv", "null")
    assert load_scenario(windy.path).of("turbine") == ()


def test_a_key_of_no_kind_is_an_error_and_so_is_a_number_of_turbines(windy: Any) -> None:
    windy.change(CONFIG, "seed: 7", "wind_turbine: x.csv")
    with pytest.raises(ScenarioError, match=r"base.wind_turbine: unknown key"):
        load_scenario(windy.path)
    windy.change(CONFIG, "wind_turbine: x.csv", "wind_turbines: [3]")
    with pytest.raises(ScenarioError, match=r"base.wind_turbines: must be text"):
        load_scenario(windy.path)


def test_the_json_schema_has_its_key_and_no_others(windy: Any) -> None:
    schema = StudyCase.model_json_schema()
    assert schema["properties"]["wind_turbines"]["default"] == TURBINES
    assert schema["additionalProperties"] is False


def test_it_is_compiled_and_forecasts_see_it(windy: Any) -> None:
    text = (windy.path / "availability_df.csv").read_text()
    windy.write("availability_df.csv", text.replace("sun", "big"))
    compiled = compile_scenario(load_scenario(windy.path))
    block = compiled.fleet.blocks[-1]
    assert (block.technology.name, block.start, block.stop) == ("thermal", 4, 6)
    assert block.params.max_power.tolist() == [30, 10]
    assert compiled.profiles.capacity[0, 4:].tolist() == [15, 10]
    assert compiled.profiles.marginal_cost[0, 4:].tolist() == [1.5, 1.5]
    # 100 MW are wanted; the sun has 50 MW now, the wind 25
    assert compiled.profiles.forecasts["EOM"].residual_load[0, 0] == 25


def test_it_is_described(windy: Any) -> None:
    summary = describe(compile_scenario(load_scenario(windy.path)))
    assert summary.units == {"power plant": 3, "demand unit": 1, "turbine": 2}
    assert (summary.markets[0].sellers, summary.markets[0].buyers) == (5, 1)


def test_its_columns_can_be_changed_and_its_availability(windy: Any) -> None:
    overrides = {"units.big.rotor": 40, "availability.big": 0.5}
    compiled = compile_scenario(load_scenario(windy.path, overrides=overrides))
    assert compiled.profiles.capacity[0, 4] == 20
    with pytest.raises(ScenarioError, match=r"units.big: name a column, such as rotor"):
        load_scenario(windy.path, overrides={"units.big": 1})


def test_it_changes_the_hash_and_only_where_it_has_units(windy: Any) -> None:
    with_both = data_digest(load_scenario(windy.path))
    windy.change(TURBINES, ",30,", ",31,")
    assert data_digest(load_scenario(windy.path)) != with_both
    windy.remove(TURBINES)
    without = data_digest(load_scenario(windy.path))
    unregister("turbine")
    assert data_digest(load_scenario(windy.path)) == without != with_both


@pytest.mark.parametrize("engine", ["agents", "batch"])
def test_it_runs_and_is_written_and_reported(windy: Any, tmp_path: Path, engine: Any) -> None:
    out = tmp_path / "out"
    scenario = load_scenario(windy.path, overrides={"learning_config.learning_mode": False})
    run(scenario, out=out, engine=engine)
    with closing(sqlite3.connect(out / "results.db")) as connection:
        read = connection.execute
        assert read('SELECT "index", rotor, unit_operator FROM turbine_meta').fetchall() == [
            ("big", 30.0, "Coast"), ("small", 10.0, "Coast"),
        ]  # fmt: skip
        sold = read("SELECT SUM(power) FROM market_dispatch WHERE unit_id = 'big'").fetchone()
        assert sold == (23 * 30,)
        assert ("small", 1.5) in read("SELECT unit, marginal_cost FROM marginal_costs").fetchall()
    recorded = open_source(out).recorded[0]
    known = queries.units(recorded).set_index("unit")
    assert known.loc["big", "technology"] == "wind"
    assert not known.loc["big", "demand"]
    assert "wind" in set(queries.dispatch(recorded)["technology"])


def test_studies_collect_its_table(windy: Any) -> None:
    assert "turbine_meta" in collected()
    assert {"run_id", "step", "rotor"} <= set(
        study_metadata().tables["turbine_meta"].columns.keys()
    )
    unregister("turbine")
    assert "turbine_meta" not in {
        *collected(),
        *metadata().tables,
        *study_metadata().tables,
        *UNIT_TABLES,
    }


def test_a_kind_whose_technology_is_not_registered_is_refused() -> None:
    unregister("turbine")
    with pytest.raises(ConfigurationError, match="'turbine': unknown technology 'termal'; did you"):
        register(replace(TURBINE, technology="termal"))
    assert "turbine" not in UNIT_TABLES


def test_two_kinds_cannot_share_a_name_or_a_file() -> None:
    with pytest.raises(ConfigurationError, match="clashes with 'turbine'"):
        register(TURBINE)
    flows = SeriesFile[Turbine]("exchanges_df", lambda turbine: [turbine.id])
    with pytest.raises(ConfigurationError, match="'exchanges_df' clashes with 'exchange'"):
        register(replace(TURBINE, name="mill", file="mills", series=flows))


def test_its_file_of_series_is_read_and_known_by_its_key(windy: Any) -> None:
    unregister("turbine")
    gusts = SeriesFile[Turbine]("gusts_df", lambda turbine: [f"{turbine.id}_gust"])
    register(replace(TURBINE, series=gusts, load=gust_of))
    assert StudyCase.model_json_schema()["properties"]["gusts_df"]["default"] == "gusts_df.csv"
    with pytest.raises(ScenarioError, match=r"gusts_df\.csv: no such file, which every"):
        load_scenario(windy.path)
    windy.write("gusts.csv", hourly_gusts())
    scenario = load_scenario(windy.path, overrides={"gusts_df": "gusts.csv"})
    assert list(scenario.series.own["gusts_df"]) == ["big_gust", "small_gust"]
    # 100 MW are wanted and the gusts want 7; the sun has 25 MW now, the wind 40.
    assert compile_scenario(scenario).profiles.forecasts["EOM"].residual_load[0, 0] == 42


def gust_of(turbine: Turbine, series: Series) -> Values:
    return series.own["gusts_df"][f"{turbine.id}_gust"].to_numpy()


def hourly_gusts() -> str:
    index = pd.date_range("2019-01-01", periods=25, freq="h")
    gusts = pd.DataFrame({"big_gust": 5.0, "small_gust": 2.0}, index=index)
    return gusts.to_csv(date_format="%Y-%m-%d %H:%M")
