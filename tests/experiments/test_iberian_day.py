"""A real day of the Iberian market, cleared from its 66,630 order rows with their conditions."""

from pathlib import Path

import pandas as pd
import pytest

from assume_rl.experiments.order_book.clear import ClearedTable, clear_table
from assume_rl.experiments.order_book.table import order_table
from benchmarks.omie import Day, error_of, read_day

pytestmark = [pytest.mark.unchecked, pytest.mark.reference]

LARGEST_ERROR = 0.4  # EUR/MWh, mean of absolute values
LEAST_NEAR = 22  # of 24 hours, within 1 EUR


@pytest.fixture(scope="module")
def day(reference: Path) -> Day:
    return read_day(reference / "omie")


@pytest.fixture(scope="module")
def cleared(day: Day) -> ClearedTable:
    return clear_table(order_table(day.orders, "day"))


@pytest.mark.slow
def test_prices_are_close_to_the_published_ones(day: Day, cleared: ClearedTable) -> None:
    error = error_of(cleared, day).abs()
    assert error.mean() < LARGEST_ERROR
    assert (error <= 1).sum() >= LEAST_NEAR


@pytest.mark.slow
def test_complex_orders_earn_their_fixed_costs(day: Day, cleared: ClearedTable) -> None:
    orders = cleared.orders.assign(complex=day.orders["complex"].to_numpy())
    orders["earned"] = (orders["accepted_price"] - orders["price"]) * orders["accepted_volume"]
    own = orders[orders["complex"].fillna("") != ""].groupby("complex")
    cost = day.orders.groupby("complex")["fixed_cost"].first()
    table = pd.DataFrame({"earned": own["earned"].sum(), "volume": own["accepted_volume"].sum()})
    accepted = table[table["volume"] > 0]
    assert len(accepted) == 4
    assert (accepted["earned"] >= cost[accepted.index] - 1e-3).all()


@pytest.mark.slow
def test_blocks_are_all_or_nothing(day: Day, cleared: ClearedTable) -> None:
    blocks = cleared.orders[(day.orders["type"] == "block").to_numpy()]
    whole = blocks["accepted_volume"] == blocks["volume"]
    assert (whole | (blocks["accepted_volume"] == 0)).all()
    assert (whole.groupby(blocks["id"]).nunique() == 1).all()
