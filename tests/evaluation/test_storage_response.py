"""Best responses of storages: against all sequences of bids, and as price takers."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from played_storage import played
from torch import Tensor

from assume_rl.core.bidding.base import Context
from assume_rl.core.bidding.learned import LearnedParams
from assume_rl.core.bidding.storage import learned
from assume_rl.core.clearing import MarketSpec, pay_as_bid, pay_as_clear
from assume_rl.core.reward_curve import book_of_one_product
from assume_rl.core.units.storage import Storage, StorageParams
from assume_rl.evaluation.best_response import break_points
from assume_rl.evaluation.perfect_foresight import perfect_foresight
from assume_rl.evaluation.storage_response import Store, best_trades
from assume_rl.testing import toy_market, toy_storages

pytestmark = pytest.mark.unchecked  # other tests check shapes of storages

CAP = 100.0
UNIFORM, AS_BID = toy_market(pay_as_clear), toy_market(pay_as_bid)


def storage(row: int, **limits: Any) -> StorageParams:
    """Return one of the toy storages: with costs, with least powers, or without losses."""
    fleet, _ = toy_storages(**limits)
    return Storage().select(fleet.blocks[0].params, torch.tensor([row]))


def store_of(params: StorageParams, market: MarketSpec, price: Tensor, volume: Tensor) -> Store:
    """Return a storage in auctions (auction slot), the first slot is its own."""
    context = Context(max_bid_price=CAP, products=1, step_hours=1.0)
    book = book_of_one_product(market, price, volume, torch.tensor([0]))
    return Store(params, learned(context, LearnedParams()), book, hours=1.0, limit=CAP)


def drawn(seed: int, params: StorageParams, market: MarketSpec, hours: int = 4) -> Store:
    """Return a storage among two sellers and two buyers of about its size."""
    draws = torch.Generator().manual_seed(seed)
    price = torch.rand(hours, 5, generator=draws, dtype=torch.float64) * 80 + 10
    volume = torch.rand(hours, 5, generator=draws, dtype=torch.float64) * 50
    sides = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0], dtype=torch.float64)
    return store_of(params, market, price, volume * sides)


@pytest.mark.parametrize("market", [UNIFORM, AS_BID])
@pytest.mark.parametrize("row", [0, 1, 2])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_sequence_of_bids_is_better(market: MarketSpec, row: int, seed: int) -> None:
    store = drawn(seed, storage(row), market, hours=3)
    points = break_points(store.book, torch.full((3,), 50.0).double(), 0.0, CAP)
    hours = [[*torch.cat((-own, own)).unique().tolist(), -0.0] for own in points]
    bids = torch.tensor(list(itertools.product(*hours)), dtype=torch.float64)
    most = float(played(store, bids).max())
    best = best_trades(store)
    total = float(best.profit.sum())
    assert total <= most + 1e-8
    assert total + best.error >= most - 1e-8
    assert best.error <= 0.05 * most
    # AND its bids bring what it says
    assert float(played(store, best.bid[None])) == pytest.approx(total, abs=1e-8)


def test_five_prices_in_four_hours() -> None:
    """No sequence of a few prices earns more than the best response and its error."""
    store = drawn(7, storage(0), UNIFORM)
    prices = torch.tensor([-80.0, -40.0, 20.0, 50.0, 90.0], dtype=torch.float64)
    bids = torch.cartesian_prod(*[prices] * 4)
    best = best_trades(store)
    assert float(played(store, bids).max()) <= float(best.profit.sum()) + best.error


def test_a_small_storage_earns_what_a_price_taker_would() -> None:
    """9 MWh among 1,000 MW, full after an hour: parts of its power would not earn more."""
    hours = 48
    draws = torch.Generator().manual_seed(2)
    price = torch.rand(hours, generator=draws, dtype=torch.float64) * 80 + 10
    own = torch.zeros_like(price)
    prices = torch.stack((own, price, own + 3000), -1)
    volumes = torch.stack((own, own + 1000, own - 500), -1)
    losses = {"efficiency_charge": 0.9, "efficiency_discharge": 0.9}
    params = storage(2, capacity=9.0, initial_soc=0.0, **losses)
    best = best_trades(store_of(params, UNIFORM, prices, volumes))
    most = perfect_foresight(params, price.numpy(), np.ones(hours))
    assert float(best.profit.sum()) == pytest.approx(most)
    assert best.error < 1e-6 * most


def test_it_spares_its_own_price() -> None:
    """Selling 25 MW in each of two hours beats 50 MW in one, which would lower the price."""
    price = torch.tensor([[0.0, 30.0, 80.0, 3000.0]] * 2, dtype=torch.float64)
    volume = torch.tensor([[0.0, 50.0, 50.0, -75.0]] * 2, dtype=torch.float64)
    params = storage(
        2, capacity=50.0, max_power_charge=0.0, max_power_discharge=50.0, initial_soc=1.0
    )
    best = best_trades(store_of(params, UNIFORM, price, volume))
    assert float(best.profit.sum()) == pytest.approx(2 * 25 * 80)


def test_a_finer_grid_states_a_smaller_error() -> None:
    store = drawn(11, storage(0), UNIFORM, hours=24)
    rough, fine = best_trades(store, points=11), best_trades(store, points=401)
    assert fine.error < rough.error
    assert float(fine.profit.sum()) >= float(rough.profit.sum())
