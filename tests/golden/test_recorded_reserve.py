"""`example_01c` with two markets of reserve (`eom_and_crm`).

In the record only one order for reserve was ever made, that of the storage in the first auction:
the rules of plants fail there. So auctions are compared as they are, energy with that one order,
and the folder as it is by hand.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
from recorded import Shell, Tables, aligned, assert_close, compiled, read, run, run_batch

from assume_rl.core.bidding import BIDDERS, Entry
from assume_rl.core.bidding.base import Context, NoParams, View
from assume_rl.core.bidding.reserve import FreeReserve, storage_neg
from assume_rl.core.clearing import Slots, pay_as_bid
from assume_rl.core.orders import Orders
from assume_rl.core.units.storage import StorageView
from assume_rl.testing import toy_market

pytestmark = [pytest.mark.unchecked, pytest.mark.reference]

DIGITS = 1e-6  # times max(1, |x|)
RULE = "storage_capacity_heuristic_balancing_neg"
PLANTS = ("Unit 1", "Unit 2", "Unit 3", "Unit 4")
MARKETS = ("CRM_pos", "CRM_neg")


@pytest.fixture
def record(reference: Path) -> Path:
    return reference / "examples" / "results" / "example_01c" / "eom_and_crm"


@pytest.fixture
def folder(reference: Path) -> Path:
    return reference / "examples" / "scenarios" / "example_01c"


@pytest.mark.parametrize("market", MARKETS)
def test_recorded_orders_for_reserve_are_cleared_as_recorded(record: Path, market: str) -> None:
    orders = read(record / "market_orders.csv.gz", ("start_time",)).query("market_id == @market")
    meta = read(record / "market_meta.csv.gz", ("product_start",)).query("market_id == @market")
    spec = toy_market(pay_as_bid)
    for time, rows in orders.groupby("start_time"):
        price, volume = (torch.tensor(rows[n].to_numpy())[None] for n in ("price", "volume"))
        zero = torch.zeros(len(rows), dtype=torch.int64)
        book = Orders(price.double(), volume.double(), zero, zero)
        found = spec.clear(book, 0 * price, spec.rule.setup(spec, Slots(zero)))
        assert_close(found.accepted[0], rows.accepted_volume, DIGITS, f"volumes at {time}")
        assert_close(found.paid[0], rows.accepted_price, DIGITS, f"paid at {time}")
        (row,) = meta[meta.product_start == time].to_dict("records")
        for name in ("price", "supply_volume", "demand_volume"):
            assert_close(getattr(found, name)[0], [row[name]], DIGITS, f"{name} at {time}")
    assert orders.start_time.nunique() == len(meta) == 119


@dataclass(frozen=True)
class Once(FreeReserve):
    """Offers negative reserve in the first auction only."""

    def orders(self, view: View[StorageView]) -> Orders:
        orders = super().orders(view)
        first = torch.as_tensor(view.outlook.first == 1)[..., None, None]
        return replace(orders, volume=torch.where(first, orders.volume, 0.0))


def once(context: Context, params: NoParams) -> Once:
    return Once(**vars(storage_neg(context, params)))


@pytest.fixture
def only_the_recorded_order() -> Iterator[None]:
    with patch.dict(BIDDERS, {RULE: Entry(once, NoParams)}):
        yield


def units_without_other_reserve() -> dict[str, str]:
    cells = {f"units.{unit}.bidding_{market}": "" for unit in PLANTS for market in MARKETS}
    return {**cells, "units.Storage 1.bidding_CRM_pos": ""}


def compare_energy(ours: Tables, record: Path, least: int) -> None:
    meta = read(record / "market_meta.csv.gz", ("product_start",)).query("market_id == 'EOM'")
    theirs = meta.set_index("product_start").price
    prices = ours["market_meta"].query("market_id == 'EOM'").set_index("product_start").price
    assert len(prices) == least
    assert_close(prices, theirs[prices.index], DIGITS, "prices")
    orders = read(record / "market_orders.csv.gz", ("start_time",))
    orders = orders[orders.start_time <= prices.index.max()]
    keys = ["market_id", "start_time", "unit_id"]
    sold = [
        rows.groupby(keys).accepted_volume.sum()
        for rows in (ours["market_orders"].query("market_id == 'EOM'"), orders)
    ]
    both = pd.concat(sold, axis=1).fillna(0.0)
    both = both[both.index.get_level_values("market_id") == "EOM"].to_numpy()
    assert np.abs(both[:, 0] - both[:, 1]).max() < 1e-5


@pytest.mark.usefixtures("only_the_recorded_order")
@pytest.mark.parametrize(
    ("shell", "end", "hours"),
    [
        (run_batch, "2019-01-02", 22),
        pytest.param(run_batch, "2019-01-21", 478, marks=pytest.mark.slow),
        pytest.param(run, "2019-01-21", 478, marks=pytest.mark.slow),
    ],
)
def test_energy_beside_the_only_recorded_order_for_reserve_is_the_record(
    folder: Path, record: Path, shell: Shell, end: str, hours: int
) -> None:
    overrides = {**units_without_other_reserve(), "end_date": end}
    ours = shell(compiled(folder, "eom_and_crm", **overrides))
    sold = ours["market_orders"].query("market_id == 'CRM_neg' and volume > 0")
    assert sold[["unit_id", "volume", "accepted_volume"]].to_numpy().tolist() == [
        ["Storage 1", 1000.0, 1000.0]
    ]
    compare_energy(ours, record, hours)


@pytest.fixture(scope="module")
def days(reference: Path) -> tuple[Tables, Tables, np.ndarray]:
    """Two days of the folder as it is, on both shells, and the price forecast."""
    folder = reference / "examples" / "scenarios" / "example_01c"
    scenario = compiled(folder, "eom_and_crm", end_date="2019-01-03")
    forecast = scenario.profiles.forecasts["EOM"].price[0].numpy()
    return run_batch(scenario), run(scenario), forecast


def test_both_shells_sell_the_same_reserve(days: tuple[Tables, Tables, np.ndarray]) -> None:
    batch, message, _ = days
    keys = ["market_id", "start_time", "bid_id"]
    a, b = aligned(batch["market_orders"], message["market_orders"], keys)
    for column in ("price", "volume", "accepted_price"):
        assert_close(a[column], b[column], 1e-9, column)
    # Among equal prices complex clearing takes what its solver finds.
    a, b = a[a.market_id != "EOM"], b[b.market_id != "EOM"]
    assert_close(a.accepted_volume, b.accepted_volume, 1e-9, "accepted volume")


def test_the_first_auction_is_what_it_is_by_hand(days: tuple[Tables, Tables, np.ndarray]) -> None:
    """Energy is expected at 13.63 EUR/MWh for five hours, the cost of Unit 1.

    The others lose their minimum power, 200 of 1,000 MW: a fifth of five hours of what they cost
    above that. The storage is empty, and has nothing for positive reserve.
    """
    rows = days[0]["market_orders"]
    rows = rows[rows.start_time == pd.Timestamp("2019-01-01 01:00")]
    up = rows.query("market_id == 'CRM_pos' and volume > 0").set_index("unit_id")
    costs = {"Unit 1": 13.63333333, "Unit 2": 25.65, "Unit 3": 45.05, "Unit 4": 53.5}
    expected = [(5 * (cost - 13.63333333) * 200 / 1000, 1000.0) for cost in costs.values()]
    assert list(up.index) == list(costs)
    assert_close(up[["price", "volume"]], expected, 1e-6, "positive reserve")
    assert up.accepted_volume.tolist() == [1000.0, 1000.0, 756.0, 0.0]
    down = rows.query("market_id == 'CRM_neg' and volume > 0")
    assert down[["unit_id", "price", "volume"]].to_numpy().tolist() == [["Storage 1", 0.0, 1000.0]]


def test_all_positive_reserve_of_plants_is_what_a_loop_finds(
    days: tuple[Tables, Tables, np.ndarray],
) -> None:
    tables, _, forecast = days
    costs = {"Unit 1": 13.63333333, "Unit 2": 25.65, "Unit 3": 45.05, "Unit 4": 53.5}
    rows = tables["market_orders"].query("market_id == 'CRM_pos' and volume > 0")
    rows = rows[rows.unit_id.isin(costs)]
    for row in rows.itertuples():
        first = int((row.start_time - pd.Timestamp("2019-01-01")) / pd.Timedelta("1h"))
        earned = sum(price - costs[row.unit_id] for price in forecast[first : first + 5])
        asked = earned if earned >= 0 else -earned * 200 / row.volume
        assert row.price == pytest.approx(asked, abs=1e-6)
    assert len(rows) == 4 * 11
