"""Closing an auction: clear, set the dispatch, execute up to now, book the money, reward."""

from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from assume_rl.core.clearing import limit_bids
from assume_rl.core.step import dispatch, execute, outcome
from assume_rl.core.types import Auction, Bids, UnitState
from assume_rl.envs.bidding import offsets_of
from assume_rl.envs.markets import Market, Part, Share
from assume_rl.envs.setting import Setting
from assume_rl.envs.state import Cleared, Earned, Executed, Happened, Orders, State
from assume_rl.episodes.order_log import ClearedAuction

T = TypeVar("T")


def close_auction(
    setting: Setting, state: State, auction: Auction, tie: Tensor, happened: Happened
) -> State:
    """Clear an auction and let every cohort that traded in it take stock."""
    market = setting.markets[auction.market]
    books = dict(state.books)
    orders = books.pop((auction.market, auction.number))
    cleared = _clear(market, auction, orders, tie)
    happened.cleared.append(Cleared(auction.market, state.step, cleared))
    state = replace(state, books=books)
    for share in market.shares:
        units = state.units[share.cohort]
        if units is not None:
            state = _take_stock(setting, state, units, market, share, cleared, orders, happened)
    return state


def _clear(market: Market, auction: Auction, orders: Orders, tie: Tensor) -> ClearedAuction:
    spec = market.spec
    limited = [
        bids
        if part.standing is not None
        else limit_bids(bids, spec.min_price, spec.max_price, spec.max_volume)
        for part, bids in zip(market.parts, orders.bids, strict=True)
    ]
    price = torch.cat([bids.price for bids in limited], dim=-1)
    volume = torch.cat([bids.volume for bids in limited], dim=-1)
    book = Bids(price=price, volume=volume, unit=market.unit)
    return ClearedAuction(auction, price, volume, spec.rule.clear(book, tie, market.setup))


def _take_stock(
    setting: Setting,
    state: State,
    units: UnitState,
    market: Market,
    share: Share,
    cleared: ClearedAuction,
    orders: Orders,
    happened: Happened,
) -> State:
    auction, clearing = cleared.auction, cleared.clearing
    units = dispatch(
        units,
        _join(share, orders),
        clearing.accepted[..., share.slots],
        clearing.paid[..., share.slots],
        offsets_of(auction, state.step),
        auction.length,
        setting.step_hours,
    )
    state = _execute(setting, state, share.cohort, units, happened)
    for position in share.parts:
        part = market.parts[position]
        if part.team.strategy.act_size > 0:
            earned = _reward(setting, state, position, part, cleared, orders)
            if part.team.learns:
                happened.learners.append(replace(earned, team=setting.team(part)))
            else:
                happened.fixed.append(earned)
    return state


def _execute(
    setting: Setting, state: State, cohort: int, units: UnitState, happened: Happened
) -> State:
    """Execute the steps in (last, now]."""
    due = state.step - state.executed[cohort]
    if due > 0:
        own = setting.cohorts[cohort]
        units = execute(own.fleet, own.profiles, units, state.now, due, elapsed=state.step)
        happened.executed.append(Executed(cohort, units, state.step, due))
    return replace(
        state,
        units=_put(state.units, cohort, units),
        executed=_put(state.executed, cohort, max(state.step, state.executed[cohort])),
    )


def _reward(
    setting: Setting,
    state: State,
    position: int,
    part: Part,
    cleared: ClearedAuction,
    orders: Orders,
) -> Earned:
    cohort, auction = setting.cohorts[part.cohort], cleared.auction
    units = state.units[part.cohort]
    assert units is not None
    result = outcome(
        cohort.fleet,
        cohort.profiles,
        units,
        state.now,
        part.team.members,
        orders.bids[position],
        cleared.clearing.accepted[..., part.slots],
        cleared.clearing.paid[..., part.slots],
        cleared.clearing.price[..., 0],
        offsets_of(auction, state.step),
        auction.length,
        setting.step_hours,
    )
    got = part.team.strategy.reward(result)
    return Earned(position, auction, orders.actions[position], got)


def _join(share: Share, orders: Orders) -> Bids:
    """One book of a cohort's teams; `unit` indexes the cohort's units."""
    books = [orders.bids[position] for position in share.parts]
    if len(books) == 1:
        return Bids(books[0].price, books[0].volume, share.unit)
    return Bids(
        torch.cat([bids.price for bids in books], dim=-1),
        torch.cat([bids.volume for bids in books], dim=-1),
        share.unit,
    )


def _put(values: tuple[T, ...], position: int, value: T) -> tuple[T, ...]:
    return (*values[:position], value, *values[position + 1 :])
