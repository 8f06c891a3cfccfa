"""What plants and demand offer once they have traded the same steps before."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from assume_rl.core.bidding import create
from assume_rl.core.bidding.base import ANY_CONTEXT, AnyBidder
from assume_rl.core.clearing import pay_as_clear
from assume_rl.core.orders import Orders, unit_major
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Result, begin, look, settle
from assume_rl.core.units.fleet import Fleet, Profiles, members
from assume_rl.testing import check_bidder, toy_fleet, toy_market

PLANT, DEMAND = "powerplant_energy_naive_intraday", "demand_energy_naive_intraday"


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def orders_after(
    name: str,
    toy: tuple[Fleet, Profiles],
    sold: dict[str, Tensor],
    length: int = 1,
    tick: float = 0.0,
    deliverable: bool = False,
    prices: tuple[float, float] = (-3000.0, 3000.0),
) -> Orders:
    """Return the orders for steps 2 and on, of which earlier auctions sold (step unit) MW."""
    fleet, profiles = toy
    low, high = prices
    context = replace(ANY_CONTEXT, price_tick=tick, lowest_price=low, highest_price=high)
    bidder: AnyBidder = create(name, context, {})
    team = Team(bidder, members(fleet, range(len(fleet.ids))), fleet.ids)
    types = tuple(sold)
    portfolio = Portfolio(
        fleet,
        profiles,
        {"IDM": (team,)},
        step_hours=1.0,
        lookback=2,
        horizon=6,
        product_types=types,
        deliverable=deliverable,
    )
    position = begin(portfolio)
    results = []
    for kind, volume in sold.items():
        steps, units = volume.shape
        first = tuple(range(2, 2 + steps))
        auction = Auction("DAM", 0, 0, 0, first, (1,) * steps, kind)
        price = torch.full_like(volume, 50.0)
        bids = unit_major(price, volume, units)
        results.append(Result(auction, bids, volume, price, price, (), ()))
    position = settle(portfolio, position, results)[0]
    return team.orders(
        look(portfolio, position, Auction("IDM", 0, 0, 1, (2,), (length,)), team), None
    )


def plants(**limits: float) -> tuple[Fleet, Profiles]:
    return toy_fleet(plants=((100.0, 20.0, 30.0),), **limits)


@pytest.mark.parametrize(
    ("sold", "left", "back"),
    [(0, 100, 0), (60, 40, -40), (100, 0, -80), (20, 80, 0), (10, 90, 0)],
)
def test_a_plant_sells_the_rest_and_buys_back_down_to_its_minimum(
    sold: float, left: float, back: float
) -> None:
    orders = orders_after(PLANT, plants(), {"energy": row(sold)[None]})
    assert orders.volume.tolist() == [[left, back]]
    assert orders.price.tolist() == [[30.0, pytest.approx(29.99)]]


@pytest.mark.parametrize("deliverable", [False, True])
def test_a_plant_keeps_the_power_that_it_has_sold_as_negative_reserve(deliverable: bool) -> None:
    sold = {"energy": row(60)[None], "capacity_neg": row(15)[None]}
    orders = orders_after(PLANT, plants(), sold, deliverable=deliverable)
    assert orders.volume.tolist() == [[40, -25]]


def test_a_plant_with_a_ramp_limit_buys_nothing_back() -> None:
    orders = orders_after(PLANT, plants(ramp_down=200.0), {"energy": row(60)[None]})
    assert orders.volume[0, 1] == 0


def test_only_what_is_sold_in_every_step_of_a_product_is_bought_back() -> None:
    hours = torch.stack([row(90), row(50), row(70)])
    assert orders_after(PLANT, plants(), {"energy": hours}, length=3).volume.tolist() == [[10, -30]]


def test_a_plant_buys_at_any_price_what_it_cannot_deliver() -> None:
    """Sold are 130 MW of 100: 30 MW are missing, and 80 of the rest can be bought back."""
    orders = orders_after(PLANT, plants(), {"energy": row(130)[None]})
    assert orders.volume.tolist() == [[-30, -80]]
    assert orders.price.tolist() == [[3000.0, pytest.approx(29.99)]]
    sold = {"energy": row(90)[None], "capacity_pos": row(25)[None]}
    assert orders_after(PLANT, plants(), sold).volume.tolist() == [[-15, -55]]


def demands() -> tuple[Fleet, Profiles]:
    return toy_fleet(plants=(), demands=((80.0, 45.0),))


@pytest.mark.parametrize(
    ("bought", "difference", "resold", "price"),
    [(0, -80, 0, 44.99), (-30, -50, 30, 44.99), (-80, 0, 80, 44.99), (-100, 20, 80, 0.0)],
)
def test_demand_buys_what_it_lacks_and_resells_what_it_could_save(
    bought: float, difference: float, resold: float, price: float
) -> None:
    orders = orders_after(DEMAND, demands(), {"energy": row(bought)[None]})
    assert orders.volume.tolist() == [[difference, resold]]
    assert orders.price.tolist() == [[pytest.approx(price), 45.0]]


@pytest.mark.parametrize(("name", "toy"), [(PLANT, plants()), (DEMAND, demands())])
def test_nothing_trades_with_itself(name: str, toy: tuple[Fleet, Profiles]) -> None:
    sold = row(60.0 if name == PLANT else -60.0)[None]
    for tick in (None, 0.5, 20.0, 60.0):  # 30 is halfway between two, 45 is not
        market = replace(toy_market(pay_as_clear), price_tick=tick)
        orders = market.limited(orders_after(name, toy, {"energy": sold}, tick=tick or 0.0))
        asks, offers = orders.price[orders.volume > 0], orders.price[orders.volume < 0]
        assert len(asks) == len(offers) == 1
        assert asks > offers


@pytest.mark.parametrize(("name", "toy"), [(PLANT, plants()), (DEMAND, demands())])
@pytest.mark.parametrize("prices", [(0.0, 20.0), (60.0, 90.0), (30.0, 45.0)])
def test_nothing_trades_with_itself_at_the_limits_of_prices(
    name: str, toy: tuple[Fleet, Profiles], prices: tuple[float, float]
) -> None:
    sold = row(60.0 if name == PLANT else -60.0)[None]
    market = replace(toy_market(pay_as_clear), min_price=prices[0], max_price=prices[1])
    orders = market.limited(orders_after(name, toy, {"energy": sold}, prices=prices))
    asks, offers = orders.price[orders.volume > 0], orders.price[orders.volume < 0]
    assert len(asks) + len(offers) >= 1
    assert (asks[:, None] > offers).all()


def test_both_keep_the_contract_of_bidders() -> None:
    for name in (PLANT, DEMAND):
        check_bidder(create(name, ANY_CONTEXT, {}))
