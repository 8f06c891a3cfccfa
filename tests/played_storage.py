"""Storages in books that are known, by the order of events of both shells."""

import torch
from torch import Tensor

from assume_rl.core.reward_curve import book_of_one_product, clear_rungs
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Result, begin, look, moved_to, settle
from assume_rl.core.units.base import Block
from assume_rl.core.units.fleet import Fleet, Profiles, members
from assume_rl.core.units.storage import Storage
from assume_rl.evaluation.storage_response import Store
from assume_rl.testing import toy_storages


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
        book = book_of_one_product(store.book.market, *rows, store.book.own)
        cleared = clear_rungs(book, bids[:, hour].abs()[:, None, None], orders.volume)
        result = Result(
            auction, orders, cleared.accepted, cleared.paid, cleared.price_of_slots,
            (team,), (slice(0, 1),),
        )  # fmt: skip
        position, _, ((outcome,),) = settle(portfolio, position, [result])
        total = total + team.reward(outcome).profit[:, 0]
    return total
