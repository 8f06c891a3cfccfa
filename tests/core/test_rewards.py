from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from assume_rl.core.rewards import plant_reward
from assume_rl.core.settlement import cashflow, generation_cost, revenue, running_cost
from assume_rl.core.types import Outcome
from assume_rl.testing import toy_thermal


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def outcome(**changes: Any) -> Outcome:
    """A 100 MW plant (minimum 20) that goes on selling 60 MW at 50, costs 30.

    `revenue` is that of a uniform price where it is not given.
    """
    usual = Outcome(
        price=row(50.0),
        revenue=row(0.0),
        sold=row(60.0),
        offered=row(100.0),
        hours=1.0,
        marginal_cost=row(30.0),
        power=row(60.0),
        previous_power=row(60.0),
        params=toy_thermal((100.0,), 20.0, hot_start_cost=500.0),
    )
    result = replace(usual, **changes)
    uniform = result.price * result.sold * result.hours
    return result if "revenue" in changes else replace(result, revenue=uniform)


@pytest.mark.parametrize(
    ("changes", "profit", "regret"),
    [
        ({}, 20.0 * 60, 0.1 * 20 * 40),
        ({"hours": 2.0}, 20.0 * 120, 0.1 * 20 * 80),
        ({"sold": row(20.0)}, 20.0 * 20, 0.5 * 20 * 80),  # at minimum power, not above
        ({"previous_power": row(0.0)}, 20.0 * 60 - 250, 0.1 * 20 * 40),  # switched on
        ({"power": row(0.0), "sold": row(0.0)}, -250.0, 0.5 * 20 * 100),  # switched off
        ({"price": row(10.0)}, -20.0 * 60, 0.0),  # nothing is missed at a loss
        ({"price": row(0.0), "sold": row(0.0)}, 0.0, 0.0),
    ],
)
def test_reward_is_profit_less_a_share_of_what_was_missed(
    changes: dict[str, Any], profit: float, regret: float
) -> None:
    got = plant_reward(outcome(**changes), 100.0)
    assert got.profit.item() == pytest.approx(profit, abs=1e-9)
    assert got.regret.item() == pytest.approx(regret, abs=1e-9)
    assert got.reward.item() == pytest.approx((profit - regret) / (100 * 100), abs=1e-12)


def test_profit_is_revenue_and_regret_is_at_the_published_price() -> None:
    """Pay-as-bid: 20 MW at 40 and 80 MW at 80, all sold and nothing else: the mean is 72."""
    changes = {"sold": row(90.0), "price": row(72.0), "revenue": row(20.0 * 40 + 70 * 80)}
    got = plant_reward(outcome(**changes), 100.0)
    assert got.profit.item() == pytest.approx(6400 - 30 * 90)
    assert got.regret.item() == pytest.approx(0.1 * (72 - 30) * 10)


def test_starts_are_charged_by_downtime_where_that_is_asked_for() -> None:
    """In place of half a hot start, which a switch would cost."""
    switched_on = outcome(previous_power=row(0.0), start_cost=row(24_000.0))
    got = plant_reward(switched_on, 100.0, start_costs=True)
    assert got.profit.item() == pytest.approx(20 * 60 - 24_000)
    assert plant_reward(switched_on, 100.0).profit.item() == pytest.approx(20 * 60 - 250)
    with pytest.raises(ValueError, match="a state with downtimes"):
        plant_reward(outcome(), 100.0, start_costs=True)


def test_missed_profit_counts_nameplate_power_whatever_was_offered() -> None:
    assert plant_reward(outcome(offered=row(60.0)), 100.0).regret.item() == pytest.approx(80.0)


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


def test_running_cost_is_signed_has_the_length_of_a_step_and_is_none_of_a_demand() -> None:
    cost = running_cost(row(30.0, -5.0, 3000.0), row(10.0, 10.0, -10.0), 0.25)
    assert cost.tolist() == [75.0, -12.5, 0.0]
