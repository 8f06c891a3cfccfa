"""Elastic demand: its curve in steps, and its orders."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from assume_rl.core.bidding import create
from assume_rl.core.bidding.base import Context
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Position, begin, look
from assume_rl.core.units.base import ENERGY, Block
from assume_rl.core.units.demand import Demand, DemandParams, demand_curve
from assume_rl.core.units.fleet import Fleet, Profiles, members

AUCTION = Auction("EOM", 0, 0, 1, (1, 2), (1, 1))


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# Linear with 5 steps, isoelastic with 3, and one without a curve.
PARAMS = DemandParams(
    price=row(90, 16, 3000),
    most=row(60, 100, 0),
    elasticity=row(0, -0.5, 0),
    num_bids=row(5, 3, 0),
)
PRICES = [[90, 72, 54, 36, 18], [16, 2.56, 1, 0, 0], [0] * 5]
SIZES = [[12] * 5, [25, 37.5, 37.5, 0, 0], [0] * 5]


def test_a_curve_is_cut_into_the_steps_that_its_table_asks_for() -> None:
    price, size = demand_curve(PARAMS, 5)
    # isoelastic: 100 * 16 ** -0.5 = 25 MW at 16, then 62.5 MW at 0.625 ** -2 and 100 MW at 1
    assert price.tolist() == [pytest.approx(own) for own in PRICES]
    assert size.tolist() == [pytest.approx(own) for own in SIZES]


@pytest.mark.parametrize("elasticity", [-0.05, -1.0, -3.0])
def test_an_isoelastic_curve_ends_with_all_power_at_1(elasticity: float) -> None:
    params = replace(PARAMS, elasticity=row(0, elasticity, 0))
    price, size = (values[1, :3] for values in demand_curve(params, 5))
    assert size.sum().item() == pytest.approx(100)
    assert price[-1].item() == pytest.approx(1)
    assert size.cumsum(-1)[1:].tolist() == pytest.approx((100 * price[1:] ** elasticity).tolist())


def looked(bought: float = 0.0) -> tuple[Team, Any]:
    """The view of both units with a curve; the first has bought something of the first product."""
    params = Demand().select(PARAMS, torch.tensor([0, 1]))
    nowhere = torch.zeros(2, dtype=torch.long)
    fleet = Fleet(("a", "b"), (Block(Demand(), 0, 2, params),), owner=nowhere, node=nowhere)
    capacity = -params.most.expand(9, -1)
    profiles = Profiles(capacity, params.price.expand(9, -1), {})
    bidder = create("elastic_demand", Context(100.0, 2, 1.0, orders=5), {})
    team = Team(bidder, members(fleet, (0, 1)), ())
    portfolio = Portfolio(fleet, profiles, {"EOM": (team,)}, 1.0, 1, 3)
    start = begin(portfolio)
    energy = start.state.energy.clone()
    energy[2, 0] = -bought
    position = Position(replace(start.state, sold={ENERGY: energy}), 0, 0, -1)
    return team, look(portfolio, position, AUCTION, team)


def test_units_with_unlike_numbers_of_orders_share_a_team() -> None:
    team, view = looked()
    orders = team.orders(view, None)
    assert orders.unit.tolist() == [0] * 5 + [1] * 5
    for product in range(2):
        assert orders.price[product].tolist() == pytest.approx(PRICES[0] + PRICES[1])
        assert orders.volume[product].tolist() == pytest.approx([-v for v in SIZES[0] + SIZES[1]])


def test_what_is_bought_already_is_taken_off_the_dear_end() -> None:
    team, view = looked(bought=20)
    orders = team.orders(view, None)
    assert orders.volume[0, :5].tolist() == pytest.approx([0, -4, -12, -12, -12])
    assert orders.price[0, :5].tolist() == pytest.approx([0, 72, 54, 36, 18])
    assert orders.volume[1, :5].tolist() == [-12] * 5
