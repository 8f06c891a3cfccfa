from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from assume_rl.core.rewards import plant_reward
from assume_rl.core.settlement import cashflow, generation_cost
from assume_rl.core.types import Outcome
from assume_rl.testing import toy_thermal


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def outcome(**changes: Any) -> Outcome:
    """A 100 MW plant (minimum 20) that goes on selling 60 MW at 50, costs 30."""
    usual = Outcome(
        price=row(50.0),
        sold=row(60.0),
        offered=row(100.0),
        hours=1.0,
        marginal_cost=row(30.0),
        power=row(60.0),
        previous_power=row(60.0),
        params=toy_thermal((100.0,), 20.0, hot_start_cost=500.0),
    )
    return replace(usual, **changes)


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


def test_missed_profit_counts_nameplate_power_whatever_was_offered() -> None:
    assert plant_reward(outcome(offered=row(60.0)), 100.0).regret.item() == pytest.approx(80.0)


def test_settlement() -> None:
    """Buying costs; generation cost has no length of step in it."""
    assert cashflow(row(50.0, 50.0), row(10.0, -10.0), 0.25).tolist() == [125.0, -125.0]
    assert generation_cost(row(30.0, -5.0), row(10.0, 10.0)).tolist() == [300.0, 50.0]
