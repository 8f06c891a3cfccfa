"""Close the auctions of an instant: clear all, then settle every cohort that trades in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core import joint_reward
from assume_rl.core.clearing.rule import Clearing
from assume_rl.core.joint_reward import complete
from assume_rl.core.money import Outcome
from assume_rl.core.orders import Orders, auction_of, beside
from assume_rl.core.time import Auction
from assume_rl.core.trade import Position, Result, booked, settle
from assume_rl.envs.markets import Market, Share
from assume_rl.envs.setting import Setting
from assume_rl.envs.state import Book, Cleared, Earned, Executed, Happened, Played, State
from assume_rl.episodes.rows.orders import ClearedAuction, ClearedAuctions


@dataclass(frozen=True)
class Closed:
    """An auction that has just been cleared, with its orders."""

    market: Market
    book: Book
    cleared: ClearedAuction


def close_auctions(
    setting: Setting, state: State, closing: Sequence[tuple[Auction, Tensor]], happened: Happened
) -> State:
    """Return the state after all auctions of an instant are cleared and settled.

    :param setting: of the environment
    :param state: at this instant
    :param closing: auctions of this instant with their tie-breaks (copy product slot)
    :param happened: takes the cleared auctions, the executed steps and the rewards
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
    traded = {market for market, _ in gone}
    earned: list[tuple[int, int, Earned]] = []
    positions = list(state.positions)
    for index, cohort in enumerate(setting.cohorts):
        position = positions[index]
        if position is None or traded.isdisjoint(cohort.markets):
            continue
        shares = [
            (place, share)
            for place, one in enumerate(closed)
            for share in one.market.shares
            if share.cohort == index
        ]
        results = [_result(closed[place], share) for place, share in shares]
        after, executed, outcomes = settle(cohort.portfolio, position, results)
        positions[index] = after
        if executed is not None:
            happened.executed.append(Executed(index, executed))
        for (place, share), own, brought in zip(shares, results, outcomes, strict=True):
            played = None
            if setting.curves:
                others = [result for result in results if result is not own]
                before = booked(cohort.portfolio, position, others)
                played = _played(closed[place], index, before)
            asked = zip(_asked(closed[place], share), brought, strict=True)
            earned += [
                (place, p, _earned(setting, closed[place], p, got, played)) for p, got in asked
            ]
    pending = state.pending
    for place, p, got in sorted(earned, key=lambda entry: entry[:2]):
        team = closed[place].market.parts[p].team
        reward = joint_reward.Earned(team, got.auction, got.reward, got)
        pending, rewards = complete(pending, reward)
        for known in rewards:
            into = happened.learners if known.team.learns else happened.fixed
            into.append(replace(known.own, reward=known.reward))
    return replace(state, books=books, positions=tuple(positions), pending=pending)


def clear_standing(
    market: Market,
    auctions: Sequence[Auction],
    tie: Float[Tensor, "auction product slot"],
    step_seconds: int,
) -> ClearedAuctions:
    """Return auctions of a market, cleared in one call: all their orders are made beforehand.

    :param market: whose orders are all standing ones
    :param auctions: of the market
    :param tie: draws of one copy
    :param step_seconds: length of a step
    :raises ValueError: orders of a part depend on events
    """
    opened = torch.tensor([a.opens // step_seconds for a in auctions], device=market.unit.device)
    standing = [part.standing for part in market.parts if part.standing is not None]
    if len(standing) < len(market.parts):
        raise ValueError(f"orders in {market.spec.name} depend on events")
    joined, clearing = _cleared(market, [auction_of(orders, opened) for orders in standing], tie)
    return ClearedAuctions(tuple(auctions), joined, clearing)


def _clear(market: Market, auction: Auction, book: Book, tie: Tensor) -> ClearedAuction:
    within = [
        orders if part.standing is not None else market.spec.limited(orders)
        for part, orders in zip(market.parts, book.orders, strict=True)
    ]
    joined, clearing = _cleared(market, within, tie)
    return ClearedAuction(auction, joined, clearing)


def _cleared(market: Market, orders: Sequence[Orders], tie: Tensor) -> tuple[Orders, Clearing]:
    """Return the whole order book of an auction and its clearing.

    :param orders: of each part of the market, within its limits
    """
    joined = beside(orders, market.unit, market.node)
    return joined, market.spec.clear(joined, tie, market.setup)


def _result(closed: Closed, share: Share) -> Result:
    """Return the result of an auction for the orders of a cohort."""
    clearing = closed.cleared.clearing
    asked = _asked(closed, share)
    start = share.slots.start
    return Result(
        auction=closed.cleared.auction,
        orders=beside(
            [closed.book.orders[position] for position in share.parts], share.unit, share.node
        ),
        accepted=clearing.accepted[..., share.slots],
        paid=clearing.paid[..., share.slots],
        price=clearing.price_of_slots[..., share.slots],
        asked=tuple(closed.market.parts[position].team for position in asked),
        slots=tuple(
            slice(own.start - start, own.stop - start)
            for own in (closed.market.parts[position].slots for position in asked)
        ),
    )


def _asked(closed: Closed, share: Share) -> list[int]:
    """Return the positions of a cohort's parts that act on a policy."""
    return [position for position in share.parts if closed.book.actions[position] is not None]


def _played(closed: Closed, cohort: int, before: Position) -> Played:
    """Return an auction as a cohort played it, which stood at `before` just before it settled."""
    opened = closed.book.opened[cohort]
    assert opened is not None
    return Played(opened, before, closed.cleared)


def _earned(
    setting: Setting, closed: Closed, position: int, outcome: Outcome[Any], played: Played | None
) -> Earned:
    """Return action and reward of a team in an auction."""
    part, action = closed.market.parts[position], closed.book.actions[position]
    assert action is not None
    team = setting.team(part) if part.team.learns else position
    return Earned(team, closed.cleared.auction, action, part.team.reward(outcome), played)
