"""A market with zones and lines, in both shells: prices part where a line is full."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from toy_scenarios import market, toy_scenario

from assume_rl.envs.record import play_recorded
from assume_rl.errors import ScenarioError
from assume_rl.experiments.description import data_digest
from assume_rl.experiments.run import run
from assume_rl.scenario.compile.compiled import Compiled, compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario
from assume_rl.testing import assert_same_episode
from assume_rl.testing.episodes import Frames

pytestmark = pytest.mark.unchecked

BUSES = "name,v_nom,zone\nn1,380,north\nn2,380,north\ns1,380,south\n"
LINES = "name,bus0,bus1,s_nom,s_max_pu\ninside,n1,n2,1,1\nborder,n2,s1,100,0.5\n"
SOUTH = ("coal", "gas", "load")
RULE = {
    "markets_config.EOM.market_mechanism": "complex_clearing",
    "markets_config.EOM.param_dict.network_path": "grid",
    "markets_config.EOM.param_dict.zones_identifier": "zone",
}
NODES = {f"units.{unit}.node": "s1" for unit in SOUTH} | {
    f"units.{unit}.node": node for unit, node in (("wind", "n1"), ("nuclear", "n2"))
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("zones") / "case"
    toy_scenario(place, {"EOM": market()}, hours=24)
    return place


def zoned(folder: Path, buses: str = BUSES, lines: str = LINES, **other: Any) -> Scenario:
    (folder / "grid").mkdir(exist_ok=True)
    (folder / "grid" / "buses.csv").write_text(buses)
    (folder / "grid" / "lines.csv").write_text(lines)
    twin = {"units.coal twin.node": "s1"}
    return load_scenario(folder, overrides={**RULE, **NODES, **twin, **other})


def played(scenario: Scenario) -> Frames:
    sink = Frames()
    play_recorded(compile_scenario(scenario), seed=1, policies={}, sink=sink)
    return sink


def test_both_shells_give_the_same(folder: Path) -> None:
    compiled: Compiled = compile_scenario(zoned(folder))
    assert compiled.markets[0].grid is not None
    assert compiled.markets[0].grid.zones == ("north", "south")
    assert_same_episode(compiled)


def test_a_zone_sells_no_more_than_its_line_carries(folder: Path) -> None:
    """In the north wind and a nuclear plant, in the south all demand."""
    meta = (
        played(zoned(folder))
        .table("market_meta")
        .pivot(index="product_start", columns="node", values=["price", "supply_volume"])
    )
    assert meta["supply_volume"]["north"].max() <= 50 + 1e-9
    apart = meta["price"]["north"] < meta["price"]["south"]
    assert apart.any()
    assert (meta["supply_volume"]["north"][apart] >= 50 - 1e-6).all()
    assert (meta["price"]["north"] <= meta["price"]["south"]).all()


def test_flows_are_what_zones_sell_and_do_not_use(folder: Path) -> None:
    tables = played(zoned(folder))
    flows = tables.table("grid_flows")
    assert set(flows["market_id"]) == {"EOM"}
    assert set(flows["line"]) == {"border"}, "a line within a zone limits nothing"
    meta = tables.table("market_meta").query("node == 'north'").set_index("product_start")
    sold = meta["supply_volume"] - meta["demand_volume"]
    carried = flows.set_index("datetime")["flow"]
    assert carried.to_dict() == pytest.approx(sold.to_dict())
    assert carried.max() == pytest.approx(50)


@pytest.mark.parametrize("pricing", ["pay_as_clear", "pay_as_bid"])
def test_money_balances_with_what_lines_earn(folder: Path, tmp_path: Path, pricing: str) -> None:
    own = {"markets_config.EOM.param_dict.pricing_mechanism": pricing}
    result = run(zoned(folder, **own), out=tmp_path / "out", engine="batch")
    kpis = {name: value for name, _, value in result.kpis}
    with closing(sqlite3.connect(tmp_path / "out" / "results.db")) as connection:
        (revenue,) = connection.execute("select sum(revenue) from unit_dispatch").fetchone()
        (most,) = connection.execute("select max(abs(flow)) from grid_flows").fetchone()
    assert most == pytest.approx(50)
    assert kpis["congestion_rent"] > 1000
    named = kpis["congestion_rent" if pricing == "pay_as_clear" else "pay_as_bid_surplus"]
    assert revenue == pytest.approx(-named, rel=1e-9)


def test_a_wide_line_makes_it_one_market(folder: Path) -> None:
    wide = zoned(folder, lines=LINES.replace("100,0.5", "1000,1"))
    prices = played(wide).table("market_meta").groupby("product_start")["price"].nunique()
    assert (prices == 1).all()


def test_lines_are_part_of_what_a_run_is_known_by(folder: Path) -> None:
    hashes = [
        data_digest(zoned(folder)),
        data_digest(zoned(folder, lines=LINES + "b2,n1,s1,9,1\n")),
    ]
    assert hashes[0] != hashes[1]


def test_a_unit_that_is_nowhere_counts_as_in_the_first_zone(folder: Path) -> None:
    scenario = zoned(folder, **{"units.wind.node": "nowhere"})
    (warning,) = (w for w in scenario.warnings if "nowhere" in w)
    assert "is no bus of market EOM: it counts as in 'north'" in warning


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"lines": LINES.replace("n2,s1", "n2,s2")},
            "row 'border', column 'bus1': unknown bus",
        ),
        ({"lines": LINES.replace("border,n2,s1,100,0.5\n", "")}, "no line leads to zone 'north'"),
        ({"lines": LINES.replace("100", "-3")}, "column 's_nom': is no number of at least 0"),
        ({"lines": LINES.replace("s_nom", "size")}, "lines.csv, column 's_nom': is missing"),
        ({"buses": BUSES + "n1,380,south\n"}, "buses.csv, row 'n1': is there twice"),
        ({"buses": BUSES.replace("zone", "area")}, "buses.csv has no column 'zone'"),
        ({"markets_config.EOM.param_dict.network_path": "gird"}, "buses.csv cannot be read"),
        ({"markets_config.EOM.param_dict.network_path": None}, "needs a network_path"),
        ({"markets_config.EOM.param_dict.solvr": 1}, "unknown key"),
    ],
)
def test_what_is_wrong_with_a_network_is_named(
    folder: Path, files: dict[str, Any], message: str
) -> None:
    with pytest.raises(ScenarioError) as error:
        zoned(folder, **files)
    assert message in str(error.value)
