"""Cleared auctions become rows of tables."""

from dataclasses import replace

import numpy as np
import torch

from assume_rl.core.clearing import Slots, pay_as_clear
from assume_rl.core.clearing.grid import Grid, Line
from assume_rl.core.orders import BlockTerms, Orders, no_terms, unit_major
from assume_rl.core.time import Auction
from assume_rl.episodes.rows.orders import ClearedAuction, ClearedAuctions, Columns, OrderLog
from assume_rl.testing import toy_market

UNITS = ("plant", "plant", "load")
NODE = torch.tensor([1, 1, 0])
MARKET = replace(toy_market(pay_as_clear), nodes=("S", "N"))


def cleared(number: int, volume: list[list[float]], first: tuple[int, ...]) -> ClearedAuction:
    price = torch.tensor([[1.0, 5.0, 100.0]], dtype=torch.float64).expand(len(first), 3)
    volumes = torch.tensor(volume, dtype=torch.float64)
    orders = replace(unit_major(price, volumes, 3), node=NODE)
    setup = pay_as_clear.setup(toy_market(pay_as_clear), Slots(node=orders.node))
    clearing = pay_as_clear.clear(orders, torch.zeros_like(volumes), setup)
    auction = Auction("EOM", number, 0, 3600, first, (2,) * len(first))
    return ClearedAuction(auction, orders, clearing)


def rows(*auctions: ClearedAuction, units: tuple[str, ...] = UNITS) -> dict[str, Columns]:
    log = OrderLog(MARKET)
    for auction in auctions:
        log.add(units, auction)
    return dict(log.drain())


def bound(terms: BlockTerms, volume: list[list[float]], first: tuple[int, ...]) -> ClearedAuction:
    """An auction of orders with these terms, none of which trades."""
    volumes = torch.tensor(volume, dtype=torch.float64)
    count = volumes.shape[-1]
    own = torch.zeros(count, dtype=torch.int64)
    orders = Orders(volumes, volumes, own, own, terms)
    setup = pay_as_clear.setup(MARKET, Slots(node=own))
    clearing = pay_as_clear.clear(orders, torch.zeros_like(volumes), setup)
    return ClearedAuction(Auction("EOM", 0, 0, 3600, first, (1,) * len(first)), orders, clearing)


TWO = cleared(0, [[10.0, 10.0, -15.0], [10.0, 0.0, -5.0]], first=(4, 6))


def test_there_is_an_order_row_for_every_slot_that_is_not_empty() -> None:
    orders = rows(TWO)["market_orders"]
    assert orders["unit_id"].tolist() == ["plant", "plant", "load", "plant", "load"]
    assert orders["volume"].tolist() == [10.0, 10.0, -15.0, 10.0, -5.0]
    assert orders["accepted_volume"].tolist() == [10.0, 5.0, -15.0, 5.0, -5.0]
    assert orders["accepted_price"].tolist() == [5.0, 5.0, 5.0, 1.0, 1.0]
    assert orders["start_step"].tolist() == [4, 4, 4, 6, 6]
    assert orders["end_step"].tolist() == [6, 6, 6, 8, 8]


def test_orders_are_numbered_within_their_unit_and_auction() -> None:
    orders = rows(TWO)["market_orders"]
    assert orders["bid_id"].tolist() == ["plant_1", "plant_2", "load_1", "plant_3", "load_2"]


def test_market_meta_has_a_row_per_product() -> None:
    meta = rows(TWO, cleared(1, [[1.0, 0.0, -1.0], [0.0, 0.0, 0.0]], first=(8, 10)))["market_meta"]
    assert meta["price"].tolist() == [5.0, 1.0, 1.0, 0.0]
    assert meta["supply_volume"].tolist() == [15.0, 5.0, 1.0, 0.0]
    assert meta["start_step"].tolist() == [4, 6, 8, 10]
    assert meta["steps"].tolist() == [2, 2, 2, 2]


def test_orders_name_the_node_of_their_unit() -> None:
    assert rows(TWO)["market_orders"]["node"].tolist() == [*"NNSNS"]


def test_market_meta_has_a_row_per_zone_that_names_it() -> None:
    clearing = TWO.clearing
    other = {
        name: torch.cat([getattr(clearing, name), getattr(clearing, name) + 1], dim=-1)
        for name in ("price", "supply_volume", "demand_volume", "min_price", "max_price")
    }
    zoned = replace(TWO, clearing=replace(clearing, zones=("south", "north"), **other))
    meta = rows(zoned)["market_meta"]
    assert meta["node"].tolist() == ["south", "north", "south", "north"]
    assert meta["price"].tolist() == [5.0, 6.0, 1.0, 2.0]
    assert meta["start_step"].tolist() == [4, 4, 6, 6]
    assert meta["steps"].tolist() == [2, 2, 2, 2]
    assert "node" not in rows(TWO)["market_meta"]


def test_market_dispatch_sums_a_units_orders_in_every_step_of_a_product() -> None:
    dispatch = rows(TWO)["market_dispatch"]
    own = dispatch["unit_id"] == "plant"
    assert dispatch["step"][own].tolist() == [4, 5, 6, 7]
    assert dispatch["power"][own].tolist() == [15.0, 15.0, 5.0, 5.0]
    assert np.array_equal(dispatch["power"][~own], -dispatch["power"][own])


def test_orders_name_what_binds_them() -> None:
    """Slots of a plant: a block, what hangs on it, two exclusive blocks, two of a complex order."""
    count = 6
    terms = replace(
        no_terms(count),
        block=torch.tensor([True, False, True, True, False, False]),
        min_acceptance=torch.tensor([1.0, 0.0, 0.5, 0.0, 0.0, 0.0], dtype=torch.float64),
        parent=torch.tensor([-1, 0, -1, -1, -1, -1]),
        group=torch.tensor([-1, -1, 2, 2, -1, -1]),
        offer=torch.tensor([-1, -1, -1, -1, 4, 4]),
    )
    volume = [[5.0, 7.0, 0.0, 3.0, 0.0, 4.0], [5.0, 7.0, 2.0, 3.0, 1.0, 4.0]]
    book = bound(terms, volume, first=(0, 1))
    orders = rows(book, units=("a",) * count)["market_orders"]
    assert orders["bid_id"].tolist() == [f"a_{n}" for n in (1, 2, 3, 4, 1, 6, 7, 3, 9, 10)]
    assert orders["bid_type"].tolist() == [
        "BB",
        "LB",
        "BB",
        "SB",
        "BB",
        "LB",
        "BB",
        "BB",
        "SB",
        "SB",
    ]
    parents = [None, "a_1", None, None, None, "a_1", None, None, None, None]
    assert orders["parent_bid_id"].tolist() == parents
    groups = [None, None, "a_3", None, None, None, "a_3", "a_3", None, None]
    assert orders["exclusive_group"].tolist() == groups
    offers = [None] * 3 + ["a_4"] + [None] * 4 + ["a_4", "a_4"]
    assert orders["complex_order"].tolist() == offers
    least = np.array([1, np.nan, np.nan, np.nan, 1, np.nan, 0.5, np.nan, np.nan, np.nan])
    assert np.array_equal(orders["min_acceptance_ratio"], least, equal_nan=True)


def test_an_order_whose_parent_has_no_volume_hangs_on_nothing() -> None:
    block = torch.tensor([True, False])
    terms = replace(no_terms(2), block=block, parent=torch.tensor([-1, 0]))
    orders = rows(bound(terms, [[0.0, 5.0]], first=(0,)), units=("a", "a"))["market_orders"]
    assert (orders["bid_type"].tolist(), orders["parent_bid_id"].tolist()) == (["SB"], [None])


def test_orders_that_nothing_binds_have_no_columns_of_terms() -> None:
    assert {"bid_type", "parent_bid_id"}.isdisjoint(rows(TWO)["market_orders"])


def test_flows_are_there_in_every_step_of_a_product() -> None:
    flows = torch.tensor([[30.0, -5.0], [0.0, 1.0]], dtype=torch.float64)
    lines = (Line("west", 0, 1, 40.0), Line("east", 1, 0, 40.0))
    log = OrderLog(replace(MARKET, grid=Grid(("S", "N"), (0, 1), lines)))
    log.add(UNITS, replace(TWO, clearing=replace(TWO.clearing, flows=flows)))
    found = dict(log.drain())["grid_flows"]
    assert found["step"].tolist() == [4, 4, 5, 5, 6, 6, 7, 7]
    assert found["line"].tolist() == ["west", "east"] * 4
    assert found["flow"].tolist() == [30, -5, 30, -5, 0, 1, 0, 1]
    assert "grid_flows" not in rows(TWO)


def test_draining_forgets() -> None:
    log = OrderLog(MARKET)
    log.add(UNITS, TWO)
    assert len(list(log.drain())) == 3
    assert list(log.drain()) == []


def test_books_of_another_make_up_come_separately() -> None:
    log = OrderLog(MARKET)
    log.add(UNITS, TWO)
    log.add(("a", "b", "c"), TWO)
    tables = [table for table, _ in log.drain()]
    assert tables == ["market_meta", "market_orders", "market_dispatch"] * 2


def test_terms_are_those_of_their_own_auction() -> None:
    log = OrderLog(MARKET)
    for share in (0.25, 0.75, 0.25):
        least = torch.tensor([share], dtype=torch.float64)
        terms = replace(no_terms(1), block=torch.tensor([True]), min_acceptance=least)
        log.add(("a",), bound(terms, [[5.0]], first=(0,)))
    found = [c["min_acceptance_ratio"].tolist() for t, c in log.drain() if t == "market_orders"]
    assert found == [[0.25, 0.25], [0.75]]


def test_an_auction_without_any_order_gives_no_row() -> None:
    silent = cleared(1, [[0.0, 1e-12, 0.0]] * 2, first=(8, 10))
    assert rows(silent) == {}
    assert rows(TWO, silent)["market_meta"]["start_step"].tolist() == [4, 6]


def test_auctions_cleared_in_one_call_give_the_rows_of_each_alone() -> None:
    silent = cleared(1, [[0.0, 1e-12, 0.0]] * 2, first=(8, 10))
    last = cleared(2, [[10.0, 10.0, -15.0], [0.0, 5.0, -5.0]], first=(12, 14))
    alone = [TWO, silent, last]
    names = ("accepted", "paid", "price", "supply_volume", "demand_volume")
    names += ("min_price", "max_price")
    clearing = replace(
        TWO.clearing,
        **{n: torch.stack([getattr(one.clearing, n) for one in alone]) for n in names},
    )
    together = ClearedAuctions(
        tuple(one.auction for one in alone),
        replace(
            TWO.orders,
            price=torch.stack([one.orders.price for one in alone]),
            volume=torch.stack([one.orders.volume for one in alone]),
        ),
        clearing,
    )
    log = OrderLog(MARKET)
    log.add_all(UNITS, together)
    found, expected = dict(log.drain()), rows(*alone)
    assert found.keys() == expected.keys()
    for table, columns in expected.items():
        for name, values in columns.items():
            assert np.array_equal(found[table][name], values), (table, name)


def test_only_wanted_tables_are_made() -> None:
    log = OrderLog(MARKET, {"market_dispatch"})
    log.add(UNITS, TWO)
    assert [table for table, _ in log.drain()] == ["market_dispatch"]
