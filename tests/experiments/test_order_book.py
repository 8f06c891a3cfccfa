"""Order books from tables: what is read, what comes out, and why orders were rejected."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from assume_rl.cli import app
from assume_rl.errors import ConfigurationError
from assume_rl.experiments.order_book.clear import ClearedTable, clear_table
from assume_rl.experiments.order_book.table import order_table, read_orders

pytestmark = pytest.mark.unchecked

HEAD = "id,hour,side,price,volume,zone,type,min_acceptance,parent,group,complex,fixed_cost\n"
BOOK = (
    HEAD
    + """nuclear,1,sell,10,40,north,,,,,,
nuclear,2,sell,10,40,north,,,,,,
gas,1,sell,60,50,south,,,,,,
gas,2,sell,60,50,south,,,,,,
load,1,buy,3000,70,south,,,,,,
load,2,buy,3000,60,south,,,,,,
coal,1,sell,45,20,south,block,1,,one,,
coal,2,sell,45,20,south,block,1,,one,,
dear coal,2,sell,46,20,south,block,1,,one,,
more coal,1,sell,30,10,south,,,coal,,,
ccgt,1,sell,40,20,south,,,,,CC1,900
ccgt,2,sell,40,20,south,,,,,CC1,
peak,1,sell,90,5,north,,,,,,
nothing,1,sell,1,0,north,,,,,,
"""
)
LINES = "name,bus0,bus1,s_nom\nN-S,north,south,30\n"


def files(folder: Path, book: str = BOOK) -> tuple[Path, Path]:
    (folder / "orders.csv").write_text(book)
    (folder / "lines.csv").write_text(LINES)
    return folder / "orders.csv", folder / "lines.csv"


@pytest.fixture(scope="module")
def cleared(tmp_path_factory: pytest.TempPathFactory) -> ClearedTable:
    return clear_table(read_orders(*files(tmp_path_factory.mktemp("book"))))


def test_prices_and_volumes(cleared: ClearedTable) -> None:
    prices = cleared.prices.set_index(["hour", "zone"])["price"]
    assert prices.to_dict() == {
        ("1", "north"): 10,
        ("1", "south"): 60,
        ("2", "north"): 10,
        ("2", "south"): 60,
    }
    orders = cleared.orders.set_index(["id", "hour"])["accepted_volume"]
    assert orders["nuclear", "1"] == 30
    assert orders["gas", "1"] == 10
    assert orders["coal", "2"] == 20
    assert cleared.flows["flow"].to_list() == [30, 30]
    assert cleared.congestion_rent == 2 * 30 * 50
    assert cleared.welfare == 130 * 3000 - 60 * 10 - 20 * 60 - 40 * 45 - 10 * 30


def test_every_order_has_a_reason(cleared: ClearedTable) -> None:
    why = cleared.orders.set_index(["id", "hour"])["reason"]
    assert why["load", "1"] == "accepted"
    assert why["nuclear", "1"] == "accepted in part: it is at the price, others suffice"
    assert why["peak", "1"] == "rejected: asks 90, the price is 10"
    assert why["nothing", "1"] == "no volume"
    assert why["dear coal", "2"] == "rejected: 'coal' of its exclusive group trades"
    assert why["ccgt", "1"] == (
        "rejected: complex order 'CC1' could earn 800 EUR, no more than its fixed cost 900"
    )
    assert cleared.conditional == {
        "coal": "accepted",
        "dear coal": why["dear coal", "2"],
        "more coal": "accepted",
        "CC1": why["ccgt", "1"],
    }


def rows(text: str) -> pd.DataFrame:
    lines = [line.split(",") for line in (HEAD + text).strip().splitlines()]
    return pd.DataFrame(lines[1:], columns=lines[0])


def test_an_order_that_would_spoil_its_price_is_rejected_paradoxically() -> None:
    found = clear_table(
        order_table(
            rows(
                "cheap,1,sell,10,45,,,,,,,\nload,1,buy,3000,50,,,,,,,\n"
                "block,1,sell,20,10,,block,1,,,,\ndear,1,sell,100,10,,,,,,,\n"
                "child,1,sell,5,1,,,,block,,,"
            ),
            "o.csv",
        )
    )
    why = found.orders.set_index("id")["reason"]
    assert why["block"].startswith("rejected: paradoxically: gains 80 EUR/MWh at these prices")
    assert why["child"] == "rejected: its parent 'block' is rejected"


def test_a_block_that_trades_a_part_is_at_its_price() -> None:
    """It is alone in the first hour, whose price makes good what it earns in the second."""
    found = clear_table(
        order_table(
            rows(
                "blk,1,sell,5,10,,block,,,,,\nblk,2,sell,5,10,,block,,,,,\n"
                "d1,1,buy,100,5,,,,,,,\nd2,2,buy,40,100,,,,,,,\ns2,2,sell,20,200,,,,,,,"
            ),
            "o.csv",
        )
    )
    np.testing.assert_allclose(found.prices["price"], [-10, 20], atol=1e-9)
    assert found.conditional == {"blk": "accepted in part: it is at the price, others suffice"}


def reasons(text: str, rule: str = "complex_clearing") -> list[str]:
    return clear_table(order_table(rows(text), "o.csv"), rule).orders["reason"].to_list()


def test_the_command_prints_no_more_than_some_hours_and_no_negative_zero(tmp_path: Path) -> None:
    orders = [f"{h},sell,-1e-9,5\n{h},buy,-1e-9,5\n" for h in range(50)]
    (tmp_path / "o.csv").write_text("hour,side,price,volume\n" + "".join(orders))
    found = CliRunner().invoke(app, ["clear", str(tmp_path / "o.csv")])
    assert found.exit_code == 0, found.exception
    assert "and 2 more rows; --out writes all" in found.output
    assert "welfare (EUR): 0.00" in found.output


RULES = ("complex_clearing", "pay_as_clear", "pay_as_bid")


@pytest.mark.parametrize("rule", RULES)
def test_an_hour_without_trade_has_no_price_to_compare_with(rule: str) -> None:
    text = "a,1,buy,10,5,,,,,,,\nb,2,sell,10,5,,,,,,,\nc,3,sell,9,1,,,,,,,\nd,3,buy,-5,1,,,,,,,"
    assert reasons(text, rule) == ["rejected: nothing trades in this hour and zone"] * 4


@pytest.mark.parametrize("rule", ["pay_as_clear", "pay_as_bid"])
def test_in_shortage_there_is_no_more_supply(rule: str) -> None:
    text = "s,1,sell,20,20,,,,,,,\nd,1,buy,100,100,,,,,,,\ne,1,buy,50,5,,,,,,,"
    assert reasons(text, rule) == [
        "accepted",
        "accepted in part: there is no more supply",
        "rejected: there is no more supply",
    ]


def test_in_shortage_demand_sets_the_price_of_complex_clearing() -> None:
    text = "s,1,sell,20,20,,,,,,,\nd,1,buy,100,100,,,,,,,\ne,1,buy,50,5,,,,,,,"
    assert reasons(text)[1:] == [
        "accepted in part: it is at the price, others suffice",
        "rejected: pays 50, the price is 100",
    ]


def test_a_block_in_hours_without_trade_is_compared_with_no_price() -> None:
    text = "blk,1,sell,-5,10,,block,1,,,,\nblk,2,sell,-5,10,,block,1,,,,"
    assert reasons(text) == ["rejected: nothing trades in this hour and zone"] * 2


def test_what_a_complex_order_could_earn_counts_all_hours_of_a_block() -> None:
    """It would earn 400 in the first hour and lose 300 in the second."""
    text = (
        "blk,1,sell,60,10,,block,,,,CC,200\nblk,2,sell,60,10,,block,,,,CC,\n"
        "d,1,buy,3000,50,,,,,,,\nd,2,buy,3000,50,,,,,,,\n"
        "s,1,sell,100,90,,,,,,,\nt,2,sell,30,90,,,,,,,"
    )
    why = "complex order 'CC' could earn 100 EUR, no more than its fixed cost 200"
    assert reasons(text)[:2] == [f"rejected: {why}"] * 2


def test_of_equal_orders_the_first_trades() -> None:
    text = (
        "a,1,sell,10,45,,,,,,,\nb,1,sell,10,45,,,,,,,\nx,1,buy,20,30,,,,,,,\ny,1,buy,20,30,,,,,,,"
    )
    for rule in ("complex_clearing", "pay_as_clear"):
        orders = clear_table(order_table(rows(text), "o.csv"), rule).orders
        assert orders["accepted_volume"].to_list() == [45, 15, 30, 30]


def test_hours_are_in_order_and_simple_orders_need_no_more_than_four_columns() -> None:
    book = pd.DataFrame(
        {
            "hour": [10, 9, 10, 9],
            "side": ["sell", "sell", "buy", "buy"],
            "price": [5.0, 7.0, 9.0, 9.0],
            "volume": 10.0,
        }
    )
    found = clear_table(order_table(book, "frame"))
    assert found.prices[["hour", "price"]].to_numpy().tolist() == [["9", 7.0], ["10", 5.0]]
    assert found.orders["id"].to_list() == ["2", "3", "4", "5"]


def test_a_table_gives_what_merit_order_gives() -> None:
    rng = np.random.default_rng(0)
    count = 3000
    book = pd.DataFrame(
        {
            "hour": rng.integers(0, 24, count),
            "side": rng.choice(["sell", "buy"], count),
            "price": rng.uniform(0, 50, count),
            "volume": rng.uniform(1, 50, count),
        }
    )
    table = order_table(book, "random")
    ours, theirs = clear_table(table), clear_table(table, "pay_as_clear")
    np.testing.assert_allclose(
        ours.orders["accepted_volume"], theirs.orders["accepted_volume"], atol=1e-6
    )
    assert (ours.prices["price"] >= theirs.prices["price"] - 1e-9).all()  # demand may set it


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,1,sell,x,5,,,,,,,", "o.csv, line 2, column 'price': 'x' is no number"),
        ("a,1,sell,,5,,,,,,,", "column 'price': '' is no number"),
        ("a,1,sel,1,5,,,,,,,", "column 'side': 'sel' is neither sell nor buy"),
        ("a,1,sell,1,-5,,,,,,,", "column 'volume': is negative; `side` says which way it goes"),
        ("a,,sell,1,5,,,,,,,", "column 'hour': is empty"),
        ("a,1,sell,1,5,,block,1.5,,,,", "column 'min_acceptance': is not in [0, 1]"),
        ("a,1,sell,1,5,,blok,,,,,", "'blok' is neither simple nor block"),
        ("a,1,sell,1,5,,,,b,,,", "there is no block 'b', nor any other"),
        ("a,1,sell,1,5,,block,,aa,,,", "there is no block 'aa'; did you mean 'a'?"),
        ("a,1,sell,1,5,,,,,g,,", "only blocks can be in an exclusive group"),
        ("a,1,sell,1,5,,,,,,,7", "column 'fixed_cost': is of no complex order"),
        ("a,1,sell,1,5,,,,,,,\na,1,sell,2,5,,,,,,,", "line 3, column 'id': 'a' has a second order"),
        ("a,1,sell,1,5,,,,,,C,-7", "column 'fixed_cost': is negative"),
        (
            "a,1,sell,1,5,,,,,,C,7\nC,1,sell,1,5,,block,,,,,",
            "line 3, column 'id': is the name of a complex order that it is no part of",
        ),
        (
            "a,1,sell,1,5,,block,,b,,,\nb,1,sell,1,5,,block,,a,,,",
            "links lead in a circle: a -> b -> a",
        ),
        (
            "a,1,sell,1,5,,block,1,,,,\na,2,sell,1,5,,block,0,,,,",
            "line 3, column 'min_acceptance': differs among the rows of block 'a'",
        ),
        (
            "a,1,sell,1,5,,,,,,C,7\nb,1,sell,1,5,,,,,,C,8",
            "line 3, column 'fixed_cost': differs among the rows of 'C'",
        ),
    ],
)
def test_bad_orders_are_named(line: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        order_table(rows(line), "o.csv")
    assert message in str(error.value)
    assert str(error.value).startswith("o.csv")


@pytest.mark.parametrize(
    ("line", "options", "message"),
    [
        ("a,1,sell,1,5,,block,,aa,,,", [], "column 'parent': there is no block 'aa'"),
        ("a,1,sell,1,5,,block,,a,,,", [], "links lead in a circle: a -> a"),
        ("a,1,sell,1,5,x,,,,,,\nb,1,buy,1,5,y,,,,,,", [], "no line leads to zone 'x'"),
        (
            "a,1,sell,1,5,x,,,,,,\nb,1,buy,1,5,y,,,,,,",
            ["--rule", "pay_as_clear"],
            "o.csv has several zones, which the mechanism 'pay_as_clear' does not read",
        ),
        (
            "a,1,sell,1,5,x,,,,,,\nb,1,buy,1,5,y,,,,,,",
            ["--rule", "pay_as_cler"],
            "unknown mechanism 'pay_as_cler'; did you mean 'pay_as_clear'?",
        ),
        ("a,1,sell,1,5,,block,1.5,,,,", [], "column 'min_acceptance': is not in [0, 1]"),
        ("a,1,sell,1,5,,,,,,,", ["--set", "pricing=1"], "param_dict.pricing: unknown key"),
        (
            "a,1,sell,1,5,,,,,,,",
            ["--set", "scarcity_pricing=true"],
            "it is a parameter of 'pay_as_clear', not of 'complex_clearing'",
        ),
    ],
)
def test_the_command_names_the_culprit_in_one_sentence(
    line: str,
    options: list[str],
    message: str,
    tmp_path: Path,
    assume_rl_command: Callable[..., tuple[int, str, str]],
) -> None:
    rows(line).to_csv(tmp_path / "o.csv", index=False)
    code, out, err = assume_rl_command("clear", tmp_path / "o.csv", *options)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


TWO_ZONES = "a,1,sell,1,5,x,,,,,,\nb,1,buy,2,5,y,,,,,,"


def test_lines_that_lead_nowhere_are_named() -> None:
    lines = pd.DataFrame({"name": ["l", "m"], "bus0": ["x"] * 2, "bus1": ["y", "x"], "s_nom": 5})
    with pytest.raises(ConfigurationError, match="line 3, column 'bus1': is where the line"):
        order_table(rows(TWO_ZONES), "o.csv", lines, Path("l.csv"))


def test_a_frame_of_lines_may_have_an_index_of_its_own() -> None:
    lines = pd.DataFrame({"name": ["l"], "bus0": ["x"], "bus1": ["y"], "s_nom": [3]}, index=[7])
    assert order_table(rows(TWO_ZONES), "o.csv", lines).grid.lines[0].capacity == 3


@pytest.mark.parametrize("row", ["1,sell,5,1,x", "1,sell,5,1\n1,sell,5,1,x"])
def test_a_row_with_more_fields_than_the_header_is_refused(row: str, tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text(f"hour,side,price,volume\n{row}\n")
    with pytest.raises(ConfigurationError, match=r"o.csv.*line [23]"):
        read_orders(tmp_path / "o.csv")


@pytest.mark.parametrize("which", [0, 1])
def test_orders_and_lines_are_files(which: int, tmp_path: Path) -> None:
    given = list(files(tmp_path))
    given[which] = tmp_path / "pipe"  # that nobody writes to
    os.mkfifo(given[which])
    with pytest.raises(ConfigurationError, match="pipe is a pipe or a device, not a file"):
        read_orders(*given)


def test_bad_columns_are_named() -> None:
    with pytest.raises(ConfigurationError, match="unknown column; did you mean 'price'"):
        order_table(pd.DataFrame({"prize": [1]}), "o.csv")
    with pytest.raises(ConfigurationError, match="column 'volume': is missing"):
        order_table(pd.DataFrame({"hour": [1], "side": ["buy"], "price": [1]}), "o.csv")
    with pytest.raises(ConfigurationError, match="there are no orders"):
        order_table(rows(""), "o.csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rule", "pay_as_clear"], "has blocks or conditions, which the mechanism"),
        (["--rule", "pay_as_cleer"], "unknown mechanism 'pay_as_cleer'; did you mean"),
        (
            ["--rule", "pay_as_clear", "--set", "pricing_mechanism=x"],
            "param_dict.pricing_mechanism: the mechanism 'pay_as_clear' does not read this key",
        ),
        (["--set", "pricing=1"], "param_dict.pricing: unknown key"),
        (["--set", "pricing_mechanism=free"], "param_dict.pricing_mechanism"),
    ],
)
def test_wrong_rules_are_named(options: list[str], message: str, tmp_path: Path) -> None:
    orders, lines = files(tmp_path)
    command = ["clear", str(orders), "--lines", str(lines), *options]
    error = CliRunner().invoke(app, command).exception
    assert isinstance(error, ConfigurationError)
    assert message in str(error)


def test_the_command_prints_and_writes(tmp_path: Path) -> None:
    orders, lines = files(tmp_path)
    command = ["clear", str(orders), "--lines", str(lines), "--out", str(tmp_path / "out")]
    for _ in range(2):  # its own files are replaced
        found = CliRunner().invoke(app, command)
        assert found.exit_code == 0, found.exception
    assert "congestion rent (EUR): 3,000.00" in found.output
    assert "(EUR/MWh)" in found.output
    assert "orders: 5 accepted, 4 accepted in part, 4 rejected, 1 no volume" in found.output
    assert "  CC1: rejected: complex order 'CC1' could earn 800 EUR" in found.output
    written = pd.read_csv(tmp_path / "out" / "orders.csv")
    assert len(written) == BOOK.count("\n") - 1
    assert set(pd.read_csv(tmp_path / "out" / "prices.csv")["price"]) == {10.0, 60.0}
    assert (pd.read_csv(tmp_path / "out" / "flows.csv")["flow"] == 30).all()
