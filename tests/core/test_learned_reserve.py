"""A plant that learns at which price to hold reserve: its reward, and its best price."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from assume_rl.core.bidding import create
from assume_rl.core.bidding.base import Context, LearnedBidder
from assume_rl.core.orders import Orders
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Result, begin, look, moved_to, settle
from assume_rl.core.units.fleet import members
from assume_rl.errors import SettingError
from assume_rl.testing import toy_fleet

LADDER = "powerplant_capacity_learning_ladder"


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def made(name: str = LADDER, **params: Any) -> LearnedBidder[Any]:
    bidder = create(name, Context(100.0, 1, 1.0, product_type="capacity_pos"), params)
    assert isinstance(bidder, LearnedBidder)
    return bidder


def earned(price: float, sold: float, length: int = 4) -> tuple[float, float]:
    """Profit and regret of 100 MW at 30 EUR/MWh, where energy is forecast at 50, 20, 40 and 10."""
    fleet, profiles = toy_fleet(plants=((100.0, 20.0, 30.0),), hot_start_cost=999.0)
    forecast = row(0.0, 50.0, 20.0, 40.0, 10.0, *[90.0] * 43)[None]
    forecasts = {"RES": replace(profiles.forecasts["EOM"], price=forecast)}
    team = Team(made(), members(fleet, [0]), fleet.ids, learns=True)
    portfolio = Portfolio(
        fleet,
        replace(profiles, forecasts=forecasts),
        {"RES": (team,)},
        step_hours=1.0,
        lookback=30,
        horizon=8,
        product_types=("energy", "capacity_pos"),
    )
    auction = Auction("RES", 0, 0, 1, (1,), (length,), "capacity_pos")
    position = begin(portfolio)
    view = look(portfolio, position, auction, team)
    orders = team.orders(view, row(price / 100.0)[None])
    assert orders.volume.tolist() == [[100.0]]
    assert orders.price.tolist() == [[pytest.approx(price)]]
    paid, accepted = row(price)[None], row(sold)[None]
    book = Orders(paid, orders.volume, orders.unit, orders.node)
    result = Result(auction, book, accepted, paid, paid, (team,), (slice(0, 1),))
    _, _, ((outcome,),) = settle(portfolio, moved_to(portfolio, position, 1), [result])
    reward = made().reward(outcome)
    assert reward.reward * 100.0 * 100.0 == pytest.approx(reward.profit - reward.regret)
    return float(reward.profit), float(reward.regret)


@pytest.mark.parametrize(
    ("price", "sold", "profit", "regret"),
    [
        # Four hours at 10 EUR/MW and hour, less 20 and 10 EUR/MW of energy in two of them.
        (10.0, 100.0, 100 * (40 - 30), 0.0),
        (10.0, 40.0, 40 * (40 - 30), 0.1 * 60 * (40 - 30)),
        (0.0, 100.0, -100 * 30.0, 0.0),
        (10.0, 0.0, 0.0, 0.5 * 100 * (40 - 30)),
    ],
)
def test_holding_costs_what_energy_was_forecast_to_earn(
    price: float, sold: float, profit: float, regret: float
) -> None:
    assert earned(price, sold) == pytest.approx((profit, regret))


def test_a_ladder_of_energy_prices_is_refused() -> None:
    with pytest.raises(SettingError, match="rung_prices: powerplant_capacity_learning_ladder has"):
        made(rung_prices="relative")
    assert made(rungs_at=[0.0, 5.0, 7.0], rung_prices="relative") != made()
