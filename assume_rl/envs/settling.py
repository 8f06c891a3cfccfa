"""Closing the auctions of an instant: clear all, book all, execute up to now once, reward each."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from torch import Tensor

from assume_rl.core.orders import Orders, beside, limited
from assume_rl.core.step import dispatch, execute, outcome
from assume_rl.core.types import Auction, UnitState
from assume_rl.envs.bidding import offsets_of
from assume_rl.envs.markets import Market, Part, Share
from assume_rl.envs.setting import Setting
from assume_rl.envs.state import Book, Cleared, Earned, Executed, Happened, State
from assume_rl.episodes.order_log import ClearedAuction


@dataclass(frozen=True)
class Closed:
    """An auction that has just been cleared, with the orders it had."""

    market: Market
    book: Book
    cleared: ClearedAuction


def close_auctions(
    setting: Setting, state: State, closing: Sequence[tuple[Auction, Tensor]], happened: Happened
) -> State:
    """Clear all auctions of an instant, book what they sold, execute once, reward.

    :param closing: auctions of this instant with their tie-breaks (copy product slot)
    :param happened: takes what was cleared, executed and earned
    """
    closed = [
        Closed(market, book, _clear(market, auction, book, tie))
        for auction, tie in closing
        for market in [setting.markets[auction.market]]
        for book in [state.books[auction.market, auction.number]]
    ]
    for one in closed:
        happened.cleared.append(Cleared(one.market.spec.name, state.step, one.cleared))
    gone = {(auction.market, auction.number) for auction, _ in closing}
    books = {place: book for place, book in state.books.items() if place not in gone}
    state = replace(state, books=books, units=_booked(setting, state, closed))
    state = _execute(setting, state, {market for market, _ in gone}, happened)
    for one in closed:
        _reward_all(setting, state, one, happened)
    return state


def _clear(market: Market, auction: Auction, book: Book, tie: Tensor) -> ClearedAuction:
    spec = market.spec
    within = [
        orders
        if part.standing is not None
        else limited(orders, spec.min_price, spec.max_price, spec.max_volume)
        for part, orders in zip(market.parts, book.orders, strict=True)
    ]
    joined = beside(within, market.unit, market.node)
    clearing = spec.rule.clear(joined, tie, market.setup)
    return ClearedAuction(auction, joined.price, joined.volume, clearing)


def _booked(
    setting: Setting, state: State, closed: Sequence[Closed]
) -> tuple[UnitState | None, ...]:
    """Return the cohorts' units with what all auctions of an instant sold.

    In the order of the names: of two prices for the same step the last one is kept, which must not
    depend on the order of the markets in the configuration.
    """
    units = list(state.units)
    for one in sorted(closed, key=lambda one: one.market.spec.name):
        auction, clearing = one.cleared.auction, one.cleared.clearing
        for share in one.market.shares:
            own = units[share.cohort]
            if own is not None:
                units[share.cohort] = dispatch(
                    own,
                    _join(share, one.book),
                    clearing.accepted[..., share.slots],
                    clearing.paid[..., share.slots],
                    offsets_of(auction, state.step),
                    auction.length,
                    setting.step_hours,
                )
    return tuple(units)


def _execute(
    setting: Setting, state: State, markets: AbstractSet[str], happened: Happened
) -> State:
    """Execute the steps in (last, now] of all cohorts whose operators trade in `markets`."""
    units, executed = list(state.units), list(state.executed)
    for index, cohort in enumerate(setting.cohorts):
        own, due = units[index], state.step - executed[index]
        if own is None or due <= 0 or markets.isdisjoint(cohort.markets):
            continue
        own = execute(cohort.fleet, cohort.profiles, own, state.now, due, elapsed=state.step)
        happened.executed.append(Executed(index, own, state.step, due))
        units[index], executed[index] = own, state.step
    return replace(state, units=tuple(units), executed=tuple(executed))


def _reward_all(setting: Setting, state: State, closed: Closed, happened: Happened) -> None:
    """Note in `happened` what an auction brought each team that acts on a policy."""
    for position, part in enumerate(closed.market.parts):
        if part.team.strategy.act_size > 0:
            earned = _reward(setting, state, position, part, closed.cleared, closed.book)
            if part.team.learns:
                happened.learners.append(replace(earned, team=setting.team(part)))
            else:
                happened.fixed.append(earned)


def _reward(
    setting: Setting,
    state: State,
    position: int,
    part: Part,
    cleared: ClearedAuction,
    book: Book,
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
        book.orders[position],
        cleared.clearing.accepted[..., part.slots],
        cleared.clearing.paid[..., part.slots],
        cleared.clearing.price[..., 0],
        offsets_of(auction, state.step),
        auction.length,
        setting.step_hours,
    )
    got = part.team.strategy.reward(result)
    return Earned(position, auction, book.actions[position], got)


def _join(share: Share, book: Book) -> Orders:
    """The orders of a cohort's teams side by side; `unit` indexes the cohort's units."""
    return beside([book.orders[position] for position in share.parts], share.unit, share.node)
