"""Markets in which everybody is paid what they ask for, and deliveries that all runs share."""

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hand_made_run import MEAN_PAID, PAYMENTS_AS_BID, write_run
from hand_made_study import DESIGNS, write_study

from assume_rl.reports.report import report_sections
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.source.queries import paid_as_bid
from assume_rl.reports.types import Chart, Grid, Item

pytestmark = pytest.mark.unchecked

MERIT_ORDER = re.compile(r"EOM, 203\d-")  # titles of these figures
Choose = Callable[..., None]
NO_PRICE = "not a clearing price that could be compared with one"


def items(folder: Path) -> list[Item]:
    return [item for section in report_sections(open_source(folder)) for item in section.items]


def charts(folder: Path) -> dict[str, Chart]:
    return {item.name: item for item in items(folder) if isinstance(item, Chart)}


@pytest.mark.parametrize("as_bid", [True, False])
def test_tables_tell_how_orders_are_paid(tmp_path: Path, as_bid: bool) -> None:
    (recorded,) = open_source(write_run(tmp_path / "run", as_bid=as_bid)).recorded
    assert paid_as_bid(recorded) == {"EOM": as_bid}


@pytest.mark.parametrize("as_bid", [True, False])
def test_price_figures_say_what_their_prices_are(
    tmp_path: Path, as_bid: bool, only_topics: Choose
) -> None:
    only_topics("prices", "orders")
    found = charts(write_run(tmp_path / "run", as_bid=as_bid))
    for name in ("prices", "price-duration", "orders-EOM-20300101T0200"):
        assert (NO_PRICE in found[name].caption) == as_bid
    names = [line.name for line in found["orders-EOM-20300101T0200"].figure.data]
    dotted = f"mean paid {MEAN_PAID[2]:.2f}" if as_bid else "price 90.00"
    assert f"{dotted} EUR/MWh" in names


def test_buyers_pay_what_plants_are_paid(tmp_path: Path, only_topics: Choose) -> None:
    only_topics("profits", "market power")
    found = items(write_run(tmp_path / "run", as_bid=True))
    (profits,) = [i for i in found if isinstance(i, Chart) and i.name == "profit-units"]
    assert f"what storages and exchanges pay: {PAYMENTS_AS_BID:,.0f} EUR" in profits.caption
    (grid,) = [i for i in found if isinstance(i, Grid) and i.title == "Surplus, EOM"]
    assert dict(grid.rows)["what buyers pay"] == PAYMENTS_AS_BID


def test_a_study_names_the_designs_without_clearing_prices(
    tmp_path: Path, only_topics: Choose
) -> None:
    only_topics("comparison", "prices", "runs")
    cells = [(design, seed) for design in DESIGNS for seed in (1, 2)]
    found = items(write_study(tmp_path / "s", cells, stored=cells, as_bid=DESIGNS[0]))
    sentence = f"Prices of {DESIGNS[0]} under pay-as-bid: volume-weighted mean"
    names = ("prices", "price-duration", "compare-train-avg_price[EOM]")
    captions = {i.name: i.caption for i in found if isinstance(i, Chart) and i.name in names}
    assert all(sentence in caption for caption in captions.values())
    assert {"prices", "price-duration"} <= captions.keys()
    (grid,) = [i for i in found if isinstance(i, Grid) and i.title == "Key figures"]
    assert sentence in grid.caption


def test_all_runs_show_the_deliveries_of_the_first(tmp_path: Path, only_topics: Choose) -> None:
    only_topics("orders")
    # GIVEN a second run whose prices are lowest where those of the first are highest
    for seed in (1, 2):
        write_run(tmp_path / f"seed_{seed}", simulation=f"toy_seed_{seed}", seed=seed)
    database = sqlite3.connect(tmp_path / "seed_2" / "results.db")
    with database:
        database.execute("UPDATE market_meta SET price = -price")
    database.close()
    # THEN both show the same deliveries, by the same names
    titles = [i.title for i in items(tmp_path) if MERIT_ORDER.match(i.title)]
    assert [t.partition(": seed")[0] for t in titles[::2]] == [
        t.partition(": seed")[0] for t in titles[1::2]
    ]
    assert titles[0].endswith("00:00 (lowest price of seed 1): seed 1")


def test_another_calendar_has_deliveries_of_its_own(tmp_path: Path, only_topics: Choose) -> None:
    only_topics("orders")
    for seed in (1, 2):
        write_run(tmp_path / f"seed_{seed}", simulation=f"toy_seed_{seed}", seed=seed)
    database = sqlite3.connect(tmp_path / "seed_2" / "results.db")
    later = "UPDATE {} SET {} = replace({}, '2030', '2031')"
    with database:
        for name in ("product_start", "product_end"):
            database.execute(later.format("market_meta", name, name))
        for name in ("start_time", "end_time"):
            database.execute(later.format("market_orders", name, name))
    database.close()
    titles = [i.title for i in items(tmp_path) if MERIT_ORDER.match(i.title)]
    assert titles[1] == "EOM, 2031-01-01 00:00 (lowest price of seed 2): seed 2"
