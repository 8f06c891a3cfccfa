from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from assume_rl.core.money import (
    Outcome,
    Reward,
    cashflow,
    generation_cost,
    last_price,
    plant_reward,
    revenue,
)
from assume_rl.core.units import TECHNOLOGIES
from assume_rl.core.units.thermal import ThermalParams
from assume_rl.testing import toy_fleet, toy_thermal


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def product(*values: float) -> Tensor:
    """Return a value per unit, of one product."""
    return row(*values)[None]


def outcome(**changes: Any) -> Outcome[ThermalParams]:
    """Return that of a 100 MW plant (minimum 20) that goes on selling 60 MW at 50, costs 30.

    `revenue` is that of a uniform price where it is not given.
    """
    usual = Outcome(
        price=product(50.0),
        revenue=product(0.0),
        sold=product(60.0),
        offered=product(100.0),
        hours=1.0,
        marginal_cost=product(30.0),
        power=product(60.0),
        previous_power=product(60.0),
        params=toy_thermal((100.0,), 20.0, hot_start_cost=500.0),
    )
    result = replace(usual, **changes)
    uniform = result.price * result.sold * result.hours
    return result if "revenue" in changes else replace(result, revenue=uniform)


NAMEPLATE = row(100.0)  # MW


@pytest.mark.parametrize(
    ("changes", "profit", "regret"),
    [
        ({}, 20.0 * 60, 0.1 * 20 * 40),
        ({"hours": 2.0}, 20.0 * 120, 0.1 * 20 * 80),
        ({"sold": product(20.0)}, 20.0 * 20, 0.5 * 20 * 80),  # at minimum power, not above
        ({"previous_power": product(0.0)}, 20.0 * 60 - 250, 0.1 * 20 * 40),  # switched on
        ({"power": product(0.0), "sold": product(0.0)}, -250.0, 0.5 * 20 * 100),  # switched off
        ({"price": product(10.0)}, -20.0 * 60, 0.0),  # nothing is missed at a loss
        ({"price": product(0.0), "sold": product(0.0)}, 0.0, 0.0),
    ],
)
def test_reward_is_profit_less_a_share_of_what_was_missed(
    changes: dict[str, Any], profit: float, regret: float
) -> None:
    got = plant_reward(outcome(**changes), NAMEPLATE, 100.0)
    assert got.profit.item() == pytest.approx(profit, abs=1e-9)
    assert got.regret.item() == pytest.approx(regret, abs=1e-9)
    assert got.reward.item() == pytest.approx((profit - regret) / (100 * 100), abs=1e-12)


def test_profit_is_revenue_and_regret_is_at_the_published_price() -> None:
    """Pay-as-bid: 20 MW at 40 and 80 MW at 80, all sold and nothing else: the mean is 72."""
    changes = {
        "sold": product(90.0),
        "price": product(72.0),
        "revenue": product(20.0 * 40 + 70 * 80),
    }
    got = plant_reward(outcome(**changes), NAMEPLATE, 100.0)
    assert got.profit.item() == pytest.approx(6400 - 30 * 90)
    assert got.regret.item() == pytest.approx(0.1 * (72 - 30) * 10)


def test_starts_are_charged_by_downtime_where_that_is_asked_for() -> None:
    """In place of half a hot start, which a switch would cost."""
    switched_on = outcome(previous_power=product(0.0), start_cost=product(24_000.0))
    got = plant_reward(switched_on, NAMEPLATE, 100.0, start_costs=True)
    assert got.profit.item() == pytest.approx(20 * 60 - 24_000)
    assert plant_reward(switched_on, NAMEPLATE, 100.0).profit.item() == pytest.approx(20 * 60 - 250)
    with pytest.raises(ValueError, match="a state with downtimes"):
        plant_reward(outcome(), NAMEPLATE, 100.0, start_costs=True)


def test_what_is_missed_and_the_scale_follow_the_power_that_counts() -> None:
    got = plant_reward(outcome(), product(70.0), 100.0)
    assert got.regret.item() == pytest.approx(0.1 * 20 * 10)
    assert got.reward.item() == pytest.approx((20 * 60 - 20) / (100 * 70))


@pytest.mark.parametrize(("kind", "expected"), [("profit", 1200.0), ("regret", -80.0)])
def test_profit_or_regret_alone_may_be_rewarded(kind: str, expected: float) -> None:
    got = plant_reward(outcome(), NAMEPLATE, 100.0, kind=kind)
    assert got.reward.item() == pytest.approx(expected / (100 * 100))
    assert (got.profit.item(), got.regret.item()) == (1200.0, pytest.approx(80.0))


def test_there_is_no_reward_without_power() -> None:
    nothing = outcome(sold=product(0.0), power=product(0.0), previous_power=product(0.0))
    got = plant_reward(nothing, product(0.0), 100.0)
    assert (got.reward.item(), got.profit.item(), got.regret.item()) == (0.0, 0.0, 0.0)


def test_settlement() -> None:
    """Buying costs; generation cost has no length of step in it."""
    assert cashflow(row(50.0, 50.0), row(10.0, -10.0), 0.25).tolist() == [125.0, -125.0]
    assert generation_cost(row(30.0, -5.0), row(10.0, 10.0)).tolist() == [300.0, 50.0]


def test_revenue_is_what_each_order_is_paid() -> None:
    paid, accepted = row(40.0, 80.0)[None], row(20.0, 80.0)[None]
    assert revenue(paid, accepted, row(72.0), 0.5).tolist() == [pytest.approx(3600.0)]


def test_revenue_of_a_uniform_price_does_not_depend_on_the_split() -> None:
    price, parts = 0.1, (0.3, 0.7, 1e-3)
    split = revenue(row(price, price, price)[None], row(*parts)[None], row(price), 1.0)
    whole = revenue(row(price)[None], row(*parts).sum()[None, None], row(price), 1.0)
    assert torch.equal(split, whole)


def test_running_cost_is_signed_per_hour_and_is_none_of_a_demand() -> None:
    """Start costs apart, it is EUR/h: a quarter of an hour costs a quarter of it."""
    thermal, demand = TECHNOLOGIES["thermal"], TECHNOLOGIES["demand"]
    plants = toy_thermal((100.0, 100.0))
    cost = thermal.running_cost(plants, product(30.0, -5.0), product(10.0, 10.0)) * 0.25
    assert cost.tolist() == [[75.0, -12.5]]
    params = toy_fleet(plants=(), demands=((10.0, 3000.0),))[0].blocks[0].params
    assert demand.running_cost(params, product(3000.0), product(-10.0)).tolist() == [[0.0]]


def test_rewards_of_products_are_each_its_own_and_add_up() -> None:
    """The first row is sold as usual; in the second the plant is switched off."""
    columns = {
        "price": row(50.0, 50.0)[:, None],
        "sold": row(60.0, 0.0)[:, None],
        "marginal_cost": row(30.0, 30.0)[:, None],
        "offered": row(100.0, 100.0)[:, None],
        "power": row(60.0, 0.0)[:, None],
        "previous_power": row(60.0, 60.0)[:, None],
        "revenue": row(3000.0, 0.0)[:, None],
    }
    got = plant_reward(outcome(**columns), NAMEPLATE, 100.0)
    assert got.profit[:, 0].tolist() == [pytest.approx(1200.0), pytest.approx(-250.0)]
    assert got.regret[:, 0].tolist() == [pytest.approx(80.0), pytest.approx(1000.0)]
    whole = got.over_products()
    assert whole.profit.tolist() == [pytest.approx(950.0)]
    assert whole.regret.tolist() == [pytest.approx(1080.0)]
    assert whole.reward.tolist() == [pytest.approx((950 - 1080) / (100 * 100))]


def test_products_of_unequal_length_have_their_own_hours() -> None:
    usual = outcome()
    names = ("price", "sold", "offered", "marginal_cost", "power", "previous_power")
    twice = {name: getattr(usual, name).expand(2, 1) for name in names}
    hours = row(1.0, 3.0)[:, None]
    rewarded = outcome(**twice, hours=hours, revenue=50.0 * 60 * hours)
    got = plant_reward(rewarded, NAMEPLATE, 100.0)
    assert got.profit[:, 0].tolist() == [pytest.approx(1200.0), pytest.approx(3600.0)]
    assert got.regret[:, 0].tolist() == [pytest.approx(80.0), pytest.approx(240.0)]


def test_rewards_of_two_auctions_add_up() -> None:
    both = Reward(row(0.5), row(10.0), row(1.0)) + Reward(row(0.25), row(-4.0), row(2.0))
    assert [both.reward.item(), both.profit.item(), both.regret.item()] == [0.75, 6.0, 3.0]


def test_a_rejected_order_counts_as_later_than_an_accepted_one() -> None:
    is_order = torch.tensor([[True, True, True, False]])
    unit = torch.tensor([0, 0, 1, 2])
    sold, paid = row(5.0, 0.0, 3.0, 0.0)[None], row(10.0, 20.0, 30.0, 40.0)[None]
    price, placed = last_price(is_order, unit, sold, paid, 3)
    assert price[0, :2].tolist() == [20.0, 30.0]
    assert placed.tolist() == [[True, True, False]]
