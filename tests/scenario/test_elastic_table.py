"""Tables of elastic demand: how they are read, refused, warned of and counted in forecasts."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from assume_rl.core.clearing import RULES
from assume_rl.core.orders import Orders
from assume_rl.envs.record import play_recorded
from assume_rl.errors import ScenarioError
from assume_rl.evaluation.surplus import surplus
from assume_rl.results.sinks import MemorySink
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.compile.elastic_forecast import cleared_price
from assume_rl.scenario.compile.markets import market_spec
from assume_rl.scenario.plugins import load_plugins, unload_plugins
from assume_rl.scenario.read import load_scenario
from assume_rl.testing import assert_same_episode

UNITS, SERIES = "demand_units.csv", "demand_df.csv"
STRATEGY = "demand_energy_heuristic_elastic"
COLUMNS = (
    "name,technology,bidding_EOM,max_power,min_power,price,elasticity,elasticity_model,num_bids"
)
TOWN = "town,inflex_demand,demand_energy_naive,200,0,3000,,,"
MILL = f"mill,industry,{STRATEGY},80,0,70,,linear,4"
SHOP = "shop,trade,elastic_demand,0,-50,81,-0.5,isoelastic,2"


def table(*rows: str) -> str:
    return "\n".join([f"{COLUMNS},unit_operator", *(f"{row},Grid" for row in rows)]) + "\n"


@pytest.fixture
def elastic(folder: Any) -> Any:
    folder.write(UNITS, table(TOWN, MILL, SHOP))
    return folder


def made(path: Path, **overrides: Any) -> Compiled:
    return compile_scenario(load_scenario(path, overrides=overrides))


def problem(path: Path, **overrides: Any) -> str:
    with pytest.raises(ScenarioError) as raised:
        load_scenario(path, overrides=overrides)
    return "\n".join(raised.value.problems)


def test_a_curve_needs_no_series(elastic: Any) -> None:
    compiled = made(elastic.path)
    assert compiled.scenario.warnings == ()
    assert compiled.profiles.capacity[:, -3:].unique(dim=0)[:, 1:].tolist()[0] == [-80, -50]
    params = compiled.fleet.blocks[-1].params
    assert params.most.tolist() == [200, 80, 50]
    assert params.elasticity.tolist() == [0, 0, -0.5]
    assert params.num_bids.tolist() == [0, 4, 2]
    slots = {
        p.bidder.name: p.bidder.slots for o in compiled.operators for p in o.participants["EOM"]
    }
    assert slots[STRATEGY] == 4
    assert slots["demand_energy_naive"] == 1


def test_without_inelastic_demand_no_file_of_series_is_needed(elastic: Any) -> None:
    elastic.write(UNITS, table(MILL))
    elastic.remove(SERIES)
    compiled = made(elastic.path)
    assert compiled.scenario.warnings == ()
    assert not compiled.profiles.forecasts["EOM"].residual_load[0].gt(0).any()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("linear,4", "linear,1", "row 'mill': num_bids 1 is below 2"),
        ("linear,4", "linear,", "row 'mill': num_bids 0 is below 2"),
        ("linear,4", "linear,2.5", "row 'mill', column 'num_bids': should be a valid integer"),
        ("linear,4", "convex,4", "column 'elasticity_model': should be 'linear' or 'isoelastic'"),
        ("linear,4", ",4", f"row 'mill': elasticity_model is missing, which {STRATEGY} needs"),
        ("-0.5,iso", "0,iso", "row 'shop': elasticity 0 is not below 0"),
        ("-0.5,iso", "0.5,iso", "row 'shop': elasticity 0.5 is not below 0"),
        ("81,-0.5", "0.5,-0.5", "row 'shop': price 0.5 is below 1"),
        ("80,0,70,", "80,0,0,", "row 'mill': price 0 is not above 0"),
        ("80,0,70,", "0,0,70,", "row 'mill': min_power and max_power are 0"),
    ],
)
def test_curves_that_cannot_be_drawn_are_refused(
    elastic: Any, old: str, new: str, sentence: str
) -> None:
    elastic.change(UNITS, old, new)
    message = problem(elastic.path)
    assert message.startswith(f"{UNITS}, row ")
    assert sentence in message
    assert "\n" not in message


def test_a_unit_has_a_curve_in_all_of_its_markets_or_in_none(elastic: Any) -> None:
    elastic.change(UNITS, "bidding_EOM", "bidding_EOM,bidding_LATE")
    elastic.change(UNITS, f"{STRATEGY},", f"{STRATEGY},demand_energy_naive,")
    elastic.change(UNITS, "demand_energy_naive,200", "demand_energy_naive,,200")
    elastic.change(UNITS, "elastic_demand,", "elastic_demand,,")
    assert "row 'mill': demand_energy_heuristic_elastic in one market needs" in problem(
        elastic.path
    )


def test_a_curve_that_no_bidder_reads_is_a_warning(elastic: Any) -> None:
    elastic.change(UNITS, MILL, MILL.replace(STRATEGY, "demand_energy_naive"))
    elastic.change(UNITS, SHOP, SHOP.replace("elastic_demand", "demand_energy_naive"))
    unread, *absent = load_scenario(elastic.path).warnings[::-1]
    assert unread == (
        f"{UNITS}, column 'elasticity_model': of 'mill', 'shop': nothing reads it without a "
        "strategy that bids a curve"
    )
    assert len(absent) == 2  # both need a series now


def test_a_series_of_elastic_demand_is_read_by_nothing(elastic: Any) -> None:
    demand = pd.read_csv(elastic.path / SERIES, index_col=0).assign(mill=1.0)
    elastic.write(SERIES, demand.to_csv())
    warnings = load_scenario(elastic.path).warnings
    assert f"{SERIES}, column 'mill': nothing reads it: the demand is elastic" in warnings
    assert "demand.mill: there is no such demand unit" in problem(
        elastic.path, **{"demand.mill": 5}
    )


NAIVE = {"units.mill.bidding_EOM": "demand_energy_naive"}


def test_an_elastic_demand_changed_to_an_inelastic_one_needs_a_series(elastic: Any) -> None:
    sentence = (
        "override units.mill: the demand is no longer elastic, but demand_df.csv has no column "
        "'mill'; add one, or set demand.mill to a number"
    )
    assert problem(elastic.path, **NAIVE) == sentence
    assert "demand.mill.scale: the unit has no series to scale" in problem(
        elastic.path, **NAIVE, **{"demand.mill.scale": 2}
    )
    mill = -2  # of the units: town, mill, shop
    changed = made(elastic.path, **NAIVE, **{"demand.mill": 7})
    assert changed.profiles.capacity[:, mill].unique().tolist() == [-7]
    demand = pd.read_csv(elastic.path / SERIES, index_col=0).assign(mill=8.0)
    elastic.write(SERIES, demand.to_csv())
    changed = made(elastic.path, **NAIVE)
    assert changed.profiles.capacity[:, mill].unique().tolist() == [-8]
    assert not any("nothing reads it: the demand" in text for text in changed.scenario.warnings)
    elastic.remove(SERIES)
    elastic.write(UNITS, table(MILL))
    assert problem(elastic.path, **NAIVE) == sentence


def bought(compiled: Compiled) -> list[tuple[float, float]]:
    """Price and accepted volume of each order of the mill."""
    sink = MemorySink()
    play_recorded(compiled, seed=1, policies={}, sink=sink)
    table = sink.table("market_orders")
    rows = zip(table["unit_id"], table["price"], table["accepted_volume"], strict=True)
    return [(float(price), float(volume)) for unit, price, volume in rows if unit == "mill"]


CURVES = """
from assume_rl.core.bidding.base import NoParams
from assume_rl.core.bidding.elastic import Elastic


def make(context, params):
    return Elastic(slots=context.orders, name="demand_energy_mine")


def register(registry):
    registry.bidder("demand_energy_mine", make)
"""


@pytest.mark.unchecked
def test_an_elastic_bidder_of_a_plug_in_has_the_limits_of_the_curve(elastic: Any) -> None:
    elastic.write("mine.py", CURVES)
    elastic.change("powerplant_units.csv", "powerplant_energy_learning", "powerplant_energy_naive")
    own = {"units.mill.bidding_EOM": "demand_energy_mine"}
    load_plugins([elastic.path / "mine.py"])
    try:
        compiled = made(elastic.path, **own)
        assert not any(SERIES in warning for warning in compiled.scenario.warnings)
        assert compiled.profiles.capacity[:, -2].unique().tolist() == [-80]
        usual = made(elastic.path)
        price = compiled.profiles.forecasts["EOM"].price
        assert price.equal(usual.profiles.forecasts["EOM"].price)
        assert bought(compiled) == bought(usual)
        assert_same_episode(compiled, {})
        elastic.change(UNITS, STRATEGY, "demand_energy_mine")
        elastic.change(UNITS, "linear,4", ",4")
        assert "elasticity_model is missing, which demand_energy_mine needs" in problem(
            elastic.path
        )
    finally:
        unload_plugins()


def test_curves_are_no_residual_load_but_make_the_price(elastic: Any) -> None:
    """100 MW at any price, 20 MW each at 70, 52.5, 35 and 17.5, 5.6 MW at 81 and the rest at 1."""
    forecasts = made(elastic.path).profiles.forecasts["EOM"]
    assert forecasts.residual_load[0, 0] == 100 - 25  # half of the sun shines
    # sun 25 MW at 0, coal 100 MW at 40, gas 80 MW at 58: gas serves 5.6 + 20 of the curves
    assert forecasts.price[0, 0] == 58
    alone = made(elastic.path, **{"units.town.bidding_EOM": None}).profiles.forecasts["EOM"]
    assert alone.price[0, 0] == 40  # the sun serves 25 MW, coal the rest of what is worth 40
    given = made(elastic.path, **{"forecast_algorithms.price": "price_keep_given"})
    assert given.profiles.forecasts["EOM"].price.unique().tolist() == [50]


def test_under_pay_as_bid_the_forecast_is_the_mean_of_what_supply_is_paid(elastic: Any) -> None:
    rule = {"markets_config.EOM.market_mechanism": "pay_as_bid"}
    price = made(elastic.path, **rule).profiles.forecasts["EOM"].price[0, 0]
    # 100 MW of the town, 20 MW of the mill at 70 and 50 / 9 MW of the shop at 81
    gas = 100 + 20 + 50 / 9 - 125
    assert price.item() == pytest.approx((100 * 40 + gas * 58) / (125 + gas))


def test_a_rule_without_leading_axes_clears_step_by_step(elastic: Any) -> None:
    spec = market_spec(load_scenario(elastic.path), "EOM")
    slots = torch.zeros(3, dtype=torch.long)
    volume = torch.tensor([[[50.0, 40.0, -60.0]], [[50.0, 40.0, -30.0]]], dtype=torch.float64)
    price = torch.tensor([10.0, 20.0, 90.0], dtype=torch.float64).expand_as(volume)
    orders = Orders(price, volume, slots, slots)

    class Single:
        """The rule of the market, one auction at a time."""

        batched = False

        def __getattr__(self, name: str) -> Any:
            return getattr(RULES["pay_as_clear"], name)

        def clear(self, orders: Orders, tie: Any, setup: Any) -> Any:
            assert orders.price.shape == (1, 3)
            return RULES["pay_as_clear"].clear(orders, tie, setup)

    object.__setattr__(spec, "rule", Single())
    assert cleared_price(spec, orders).tolist() == [20, 10]


def test_every_order_of_a_curve_is_worth_its_own_price() -> None:
    start = pd.Timestamp("2030-01-01")
    rows = pd.DataFrame(
        [(60.0, 30.0, 50.0, 30.0), (-25.0, 90.0, -25.0, 30.0), (-25.0, 50.0, -25.0, 30.0),
         (-25.0, 20.0, 0.0, 30.0)],
        columns=["volume", "price", "accepted_volume", "accepted_price"],
    ).assign(
        trades=False, start_time=start, end_time=start + pd.Timedelta("1h"),
        marginal_cost=[30.0, None, None, None],
    )  # fmt: skip
    found = surplus(rows)
    assert found.consumer == 25 * 60 + 25 * 20
    assert found.lost == 0  # nobody withholds: what is worth 20 is not bought at 30
