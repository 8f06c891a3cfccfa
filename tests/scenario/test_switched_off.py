"""A market that is null is as if neither it nor the columns of its bidders were there."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from assume_rl.envs.record import play_recorded
from assume_rl.errors import ScenarioError
from assume_rl.experiments.description import data_digest
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario
from assume_rl.scenario.write import scenario_files
from assume_rl.testing.episodes import Frames

CONFIG, PLANTS, OPERATORS = "config.yaml", "powerplant_units.csv", "unit_operators.csv"
RESERVE = """\
    RES:
      operator: grid
      product_type: capacity_pos
      products: [{duration: 4h, count: 1, first_delivery: 1h}]
      opening_frequency: 4h
      opening_duration: 1h
      market_mechanism: pay_as_clear
other:"""
OFF = {"markets_config.RES": None}


@pytest.fixture
def alone(folder: Any) -> Scenario:
    """The folder before it has a market of reserve, which it has then."""
    folder.change(PLANTS, "learning,natural", "naive,natural")
    before = load_scenario(folder.path, "base")
    folder.change(CONFIG, "other:", RESERVE)
    folder.change(PLANTS, "bidding_EOM,", "bidding_EOM,bidding_RES,")
    folder.change(PLANTS, "naive,hard", "naive,powerplant_capacity_heuristic_balancing_pos,hard")
    folder.change(PLANTS, "naive,natural", "naive,,natural")
    folder.change(PLANTS, "naive,sunshine", "naive,,sunshine")
    folder.write(OPERATORS, "name,bidding_RES\nNorth,units_operator_direct\n")
    index = pd.date_range("2019-01-01", periods=25, freq="h", name="datetime")
    pd.DataFrame({"price_RES": 5.0}, index).to_csv(folder.path / "forecasts_df.csv")
    return before


def prices(scenario: Scenario) -> list[float]:
    frames = Frames()
    play_recorded(compile_scenario(scenario), seed=1, policies={}, sink=frames)
    found: list[float] = frames.table("market_meta")["price"].to_list()
    return found


@pytest.mark.unchecked
def test_all_is_as_if_it_had_never_been_there(folder: Any, alone: Scenario) -> None:
    off = load_scenario(folder.path, "base", overrides=OFF, strict=True)
    assert off.warnings == alone.warnings
    assert off.units_by_kind == alone.units_by_kind
    assert list(off.config.markets_config) == ["EOM"]
    assert prices(off) == prices(alone) != prices(load_scenario(folder.path, "base"))
    assert off.operators == {}


def test_it_is_switched_off_in_the_file_too(folder: Any, alone: Scenario) -> None:
    written = RESERVE.partition("\n")[0]
    folder.change(CONFIG, RESERVE, f"{written} null\nother:")
    assert load_scenario(folder.path, "base").units_by_kind == alone.units_by_kind
    with pytest.raises(ScenarioError, match=r"RES.price_tick: there is no section 'RES'"):
        load_scenario(folder.path, "base", overrides={"markets_config.RES.price_tick": 1})


def test_a_written_scenario_has_it_switched_off(
    folder: Any, alone: Scenario, tmp_path: Path
) -> None:
    off = load_scenario(folder.path, "base", overrides=OFF)
    (tmp_path / "written").mkdir()
    for name, content in scenario_files(off, seed=7).items():
        (tmp_path / "written" / name).write_bytes(content)
    again = load_scenario(tmp_path / "written")
    assert again.units_by_kind == alone.units_by_kind
    assert data_digest(again) == data_digest(off)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("RESS", "there is no such market to switch off; did you mean 'RES'?"),
        ("res", "there is no such market to switch off; did you mean 'RES'?"),
    ],
)
def test_a_market_that_does_not_exist_is_not_switched_off(
    folder: Any, alone: Scenario, name: str, said: str
) -> None:
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path, "base", overrides={f"markets_config.{name}": None})
    assert raised.value.problems == (f"override markets_config.{name}: {said}",)


def test_a_scenario_needs_a_market(folder: Any, alone: Scenario) -> None:
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path, "base", overrides={**OFF, "markets_config.EOM": None})
    assert raised.value.problems == ("config.yaml, base.markets_config: there is no market",)
