"""Over-the-counter orders of plants and demand."""

from dataclasses import replace

import pytest
import torch

from assume_rl.core.bidding import ALIASES, create
from assume_rl.core.bidding.base import ANY_CONTEXT
from assume_rl.core.orders import Orders
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, begin, look
from assume_rl.core.units.fleet import members
from assume_rl.errors import SettingError
from assume_rl.testing import check_bidder, toy_fleet

PLANT, DEMAND = "powerplant_energy_naive_otc", "demand_energy_naive_otc"


def orders_of(name: str, market: str, ramp_up: float = torch.inf, **params: float) -> Orders:
    """Orders of a plant of 100 MW at 30 EUR/MWh, or of 80 MW of demand at 45."""
    plants = ((100.0, 20.0, 30.0),) if name == PLANT else ()
    demands = ((80.0, 45.0),) if name == DEMAND else ()
    fleet, profiles = toy_fleet(plants=plants, demands=demands, ramp_up=ramp_up)
    bidder = create(name, replace(ANY_CONTEXT, market=market), params)
    team = Team(bidder, members(fleet, [0]), fleet.ids)
    portfolio = Portfolio(fleet, profiles, {market: (team,)}, 1.0, 2, 30)
    auction = Auction(market, 0, 0, 1, (2, 3), (1, 1))
    return team.orders(look(portfolio, begin(portfolio), auction, team), None)


@pytest.mark.parametrize(
    ("name", "market", "volume", "price"),
    [(PLANT, "OTC", 25, 30), (PLANT, "WEEK_OTC", 25, 30), (PLANT, "EOM", 100, 30),
     (DEMAND, "OTC", -20, 45), (DEMAND, "EOM", -80, 45)],
)  # fmt: skip
def test_a_share_is_offered_in_markets_that_are_called_so(
    name: str, market: str, volume: float, price: float
) -> None:
    orders = orders_of(name, market, scale_firm_power_capacity=0.25)
    assert orders.volume.tolist() == [[volume], [volume]]
    assert orders.price.tolist() == [[price], [price]]


def test_all_is_offered_by_default_whatever_ramps_allow() -> None:
    assert orders_of(PLANT, "OTC", ramp_up=10.0).volume.tolist() == [[100], [100]]


def test_the_old_name_is_for_plants_and_demand() -> None:
    bidder = create("otc_strategy", ANY_CONTEXT, {})
    assert ALIASES["otc_strategy"] == bidder.name == PLANT
    assert bidder.technologies == {"thermal", "demand"}


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_lies_between_nothing_and_all(share: float) -> None:
    with pytest.raises(SettingError, match="scale_firm_power_capacity"):
        orders_of(PLANT, "OTC", scale_firm_power_capacity=share)


@pytest.mark.parametrize("name", [PLANT, DEMAND])
def test_it_keeps_the_contract(name: str) -> None:
    check_bidder(create(name, replace(ANY_CONTEXT, market="OTC"), {}))
