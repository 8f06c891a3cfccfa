"""The recorded auctions of `example_01c`, which complex clearing cleared, with blocks and links.

Every auction is cleared from its recorded orders; then the scenario is run on its own.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from recorded import Shell, assert_close, compiled, read, run, run_batch

from assume_rl.core.clearing import Slots, complex_clearing
from assume_rl.core.orders import Orders, no_terms
from assume_rl.testing import toy_market

pytestmark = [pytest.mark.unchecked, pytest.mark.reference]

DIGITS = 1e-6  # times max(1, |x|)
CASES = ("eom_only", "eom_and_crm")
SOME = 12  # every twelfth auction


def tables(reference: Path, case: str) -> tuple[pd.DataFrame, pd.Series]:
    """The recorded orders, and prices by time."""
    folder = reference / "examples" / "results" / "example_01c" / case
    orders = read(folder / "market_orders.csv.gz", ("start_time",))
    meta = read(folder / "market_meta.csv.gz", ("product_start",))
    prices = meta[meta.market_id == "EOM"].set_index("product_start").price
    return orders[orders.market_id == "EOM"], prices


def as_orders(rows: pd.DataFrame) -> Orders:
    """The orders of an auction; `min_acceptance_ratio` is no field of the market."""
    count = len(rows)
    place = {name: i for i, name in enumerate(rows.bid_id)}
    parent = [place[name] if isinstance(name, str) else -1 for name in rows.parent_bid_id]
    block = torch.tensor((rows.bid_type == "BB").to_numpy())
    terms = replace(no_terms(count), block=block, parent=torch.tensor(parent))
    price, volume = (torch.tensor(rows[name].to_numpy())[None] for name in ("price", "volume"))
    zero = torch.zeros(count, dtype=torch.int64)
    return Orders(price.double(), volume.double(), zero, zero, terms)


@pytest.mark.parametrize("every", [SOME, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES)
def test_recorded_orders_are_cleared_as_recorded(reference: Path, case: str, every: int) -> None:
    """Volumes, summed over orders of equal price, and the price, which is within its interval."""
    recorded, prices = tables(reference, case)
    spec, compared = toy_market(complex_clearing), 0
    for time, rows in list(recorded.groupby("start_time"))[::every]:
        orders = as_orders(rows)
        setup = spec.rule.setup(spec, Slots(orders.node))
        found = spec.clear(orders, 0 * orders.price, setup)
        sums = rows.assign(ours=found.accepted[0].numpy()).groupby(rows.price.round(6))
        sums = sums[["ours", "accepted_volume"]].sum()
        assert_close(sums.ours, sums.accepted_volume, DIGITS, f"volumes at {time}")
        assert float(found.price) == pytest.approx(prices[time], rel=DIGITS, abs=DIGITS)
        compared += 1
    assert compared == -(-recorded.start_time.nunique() // every)


@pytest.mark.slow
@pytest.mark.parametrize("shell", [run_batch, run])
def test_a_run_of_its_own_is_the_record(reference: Path, shell: Shell) -> None:
    """All 743 hours: prices, and what each unit sells."""
    scenario = compiled(reference / "examples" / "scenarios" / "example_01c", "eom_only")
    ours = shell(scenario)
    recorded, prices = tables(reference, "eom_only")
    meta = ours["market_meta"].set_index("product_start").price
    assert len(meta) == len(prices) == 743
    assert_close(meta[prices.index], prices, DIGITS, "prices")
    sold = [
        rows.groupby(["start_time", "unit_id"]).accepted_volume.sum()
        for rows in (ours["market_orders"], recorded)
    ]
    both = pd.concat(sold, axis=1).fillna(0.0).to_numpy()
    assert np.abs(both[:, 0] - both[:, 1]).max() < 1e-5
    kinds = [conditions(rows) for rows in (ours["market_orders"], recorded)]
    pd.testing.assert_frame_equal(*kinds, check_dtype=False)


def conditions(orders: pd.DataFrame) -> pd.DataFrame:
    """What binds each order, with the type of its parent, as their names differ."""
    keys = ["start_time", "unit_id"]
    orders = orders[orders.volume != 0]
    blocks = orders[orders.bid_type == "BB"][[*keys, "bid_id"]]
    known = orders.merge(blocks, on=keys, how="left", suffixes=("", "_of_block"))
    own = known.parent_bid_id == known.bid_id_of_block
    return (
        known.assign(hangs_on_block=own, least=known.min_acceptance_ratio.fillna(0.0))
        .sort_values([*keys, "bid_type"])
        .reset_index(drop=True)[[*keys, "bid_type", "hangs_on_block", "least"]]
    )
