"""Who gains what, against markets that were worked out by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hand_made_run import DEAR, DEMAND, PAYMENTS, PROFITS, write_run

from assume_rl.core.clearing import Slots, pay_as_bid
from assume_rl.core.orders import unit_major
from assume_rl.evaluation.surplus import surplus, welfare_rows
from assume_rl.reports.report import report_sections
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.source.order_queries import during
from assume_rl.reports.types import Grid
from assume_rl.testing import toy_market

START = pd.Timestamp("2030-01-01")


def withheld(minutes: int = 60) -> pd.DataFrame:
    """A cheap plant asks for more than anybody pays, so that a dear one runs in its place."""
    rows = [  # volume, price, accepted, paid, marginal cost
        (50.0, 70.0, 0.0, 0.0, 10.0),
        (50.0, 50.0, 50.0, 50.0, 50.0),
        (-100.0, 60.0, -50.0, 50.0, np.nan),
    ]
    names = ["volume", "price", "accepted_volume", "accepted_price", "marginal_cost"]
    end = START + pd.Timedelta(minutes=minutes)
    times = {"start_time": START, "end_time": end}
    return pd.DataFrame(rows, columns=names).assign(trades=False, **times)


@pytest.mark.parametrize(("minutes", "hours"), [(60, 1.0), (15, 0.25)])
def test_what_withholding_destroys(minutes: int, hours: float) -> None:
    found = surplus(withheld(minutes))
    assert (found.consumer, found.producer) == (500 * hours, 0)
    assert found.paid == 2_500 * hours
    # at cost 50 MW are sold at 10 and 50 MW at 50 EUR/MWh, all worth 60: 3,000 instead of 500
    assert found.lost == 2_500 * hours


def test_deliveries_with_unlike_orders_are_summed_up() -> None:
    later = pd.Timedelta(hours=1)
    second = withheld().iloc[1:].assign(start_time=START + later, end_time=START + 2 * later)
    found = surplus(pd.concat([withheld(), second], ignore_index=True))
    assert (found.consumer, found.lost) == (1_000, 2_500)


def test_what_is_not_known_is_left_empty() -> None:
    orders = withheld()
    orders.loc[0, "marginal_cost"] = np.nan  # of the plant that sold nothing
    rows = dict(surplus(orders).rows())
    assert (rows["producer surplus"], rows["deadweight loss"]) == (0, None)
    orders.loc[1, "marginal_cost"] = np.nan
    rows = dict(surplus(orders).rows())
    assert (rows["consumer surplus"], rows["producer surplus"]) == (500, None)


def test_buyers_pay_what_plants_are_paid_under_pay_as_bid() -> None:
    # GIVEN a cheap and a dear plant, cleared by the package's own rule
    price, volume = torch.tensor([[10.0, 50.0, 60.0], [50.0, 50.0, -100.0]]).double()[:, None]
    offers = unit_major(price, volume, 3)
    setup = pay_as_bid.setup(toy_market(pay_as_bid), Slots(node=offers.node))
    cleared = pay_as_bid.clear(offers, torch.zeros(1, 3).double(), setup)
    orders = withheld().assign(
        price=price[0].numpy(),
        accepted_volume=cleared.accepted[0].numpy(),
        accepted_price=cleared.paid[0].numpy(),
    )
    # THEN the demand's own price is the dearest, but that is not what it pays for all
    assert float(cleared.paid[0, 2]) == 50
    found = surplus(orders)
    assert (found.paid, found.consumer, found.producer, found.lost) == (3_000, 3_000, 0, 0)


def grids(folder: Path) -> dict[str, Grid]:
    sections = report_sections(open_source(folder))
    found = [item for section in sections for item in section.items]
    return {item.title: item for item in found if isinstance(item, Grid)}


def test_welfare_is_what_all_markets_gain_less_the_starts() -> None:
    found = dict(welfare_rows({"A": surplus(withheld()), "B": surplus(withheld(15))}, 200.0))
    traded = {"gains of trade, A": 500, "gains of trade, B": 125}
    assert found == traded | {"start costs": 200, "welfare": 425}


def test_the_report_has_the_welfare_of_its_run(tmp_path: Path) -> None:
    traded = 3_000 * sum(DEMAND) - PAYMENTS + sum(PROFITS.values())
    rows = dict(grids(write_run(tmp_path / "run", starts={DEAR: [300.0, 50.0]}))["Welfare"].rows)
    assert rows == {
        "gains of trade, EOM": traded,
        "start costs": 350,
        "welfare": traded - 350,
    }


def test_of_some_deliveries_only_their_own_starts_count() -> None:
    times = START + pd.to_timedelta([0, 59, 60, 120, 200], unit="min")
    starts = pd.DataFrame({"time": times, "unit": "u", "start_cost": [1.0, 2.0, 4.0, 8.0, 16.0]})
    later = pd.Timedelta(hours=2)
    second = withheld().assign(start_time=START + later, end_time=START + later * 1.5)
    found = during(starts, pd.concat([withheld(), second]))
    assert found["start_cost"].tolist() == [1, 2, 8]


def test_the_report_has_the_welfare_of_its_market(tmp_path: Path) -> None:
    grid = grids(write_run(tmp_path / "run"))["Surplus, EOM"]
    assert dict(grid.rows) == {
        "consumer surplus": 3_000 * sum(DEMAND) - PAYMENTS,
        "producer surplus": sum(PROFITS.values()),
        "what buyers pay": PAYMENTS,
        "deadweight loss": 0,  # the cheap plant always comes first
    }
