"""What unit kinds, bidders, product types and rules can do together, with bidders made up here.

A bidder of reserve is registered: what it sells is no energy, and narrows what is sold of that.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest
import torch

from assume_rl.agents.world import World
from assume_rl.core.bidding import BIDDERS, Entry
from assume_rl.core.bidding.base import Context, NoParams
from assume_rl.core.bidding.cost_based import Naive
from assume_rl.core.clearing import RULES
from assume_rl.core.clearing.merit_order import pay_as_clear
from assume_rl.errors import ScenarioError
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.testing import assert_same_episode
from assume_rl.testing.episodes import Frames

pytestmark = pytest.mark.unchecked

TRADED = {"energy", "capacity_pos", "capacity_neg", "energy_pos", "energy_neg"}
CONFIG, PLANTS, DEMANDS = "config.yaml", "powerplant_units.csv", "demand_units.csv"
RESERVE = """\
    RES:
      operator: grid
      product_type: capacity_pos
      products:
      - duration: {hours}h
        count: 1
        first_delivery: 1h
      opening_frequency: {hours}h
      opening_duration: 1h
      market_mechanism: pay_as_clear
other:"""
"""Four hours of reserve, cleared before energy is bid for most of them; or one, known too late."""


def _made(name: str, types: frozenset[str], blocks: bool, context: Context, _: NoParams) -> Naive:
    return Naive(name, product_types=types, blocks=blocks)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Register a bidder of reserve, and one of energy in blocks."""
    kinds = {
        "reserve": (frozenset({"capacity_pos"}), False),
        "block": (frozenset({"energy"}), True),
    }
    made = {n: Entry(partial(_made, n, *kind), NoParams) for n, kind in kinds.items()}
    with patch.dict(BIDDERS, made):
        yield


def with_reserve(folder: Any, hours: int, *, plant: str = "reserve") -> Compiled:
    """Return the folder with a market for 30 MW of reserve, in which only coal sells."""
    folder.change(CONFIG, "other:", RESERVE.format(hours=hours))
    folder.change(PLANTS, "bidding_EOM,", "bidding_EOM,bidding_RES,")
    folder.change(PLANTS, "naive,hard coal", f"naive,{plant},hard coal")
    folder.change(PLANTS, "learning,natural", "naive,,natural")
    folder.change(PLANTS, "naive,sunshine", "naive,,sunshine")
    backup = "backup,reserve,,reserve,30,0,Control\n"
    town = "town,inflex_demand,demand_energy_naive,,200,0,Grid\n"
    head = "name,technology,bidding_EOM,bidding_RES,max_power,min_power,unit_operator\n"
    folder.write(DEMANDS, head + town + backup)
    load = pd.read_csv(folder.path / "demand_df.csv").assign(backup=30.0)
    load.to_csv(folder.path / "demand_df.csv", index=False)
    return compile_scenario(load_scenario(folder.path, "base"))


def played(compiled: Compiled) -> Frames:
    frames = Frames()
    asyncio.run(World(compiled, seed=0).run_episode(0, sink=frames))
    return frames


def test_auctions_say_what_they_sell(folder: Any) -> None:
    plan = with_reserve(folder, 4).plan
    kinds = {(a.market, a.product_type) for tick in plan for a in tick.opening}
    assert kinds == {("EOM", "energy"), ("RES", "capacity_pos")}


@pytest.mark.parametrize("hours", [1, 4])
def test_reserve_is_sold_but_not_delivered(folder: Any, hours: int) -> None:
    frames = played(with_reserve(folder, hours))
    orders, units = frames.table("market_orders"), frames.table("unit_dispatch")
    sold = orders[(orders["market_id"] == "RES") & (orders["unit_id"] == "coal")]
    assert set(sold["accepted_volume"]) == {30.0}
    assert (units["power"][units["unit"] == "backup"] == 0).all()
    paid = units["revenue"][units["unit"] == "backup"]
    assert (paid[paid != 0] < 0).any()


def test_reserve_narrows_the_energy_that_is_offered_later(folder: Any) -> None:
    orders = played(with_reserve(folder, 4)).table("market_orders")
    coal = orders[(orders["market_id"] == "EOM") & (orders["unit_id"] == "coal")]
    offered = coal.set_index("start_time")["volume"]
    # The first hour of every product is bid for while its reserve is still open.
    hours = offered.index.hour
    assert set(offered[hours % 4 == 1]) == {100.0}
    assert set(offered[(hours % 4 != 1) & (hours > 1) & (hours < 20)]) == {70.0}


@pytest.mark.parametrize("hours", [1, 4])
def test_both_shells_agree_on_reserve(folder: Any, hours: int) -> None:
    assert_same_episode(with_reserve(folder, hours))


@pytest.mark.parametrize("hours", [1, 4])
def test_both_shells_agree_on_reserve_that_can_be_delivered(folder: Any, hours: int) -> None:
    with_reserve(folder, hours)
    changed(folder, "operator: grid", "reserve_limits: deliverable")
    compiled = compile_scenario(load_scenario(folder.path, "base"))
    assert_same_episode(compiled)
    orders = played(compiled).table("market_orders")
    sold = orders[(orders["market_id"] == "RES") & (orders["accepted_volume"] > 0)]
    assert set(sold["accepted_volume"]) == {30.0}


def changed(folder: Any, after: str, more: str) -> None:
    """Add a setting of a market after another one."""
    folder.change(CONFIG, after, f"{after}\n      {more}")


@pytest.mark.parametrize(
    ("settings", "place", "said"),
    [
        (
            [("operator: exchange", "reserve_limits: deliverable")],
            "EOM.reserve_limits",
            "is of markets of capacity_neg and capacity_pos, not of energy",
        ),
        (
            [("operator: grid", "reserve_limits: deliverable\n      opening_duration: 2h")],
            "RES.opening_duration",
            "must be at most time_step where reserve_limits is deliverable",
        ),
        (
            [("operator: grid", "param_dict: {scarcity_pricing: true}")],
            "RES.param_dict.scarcity_pricing",
            "is for markets of energy, this one trades capacity_pos",
        ),
    ],
)
def test_where_a_market_of_reserve_cannot_have_a_setting_the_key_is_named(
    folder: Any, settings: list[tuple[str, str]], place: str, said: str
) -> None:
    with_reserve(folder, 4)
    if place.endswith("opening_duration"):
        market = RESERVE.format(hours=4).removesuffix("other:")
        folder.change(CONFIG, market, market.replace("      opening_duration: 1h\n", ""))
    for after, more in settings:
        changed(folder, after, more)
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path, "base")
    (problem,) = raised.value.problems
    assert problem.endswith(f"markets_config.{place}: {said}")


def test_reserve_is_deliverable_in_all_markets_or_in_none(folder: Any) -> None:
    with_reserve(folder, 4)
    market = RESERVE.format(hours=4).removesuffix("other:")
    for name, more in (("SAME", "deliverable"), ("OTHER", "recorded")):
        copy = market.replace("RES:", f"{name}:") + f"      reserve_limits: {more}\n"
        folder.change(CONFIG, "other:", copy + "other:")
    changed(folder, "RES:", "reserve_limits: deliverable")
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path, "base")
    said = [problem.split("markets_config.")[1] for problem in raised.value.problems]
    assert said == [
        "RES.reserve_limits: is deliverable, but that of OTHER is recorded: all or none",
        "SAME.reserve_limits: is deliverable, but that of OTHER is recorded: all or none",
        "SAME.reserve_limits: cannot be deliverable: RES sells capacity_pos too, of which nothing "
        "is known here",
    ]


@pytest.mark.parametrize(
    ("before", "after", "place", "said"),
    [
        (
            "operator: exchange",
            "operator: exchange\n      product_type: enrgy",
            "EOM.product_type",
            "unknown product type 'enrgy'; did you mean 'energy'?",
        ),
        (
            "operator: exchange",
            "operator: exchange\n      reserve_limits: delivrable",
            "EOM.reserve_limits",
            "should be 'recorded' or 'deliverable', not 'delivrable'",
        ),
        (
            "product_type: capacity_pos",
            "product_type: capacity_poss\n      reserve_limits: deliverable",
            "RES.product_type",
            "unknown product type 'capacity_poss'; did you mean 'capacity_pos'?",
        ),
    ],
)
def test_a_wrong_word_in_a_market_is_all_that_is_said(
    folder: Any, before: str, after: str, place: str, said: str
) -> None:
    """Not that bidders of reserve miss prices of energy, nor that this kind has no limits."""
    with_reserve(folder, 4)
    folder.change(CONFIG, before, after)
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path, "base")
    (problem,) = raised.value.problems
    assert problem.endswith(f"markets_config.{place}: {said}")


def test_a_market_of_reserve_has_the_forecasts_of_energy(folder: Any) -> None:
    forecasts = with_reserve(folder, 4).profiles.forecasts
    assert list(forecasts) == ["EOM", "RES"]
    assert torch.equal(forecasts["RES"].price, forecasts["EOM"].price)


def test_a_bidder_of_energy_is_refused_in_a_market_of_reserve(folder: Any) -> None:
    with pytest.raises(ScenarioError) as raised:
        with_reserve(folder, 4, plant="powerplant_energy_naive")
    (said,) = raised.value.problems
    assert said == (
        f"{PLANTS}, row 'coal', column 'bidding_RES': the strategy 'powerplant_energy_naive' "
        "trades energy, but the market trades capacity_pos; did you mean "
        "'powerplant_energy_naive_balancing'?"
    )


def test_a_refusal_names_what_fits_whatever_other_bidders_take(folder: Any) -> None:
    storage = "storage_energy_heuristic_flexable"
    folder.change(PLANTS, "powerplant_energy_naive,hard coal", f"{storage},hard coal")
    with pytest.raises(ScenarioError) as raised:
        # Of all learned bidders only that with two prices takes it.
        load_scenario(folder.path, "base", overrides={"bidding_strategy_params.act_dim": 2})
    (said,) = (text for text in raised.value.problems if "'coal'" in text)
    assert f"'{storage}' is not for this kind of unit; " in said


def test_a_product_type_that_no_bidder_trades_is_refused_once(folder: Any) -> None:
    folder.change(CONFIG, "operator: exchange", "operator: x\n      product_type: heat")
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path, "base")
    (said,) = raised.value.problems
    place, sentence = said.split("product_type: ")
    assert place.endswith("markets_config.EOM.")
    assert sentence == f"not supported yet: 'heat'; bidders trade {', '.join(sorted(TRADED))}"


def test_blocks_are_refused_where_the_rule_does_not_read_them(folder: Any) -> None:
    folder.change(PLANTS, "powerplant_energy_naive,hard coal", "block,hard coal")
    with pytest.raises(ScenarioError, match="'block' makes block orders, which the mechanism 'pay"):
        load_scenario(folder.path, "base")
    reads = replace(pay_as_clear, needs=frozenset({"blocks"}))
    with patch.dict(RULES, {"pay_as_clear": reads}):
        load_scenario(folder.path, "base")


def test_reserve_that_reads_forecasts_needs_a_market_of_energy(folder: Any) -> None:
    rule = "powerplant_capacity_heuristic_balancing_pos"
    with_reserve(folder, 4, plant=rule)
    folder.change(CONFIG, "operator: exchange", "operator: x\n      product_type: energy_pos")
    for name in ("powerplant_energy_naive,", "demand_energy_naive,"):
        for file in (PLANTS, DEMANDS):
            text = (folder.path / file).read_text()
            folder.write(file, text.replace(name, name.replace(",", "_balancing,")))
    with pytest.raises(ScenarioError) as raised:
        load_scenario(folder.path, "base")
    assert raised.value.problems[0] == (
        f"{PLANTS}, row 'coal', column 'bidding_RES': the strategy '{rule}' reads price forecasts "
        "of energy, which no market trades"
    )


@pytest.mark.parametrize(
    ("file", "bids", "side"),
    [(PLANTS, "naive,reserve,hard coal", "sells"), (DEMANDS, "backup,reserve,,reserve,", "buys")],
)
def test_a_market_of_reserve_without_bidders_is_named(
    folder: Any, file: str, bids: str, side: str
) -> None:
    with_reserve(folder, 4)
    folder.change(file, bids, ",,".join(bids.rsplit(",reserve,", 1)))
    warnings = load_scenario(folder.path, "base").warnings
    assert any(w.endswith(f"markets_config.RES: no unit {side} here") for w in warnings)


def test_a_key_that_the_mechanism_of_reserve_does_not_have_is_named(folder: Any) -> None:
    with_reserve(folder, 4)
    folder.change(CONFIG, "operator: grid", "operator: grid\n      param_dict: {symetric: true}")
    with pytest.raises(ScenarioError, match=r"markets_config\.RES\.param_dict\.symetric: "):
        load_scenario(folder.path, "base")
