"""Who sets the price, and what offers at cost would have come to, worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from assume_rl.evaluation.price_setting import cleared_at_cost, price_setters

START = pd.Timestamp("2030-01-01")
HOUR = pd.Timedelta(hours=1)
COLUMNS = ["unit_id", "volume", "price", "accepted_volume", "accepted_price", "marginal_cost"]


def orders(*hours: list[tuple[object, ...]]) -> pd.DataFrame:
    """Orders of an auction each."""
    parts = [
        pd.DataFrame(rows, columns=COLUMNS).assign(
            start_time=START + k * HOUR, end_time=START + (k + 1) * HOUR
        )
        for k, rows in enumerate(hours)
    ]
    return pd.concat(parts, ignore_index=True)


LOAD = ("load", -100.0, 3000.0, -100.0, 90.0, math.nan)
MARKUP = [
    ("cheap", 80.0, 10.0, 80.0, 90.0, 10.0),
    ("dear", 50.0, 90.0, 20.0, 90.0, 50.0),
    ("peak", 50.0, 95.0, 0.0, 90.0, 95.0),
    LOAD,
]


def test_the_dearest_accepted_sale_sets_the_price() -> None:
    (row,) = price_setters(orders(MARKUP)).to_dict("records")
    assert (row["unit_id"], row["price"], row["markup"]) == ("dear", 90, 40)


def test_at_equal_bids_nothing_is_a_mark_up_that_another_ones_cost_explains() -> None:
    tie = ("tie", 50.0, 90.0, 10.0, 90.0, 90.0)
    for rows in ([tie, *MARKUP], [*MARKUP, tie]):
        (row,) = price_setters(orders(rows)).to_dict("records")
        assert (row["unit_id"], row["markup"]) == ("tie", 0)


def test_a_storage_that_sets_the_price_has_no_known_mark_up() -> None:
    store = ("store", 10.0, 92.0, 10.0, 92.0, math.nan)
    (row,) = price_setters(orders([*MARKUP, store])).to_dict("records")
    assert row["unit_id"] == "store"
    assert math.isnan(row["markup"])


def test_a_delivery_in_which_nothing_is_sold_has_no_price_setter() -> None:
    unsold = [(*row[:3], 0.0, *row[4:]) for row in MARKUP]
    assert list(price_setters(orders(unsold, MARKUP))["start_time"]) == [START + HOUR]


def test_offers_at_cost_clear_at_the_cost_of_the_last_one_needed() -> None:
    found = cleared_at_cost(orders(MARKUP, MARKUP))
    assert found.prices["price"].tolist() == [50, 50]
    assert list(found.prices["start_time"]) == [START, START + HOUR]
    assert found.profit == 2 * 80 * (50 - 10)


def test_at_cost_too_a_delivery_in_which_nothing_is_sold_has_no_price() -> None:
    idle = [row for row in MARKUP if row is not LOAD]
    both = orders(idle, MARKUP)
    found = cleared_at_cost(both)
    assert found.prices["price"].tolist() == [50]
    assert list(found.prices["start_time"]) == [START + HOUR]
    beside = found.beside(both.drop_duplicates("start_time"))
    assert np.array_equal(beside, [math.nan, 50], equal_nan=True)


def test_only_the_offers_of_some_are_moved() -> None:
    rows = [("cheap", 80.0, 60.0, 80.0, 90.0, 10.0), *MARKUP[1:]]
    found = cleared_at_cost(orders(rows), {"cheap"})
    assert found.prices["price"].tolist() == [90]
    assert found.profit == 80 * (90 - 10)


def test_money_counts_the_length_of_a_delivery() -> None:
    quarter = orders(MARKUP).assign(end_time=START + HOUR / 4)
    assert cleared_at_cost(quarter).profit == pytest.approx(80 * 40 / 4)


def test_offers_without_a_known_cost_stay_as_they_are() -> None:
    rows = [(*MARKUP[0][:5], math.nan), *MARKUP[1:]]
    found = cleared_at_cost(orders(rows))
    assert found.prices["price"].tolist() == [50]
    assert found.profit == 0  # the dear plant sells at its cost
