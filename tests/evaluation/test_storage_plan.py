"""Plans of a storage on its own forecasts: where they say all, and where they say nothing."""

from dataclasses import replace

import pytest
import torch
from test_storage_response import UNIFORM, storage, store_of
from torch import Tensor

from assume_rl.core.units.storage import StorageParams
from assume_rl.evaluation.storage_plan import planned_profit
from assume_rl.evaluation.storage_response import Store, best_trades

pytestmark = pytest.mark.unchecked  # other tests check shapes of storages


def taker(params: StorageParams, price: Tensor) -> Store:
    """Return a storage that is small in a market with these prices (auction,)."""
    own = torch.zeros_like(price)
    prices = torch.stack((own, price, own + 3000), -1)
    return store_of(params, UNIFORM, prices, torch.stack((own, own + 1000, own - 500), -1))


def small() -> StorageParams:
    """Return a storage that an hour fills and empties, without losses and costs."""
    power = {"max_power_charge": -9.0, "max_power_discharge": 9.0}
    return storage(2, capacity=9.0, initial_soc=0.0, min_soc=0.0, max_soc=1.0, **power)


def random_prices(hours: int) -> Tensor:
    """Return 20 or 80 EUR/MWh for each hour, as likely as each other."""
    draws = torch.Generator().manual_seed(3)
    return 20.0 + 60.0 * torch.randint(2, (hours,), generator=draws).double()


def test_forecasts_that_say_all_are_worth_what_is_known_afterwards() -> None:
    """Hours with equal forecasts have equal prices: plans earn what the best response does."""
    price = torch.tensor([20.0, 50.0, 90.0, 40.0, 60.0, 10.0], dtype=torch.float64).repeat(8)
    store = taker(small(), price)
    planned = planned_profit(store, price[:, None] / 100, similar=7).sum()
    assert float(planned) == pytest.approx(float(best_trades(store).profit.sum()))


def test_forecasts_that_say_nothing_leave_the_price_of_the_own_bid() -> None:
    """Empty, it buys wherever the price is low; full, it sells wherever it is high, or at last.

    To know more would be worth nothing here.
    """
    price, expected, holds = random_prices(30), 0.0, False
    for hour, now in enumerate(price.tolist()):
        last = hour + 1 == len(price)
        if holds and (now == 80 or last):
            holds, expected = False, expected + 9 * now
        elif not holds and now == 20 and not last:
            holds, expected = True, expected - 9 * 20
    store = taker(small(), price)
    earned = planned_profit(store, torch.zeros(30, 1, dtype=torch.float64), similar=29)
    assert float(earned.sum()) == pytest.approx(expected)
    assert float(earned.sum()) == pytest.approx(float(best_trades(store).profit.sum()))


def test_a_plan_sees_no_further_than_the_bidder() -> None:
    """It holds nothing for a price that comes after its forecasts."""
    price = torch.tensor([30.0, 20.0, 20.0, 20.0, 90.0], dtype=torch.float64).repeat(2)
    store = taker(small(), price)
    seen, best = price[:, None] / 100, float(best_trades(store).profit.sum())
    assert float(planned_profit(store, seen, similar=1).sum()) == pytest.approx(best)
    blind = replace(store, bidder=replace(store.bidder, foresight=1))
    assert float(planned_profit(blind, seen, similar=1).sum()) == 0
