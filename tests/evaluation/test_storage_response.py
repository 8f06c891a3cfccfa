"""Best responses of storages: against all sequences of bids, and as price takers."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from assume_rl.core.bidding.base import Context
from assume_rl.core.bidding.learned import LearnedParams
from assume_rl.core.bidding.storage import learned
from assume_rl.core.clearing import MarketSpec, pay_as_bid, pay_as_clear
from assume_rl.core.reward_curve import book_of_one_product, clear_rungs
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Result, Team, begin, look, moved_to, settle
from assume_rl.core.units.base import Block
from assume_rl.core.units.fleet import Fleet, Profiles, members
from assume_rl.core.units.storage import Storage, StorageParams
from assume_rl.evaluation.best_response import break_points
from assume_rl.evaluation.perfect_foresight import perfect_foresight
from assume_rl.evaluation.storage_response import Store, best_trades, trade
from assume_rl.testing import toy_market, toy_storages

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


def played(store: Store, bids: Tensor) -> Tensor:
    """Return what bids (sequence hour) earn by the order of events of both shells, EUR."""
    hours = bids.shape[-1]
    nowhere = torch.zeros(1, dtype=torch.long)
    fleet = Fleet(("own",), (Block(Storage(), 0, 1, store.params),), nowhere, nowhere)
    _, known = toy_storages(steps=hours + 1)
    series = torch.zeros(hours + 1, 1, dtype=torch.float64)
    forecasts = {"EOM": known.forecasts["EOM"]}
    team = Team(store.bidder, members(fleet, [0]), ("own",), learns=True)
    portfolio = Portfolio(
        fleet, Profiles(series, series, forecasts), {"EOM": (team,)}, 1.0, lookback=30, horizon=3
    )
    position = begin(portfolio, (len(bids),), keep_money=False)
    total = torch.zeros(len(bids), dtype=torch.float64)
    for hour in range(hours):
        auction = Auction("EOM", hour, hour * 3600, hour * 3600, (hour + 1,), (1,))
        view = look(portfolio, position, auction, team)
        action = torch.where(bids[:, hour].signbit(), -1.0, 1.0).to(torch.float64)
        orders = team.orders(view, action[:, None, None])
        position = moved_to(portfolio, position, hour + 1)
        rows = (store.book.orders.price[hour, 0], store.book.orders.volume[hour, 0])
        book = book_of_one_product(store.book.market, *rows, torch.tensor([0]))
        cleared = clear_rungs(book, bids[:, hour].abs()[:, None, None], orders.volume)
        result = Result(
            auction, orders, cleared.accepted, cleared.paid, cleared.price_of_slots,
            (team,), (slice(0, 1),),
        )  # fmt: skip
        position, _, ((outcome,),) = settle(portfolio, position, [result])
        total = total + team.reward(outcome).profit[:, 0]
    return total


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


def test_any_bids_earn_what_the_order_of_events_says() -> None:
    store = drawn(3, storage(1), UNIFORM, hours=8)
    draws = torch.Generator().manual_seed(1)
    bids = (torch.rand(100, 8, generator=draws).double() * 2 - 1) * CAP
    torch.testing.assert_close(trade(store, bids.T).sum(0), played(store, bids), rtol=0, atol=1e-9)


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
