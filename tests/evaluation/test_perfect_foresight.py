"""A linear programme that knows all prices: by hand, and as a bound on any schedule."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assume_rl.core.units.storage import StorageParams, next_soc
from assume_rl.errors import ConfigurationError
from assume_rl.evaluation import perfect_foresight as module
from assume_rl.evaluation.perfect_foresight import check_solver, perfect_foresight

pytest.importorskip("scipy", reason="solves linear programmes")

HALF = {"efficiency_charge": 0.8, "efficiency_discharge": 0.5}


def battery(**given: Any) -> StorageParams:
    """100 MWh, 50 MW in both directions, empty, without losses or costs."""
    usual = {"capacity": 100.0, "max_power_charge": -50.0, "max_power_discharge": 50.0}
    usual |= {"max_soc": 1.0, "efficiency_charge": 1.0, "efficiency_discharge": 1.0}
    rows = dict.fromkeys((field.name for field in fields(StorageParams)), 0.0) | usual | given
    tensors = {name: torch.tensor([value], dtype=torch.float64) for name, value in rows.items()}
    return StorageParams(**tensors | {"step_hours": 1.0, "cost_limit": 100.0})


def best(prices: list[float], hours: float = 1.0, **given: Any) -> float:
    return perfect_foresight(battery(**given), np.array(prices), np.full(len(prices), hours))


@pytest.mark.parametrize(
    ("prices", "given", "profit"),
    [
        ([10.0, 50.0], {}, 50 * 40),
        ([50.0, 10.0], {}, 0),
        ([50.0, 10.0], {"initial_soc": 0.7}, 50 * 50 + 20 * 10),
        ([10.0, 50.0], HALF, 50 * (0.4 * 50 - 10)),
        ([10.0, 20.0], HALF, 0),  # half of it is lost
        ([10.0, 50.0], {"hours": 0.5}, 25 * 40),
        ([10.0, 20.0, 30.0, 50.0], {}, 50 * (50 + 30 - 10 - 20)),
        ([10.0, 20.0, 30.0, 50.0], {"max_soc": 0.5}, 50 * 40),
        ([10.0, 50.0], {"additional_cost_charge": 3.0, "additional_cost_discharge": 5.0}, 50 * 32),
        ([-20.0, -10.0, 0.0], {}, 50 * 30),
        ([10.0, 50.0], {"initial_soc": 0.2, "min_soc": 0.4}, 50 * 40),  # 0.2 is the least
    ],
)
def test_by_hand(prices: list[float], given: dict[str, Any], profit: float) -> None:
    assert best(prices, **given) == pytest.approx(profit)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.floats(-50, 100), st.floats(-60, 60)), min_size=1, max_size=12),
    st.floats(0.6, 1.0),
)
def test_no_schedule_earns_more(steps: list[tuple[float, float]], efficiency: float) -> None:
    storage = battery(efficiency_charge=efficiency, efficiency_discharge=0.9, initial_soc=0.3)
    soc, profit = storage.initial_soc, 0.0
    for price, wanted in steps:
        power = torch.tensor([min(max(wanted, -50.0), 50.0)], dtype=torch.float64)
        done, soc = next_soc(storage, soc, power)
        profit += price * float(done)
    prices = np.array([price for price, _ in steps])
    assert profit <= perfect_foresight(storage, prices, np.ones(len(steps))) + 1e-6


def test_without_a_solver_it_says_what_brings_one(monkeypatch: pytest.MonkeyPatch) -> None:
    check_solver()
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'assume-rl\[bench\]'"):
        check_solver()
