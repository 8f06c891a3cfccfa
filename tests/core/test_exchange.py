"""Exchanges: what can be imported and exported, what is delivered, and their orders."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from assume_rl.core.bidding import create
from assume_rl.core.bidding.base import Context
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, begin, look
from assume_rl.core.units.base import NO_STATE, at_steps
from assume_rl.core.units.exchange import Exchange, ExchangeParams
from assume_rl.core.units.fleet import members
from assume_rl.testing import TOYS

EXCHANGE = Exchange()


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def params_of(*most_export: float) -> ExchangeParams:
    """One exchange; MW in each step."""
    return ExchangeParams(row(5), row(90), row(*most_export)[:, None])


@pytest.mark.parametrize(
    ("sold", "imports", "exports"),
    [(0, 60, -40), (50, 10, -90), (-40, 100, 0), (60, 0, -100), (-15, 75, -25)],
)
def test_what_is_left_keeps_the_power_between_all_exports_and_all_imports(
    sold: float, imports: float, exports: float
) -> None:
    limits = EXCHANGE.limits(
        params_of(-40), NO_STATE, row(60)[None], {"energy": row(sold)[None]}, 0
    )
    assert limits.sell.most.item() == imports
    assert limits.buy.most.item() == exports
    assert limits.sell.least.item() == limits.buy.least.item() == 0


def test_no_step_delivers_more_than_its_series_allow() -> None:
    energy = row(99, 50, 50, -30, -30)[:, None]
    capacity, params = row(60, 40, 60, 60)[:, None], params_of(-40, -40, -40, -20)
    done, state = EXCHANGE.execute(params, NO_STATE, capacity, energy, 1, 9)
    assert done[:, 0].tolist() == [50, 40, -30, -20]
    assert state is NO_STATE


def test_delivery_costs_nothing_beside_what_orders_pay() -> None:
    power = row(30, -30)[:, None]
    assert not EXCHANGE.running_cost(params_of(-40), row(0, 0)[:, None], power).any()
    assert not EXCHANGE.starts(params_of(-40), power, row(1))[0].started.any()


def test_parameters_that_are_series_are_cut_to_the_steps_asked_for() -> None:
    params = params_of(-1, -2, -3, -4)
    assert at_steps(params, 1, (0, 2)).most_export[:, 0].tolist() == [-2, -4]
    copies = at_steps(params, torch.tensor([0, 2]), (0, 1)).most_export
    assert copies[..., 0].tolist() == [[-1, -2], [-3, -4]]
    assert at_steps(params, 1, (0,)).price_import is params.price_import


def test_two_orders_for_every_product_first_the_import() -> None:
    fleet, profiles = TOYS["exchange"]()
    bidder = create("naive_exchange", Context(100.0, 2, 1.0), {})
    team = Team(bidder, members(fleet, (0, 2)), ())
    portfolio = Portfolio(fleet, profiles, {"EOM": (team,)}, 1.0, 1, 9)
    position = replace(begin(portfolio, start=7))
    orders = team.orders(
        look(portfolio, position, Auction("EOM", 0, 0, 1, (3, 4), (1, 1)), team), None
    )
    exports = fleet.blocks[0].params.most_export
    assert orders.unit.tolist() == [0, 0, 1, 1]
    assert orders.price.tolist() == [[0, 2999, 0, 50]] * 2
    for product, step in enumerate((10, 11)):
        imported = profiles.capacity[step, [0, 2]]
        assert torch.equal(orders.volume[product, ::2], imported)
        assert torch.equal(orders.volume[product, 1::2], exports[step, [0, 2]])
