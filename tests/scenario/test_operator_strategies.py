"""Portfolio strategies of unit operators: how they are read, refused, and what they do to bids."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from assume_rl.core.bidding import OPERATORS
from assume_rl.envs.record import play_recorded
from assume_rl.errors import ConfigurationError, ScenarioError
from assume_rl.experiments.description import data_digest
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.plugins import load_plugins, unload_plugins
from assume_rl.scenario.read import load_scenario
from assume_rl.testing import assert_same_episode

FILE, PLANTS = "unit_operators.csv", "powerplant_units.csv"
DIRECT, COURNOT = "units_operator_direct", "units_operator_energy_heuristic_cournot"
MARKUP = {"bidding_strategy_params.markup": 0.1}


@pytest.fixture
def owned(folder: Any) -> Any:
    """Two plants of South, one of North, all at marginal cost."""
    folder.change(PLANTS, "powerplant_energy_learning", "powerplant_energy_naive")
    return folder


def strategies(folder: Any, *rows: str) -> Path:
    folder.write(FILE, "\n".join(["name,bidding_EOM", *rows, ""]))
    path: Path = folder.path
    return path


def problem(path: Path, **overrides: Any) -> str:
    with pytest.raises(ScenarioError) as raised:
        load_scenario(path, overrides=overrides)
    return "\n".join(raised.value.problems)


def prices(path: Path, **overrides: Any) -> dict[str, set[float]]:
    """Prices of all orders, by unit."""
    sink = MemorySink()
    compiled = compile_scenario(load_scenario(path, overrides=overrides))
    play_recorded(compiled, seed=1, policies={}, sink=sink)
    table = sink.table("market_orders")
    found: dict[str, set[float]] = {}
    for unit, price in zip(table["unit_id"], table["price"], strict=True):
        found.setdefault(str(unit), set()).add(round(float(price), 9))
    return found


def test_a_cournot_operator_adds_its_capacity_to_all_that_it_sells(owned: Any) -> None:
    alone = prices(owned.path)
    assert alone == {"coal": {40.0}, "gas": {58.0}, "sun": {0.0}, "town": {3000.0}}
    # South owns gas and sun: 0.1 EUR/MWh per MW, 130 MW.
    owner = prices(strategies(owned, f"South,{COURNOT}"), **MARKUP)
    assert owner == {**alone, "gas": {71.0}, "sun": {13.0}}


def test_several_operators_each_with_its_own_capacity(owned: Any) -> None:
    found = prices(strategies(owned, f"South,{COURNOT}", f"North,{COURNOT}"), **MARKUP)
    assert found == {"coal": {50.0}, "gas": {71.0}, "sun": {13.0}, "town": {3000.0}}


def test_what_an_operator_buys_keeps_its_price(owned: Any) -> None:
    found = prices(strategies(owned, f"Grid,{COURNOT}"), **MARKUP)
    assert found == prices(strategies(owned, f"Grid,{DIRECT}"))


def test_an_operator_without_power_cannot_learn(owned: Any) -> None:
    table = pd.read_csv(owned.path / PLANTS)
    table.loc[table["unit_operator"] == "North", ["max_power", "min_power"]] = 0
    table.to_csv(owned.path / PLANTS, index=False)
    found = problem(strategies(owned, "North,portfolio_learning"))
    assert "row 'North', column 'bidding_EOM': its plants have no power" in found


@pytest.mark.parametrize("row", [f"South,{DIRECT}", f"South,{COURNOT}", "South,"])
def test_direct_no_markup_and_an_empty_cell_change_nothing(owned: Any, row: str) -> None:
    before = prices(owned.path)
    assert prices(strategies(owned, row)) == before


def test_both_shells_agree(owned: Any) -> None:
    path = strategies(owned, f"South,{COURNOT}", f"North,{COURNOT}")
    assert_same_episode(compile_scenario(load_scenario(path, overrides=MARKUP)), {})


def test_the_hash_of_the_data_knows_them(owned: Any) -> None:
    without = data_digest(load_scenario(owned.path))
    direct = data_digest(load_scenario(strategies(owned, f"South,{DIRECT}")))
    cournot = data_digest(load_scenario(strategies(owned, f"South,{COURNOT}")))
    assert len({without, direct, cournot}) == 3


def test_names_that_do_not_exist(owned: Any) -> None:
    path = strategies(owned, "South,units_operator_cournot")
    assert (
        f"{FILE}, row 'South', column 'bidding_EOM': no strategy of operators is called "
        f"'units_operator_cournot'; did you mean"
    ) in problem(path)
    scenario = load_scenario(strategies(owned, f"Sout,{DIRECT}"))
    assert f"{FILE}, row 'Sout': owns no unit; did you mean 'South'?" in scenario.warnings


def test_a_learner_has_no_markup(folder: Any) -> None:
    sentence = problem(strategies(folder, f"South,{COURNOT}"))
    assert f"{FILE}, row 'South', column 'bidding_EOM'" in sentence
    assert "'powerplant_energy_learning' learns its prices" in sentence
    assert load_scenario(strategies(folder, f"South,{DIRECT}")).operators == {
        "South": {"EOM": DIRECT}
    }


MILL = """\
name,technology,bidding_EOM,max_power,min_power,price,elasticity_model,num_bids,unit_operator
mill,industry,demand_energy_heuristic_elastic,80,0,70,linear,4,South
"""


@pytest.mark.parametrize(
    ("rows", "price", "bought", "sold"),
    [
        # 25 MW of sun at 0 and 10 MW of coal at 40 serve 20 MW at 70 and 15 of 20 MW at 52.5.
        ((), 40.0, [20.0, 15.0, 0.0, 0.0], {"coal": 10.0, "gas": 0.0, "sun": 25.0}),
        # South sells up to 130 MW at 0.5 EUR/MWh per MW more: sun at 65, so that 10 MW of it
        # serve what is left of the first step, and nothing serves the second one, at 52.5 still.
        (
            (f"South,{COURNOT}",), 65.0, [20.0, 0.0, 0.0, 0.0],
            {"coal": 10.0, "gas": 0.0, "sun": 10.0},
        ),
    ],
)  # fmt: skip
def test_a_cournot_operator_that_owns_elastic_demand(
    owned: Any, rows: Any, price: float, bought: list[float], sold: dict[str, float]
) -> None:
    owned.write("demand_units.csv", MILL)
    owned.remove("demand_df.csv")
    owned.change(PLANTS, "0.3,100,20", "0.3,10,0")
    path = strategies(owned, *rows) if rows else owned.path
    compiled = compile_scenario(
        load_scenario(path, overrides={"bidding_strategy_params.markup": 0.5} if rows else {})
    )
    assert_same_episode(compiled, {})
    sink = MemorySink()
    play_recorded(compiled, seed=1, policies={}, sink=sink)
    assert set(sink.table("market_meta")["price"]) == {price}
    orders = pd.DataFrame(sink.table("market_orders"))
    for _, hour in orders.groupby("start_time"):
        mill = hour[hour["unit_id"] == "mill"]
        assert mill["price"].tolist() == [70, 52.5, 35, 17.5]
        assert (-mill["accepted_volume"]).tolist() == pytest.approx(bought)
        by_unit = hour[hour["unit_id"] != "mill"].groupby("unit_id")["accepted_volume"].sum()
        assert by_unit.to_dict() == pytest.approx(sold)


FLOOR = """
from dataclasses import replace

import torch
from pydantic import Field

from assume_rl.core.bidding.base import Params
from assume_rl.core.bidding.portfolio import Strategy, changed


class FloorParams(Params):
    floor: float = Field(0.0, ge=0)


def at_least(context, params):
    def floored(orders):
        price = orders.price.clamp(min=params.floor)
        return replace(orders, price=torch.where(orders.volume > 0, price, orders.price))

    def bid(bidder, operator, capacity):
        return changed(bidder, f"{bidder.name}, floor of {operator}", floored)

    return Strategy(bid)


def register(registry):
    registry.portfolio_strategy("units_operator_floor", at_least, FloorParams)
"""


@pytest.mark.unchecked  # a plug-in is no part of the package whose shapes are checked
def test_a_plug_in_adds_one(owned: Any, assume_rl_command: Any) -> None:
    path = strategies(owned, "South,units_operator_floor")
    assert "no strategy of operators is called 'units_operator_floor'" in problem(path)
    owned.write("floor.py", FLOOR)
    (plugin,) = load_plugins([path / "floor.py"])
    try:
        overrides = {"bidding_strategy_params.floor": 50.0}
        assert prices(path, **overrides) == {
            "coal": {40.0}, "gas": {58.0}, "sun": {50.0}, "town": {3000.0}
        }  # fmt: skip
        scenario = load_scenario(path, overrides=overrides)
        assert scenario.plugins == (plugin,)
        assert_same_episode(compile_scenario(scenario), {})
        _, out, _ = assume_rl_command("list", "portfolio-strategy")
        assert f"portfolio strategy units_operator_floor ({path / 'floor.py'})" in out
        assert "    floor: number = 0.0" in out
        clash = FLOOR.replace("units_operator_floor", DIRECT)
        owned.write("clash.py", clash)
        with pytest.raises(ConfigurationError, match=rf"strategy '{DIRECT}' is built in"):
            load_plugins([path / "clash.py"])
    finally:
        unload_plugins()
    assert "units_operator_floor" not in OPERATORS


def test_parameters_and_columns(owned: Any) -> None:
    path = strategies(owned, f"South,{COURNOT}")
    assert "markup" in problem(path, **{"bidding_strategy_params.markup": -1.0})
    owned.write(FILE, f"name,bidding_EOM,bidding_CRM,forecast_price\nSouth,{DIRECT},x,y\n")
    warnings = load_scenario(owned.path, overrides=MARKUP).warnings
    assert any("column 'bidding_CRM': unknown column" in warning for warning in warnings)
    assert any("no strategy of operators reads forecasts" in warning for warning in warnings)
    assert any("no bidder in use reads this key" in warning for warning in warnings)


def test_the_first_column_names_the_operators(owned: Any) -> None:
    owned.write(FILE, f"bidding_EOM,name\n{DIRECT},South\n")
    sentence = "the first column must name the operator, but it is 'bidding_EOM'; put 'name' first"
    assert problem(owned.path) == f"{FILE}: {sentence}"
