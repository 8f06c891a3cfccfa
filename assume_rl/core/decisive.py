"""Rewards of a whole team on every rung of its ladders, of which few make a difference.

Where all supply is paid one price, a plant sells all that it has below some price and nothing above
another. In a large market few rungs lie between these. So what is asked is worked out on all rungs,
and what that brings on those that differ: of all units of the team at a time, each of which is
cleared among the orders of all others.
"""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.bidding.base import Ladder
from assume_rl.core.clearing import MarketSpec
from assume_rl.core.clearing.insertion import (
    SortedBook,
    book_order,
    decisive_prices,
    pays_one_price,
    sorted_book,
)
from assume_rl.core.money import by_unit
from assume_rl.core.nested import mapped
from assume_rl.core.orders import Orders, join
from assume_rl.core.reward_curve import (
    clear_among,
    ladder_of,
    on_each_rung,
    position_of,
    products_apart,
    result_of,
)
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Position, look, settle
from assume_rl.core.units.fleet import members, select, select_profiles

AT_ONCE = 1 << 19
"""Most numbers of a table that is worked on: orders of all books, or steps of all states. Tables of
four times as many take one and a half times as long (measured)."""


def can_tell(market: MarketSpec[Any], team: Team) -> bool:
    """Return whether `rewards_of_team` knows the rewards of a team.

    :param market: that it bids in
    :param team: on a ladder
    """
    apart = (products_apart(team, unit) for unit in range(len(team.ids)))
    return pays_one_price(market) and all(parts == 1 for parts in apart)


def copies_at_once(team: Team, slots: int, products: int) -> int:
    """Return for how many copies of an auction there is room.

    :param team: on a ladder
    :param slots: of the book
    :param products: of the auction
    """
    ladder = ladder_of(team)
    own = ladder.rungs * ladder.size * ladder.size  # each entry of an action is an order
    return max(1, AT_ONCE // (len(team.ids) * max(own, slots * products)))


def rewards_of_team(
    portfolio: Portfolio,
    team: Team,
    market: MarketSpec[Any],
    auction: Auction,
    *,
    opened: Position,
    closed: Position,
    action: Float[Tensor, "copy unit act"],
    orders: Orders,
    own: Int[Tensor, "unit own"],
) -> Float[Tensor, "copy unit rung"]:
    """Return the rewards that `core.reward_curve.ladder_curve` has of each unit.

    :param portfolio: of the team
    :param team: that `can_tell` allows
    :param market: that it bids in
    :param auction: that has been cleared
    :param opened: position of the portfolio when the auction opened
    :param closed: position just before the auction is settled
    :param action: that the team played
    :param orders: of all bidders
    :param own: slots of each unit
    """
    ladder = ladder_of(team)
    tried = on_each_rung(action, ladder).movedim(-2, 0)
    portfolio, team, opened, closed = _alone(portfolio, team, opened, closed)
    asked = team.orders(look(portfolio, _repeated(opened, len(tried)), auction, team), tried)
    price, volume = (_by_rung(table, len(team.ids)) for table in (asked.price, asked.volume))
    others = _others(orders, own)
    chosen, place = _decisive(market, others, price, volume, ladder)
    price, volume = (_on_some(table, chosen) for table in (price, volume))
    found = []
    each = closed.state.energy.numel()
    for some in torch.split(torch.arange(chosen.shape[-1]), max(1, AT_ONCE // each)):
        cleared = clear_among(market, others, price[:, :, some], volume[:, :, some])
        bids = replace(
            asked, price=_by_slot(price[:, :, some]), volume=_by_slot(volume[:, :, some])
        )
        joined = join([bids], [team.members.units.index], portfolio.fleet.node)
        tables = (cleared.accepted, cleared.paid, cleared.price_of_slots)
        result = result_of(team, auction, joined, *map(_by_slot, tables))
        _, _, ((outcome,),) = settle(portfolio, _repeated(closed, len(some)), [result])
        found.append(team.reward(outcome).reward)
    return torch.cat(found).movedim(0, -1).gather(-1, place)


def _alone(
    portfolio: Portfolio, team: Team, opened: Position, closed: Position
) -> tuple[Portfolio, Team, Position, Position]:
    """Return the units of a team as a portfolio of their own."""
    units, place, rows = team.members.units, team.members.place, team.members.rows
    fleet = select(portfolio.fleet, units.index.tolist())
    own = replace(team, members=members(fleet, range(len(units.ids))))
    teams = {
        market: (own,)
        for market, theirs in portfolio.teams.items()
        if any(one is team for one in theirs)
    }
    profiles = select_profiles(portfolio.profiles, units.index.tolist())

    def position(whole: Position) -> Position:
        return position_of(whole, place, rows.index, units.of)

    alone = replace(portfolio, fleet=fleet, profiles=profiles, teams=teams)
    return alone, own, position(opened), position(closed)


def _repeated(position: Position, times: int) -> Position:
    """Return a position with an axis of rungs before that of copies, which takes no memory."""
    state = mapped([position.state], lambda tables: tables[0].expand(times, *tables[0].shape))
    step = torch.as_tensor(position.step, device=position.state.energy.device)
    return replace(position, state=state, step=step.expand(times, *step.shape))


def _by_rung(
    table: Float[Tensor, "rung copy product slot"], units: int
) -> Float[Tensor, "copy unit rung product own"]:
    """Return the prices, or volumes, of all units on each rung, unit by unit."""
    return by_unit(table, units).permute(1, 3, 0, 2, 4)


def _by_slot(
    table: Float[Tensor, "copy unit some product own"],
) -> Float[Tensor, "some copy product slot"]:
    """Return values of all units side by side."""
    return table.permute(2, 0, 3, 1, 4).flatten(-2)


def _on_some(
    table: Float[Tensor, "copy unit rung product own"], chosen: Int[Tensor, "copy unit some"]
) -> Float[Tensor, "copy unit some product own"]:
    """Return values on some of the rungs."""
    index = chosen[..., None, None].expand(*chosen.shape, *table.shape[-2:])
    return table.gather(2, index)


def _others(orders: Orders, own: Int[Tensor, "unit own"]) -> SortedBook:
    """Return a book (copy unit product other) without the orders of each unit, sorted once."""
    order = book_order(orders.price, orders.volume)
    mine = torch.zeros((len(own), orders.price.shape[-1]), dtype=torch.bool, device=own.device)
    mine = mine.scatter(-1, own, True).unsqueeze(-2)
    shape = (len(orders.price), len(own), *orders.price.shape[-2:])
    price, volume, order = (
        table.unsqueeze(1).expand(shape) for table in (orders.price, orders.volume, order)
    )
    return sorted_book(price, volume.masked_fill(mine, 0.0), order)


def _decisive(
    market: MarketSpec[Any],
    others: SortedBook,
    price: Float[Tensor, "copy unit rung product own"],
    volume: Float[Tensor, "copy unit rung product own"],
    ladder: Ladder,
) -> tuple[Int[Tensor, "copy unit some"], Int[Tensor, "copy unit rung"]]:
    """Return rungs with different results, and the one of these that each rung equals.

    Entry by entry all from the last that brings what the lowest does to the first that brings what
    the highest does.

    :param market: in which all supply is paid one price
    :param others: their orders
    :param price: EUR/MWh
    :param volume: MW; where it depends on the rung, or some of it is demand, all rungs may differ
    :param ladder: of the rungs
    """
    rung = torch.arange(ladder.rungs, device=price.device)
    entry = torch.arange(ladder.size, device=price.device)[:, None]
    if not (volume == volume[:, :, :1]).all() or (volume < 0).any():
        every = (rung + ladder.rungs * entry).flatten().expand(*price.shape[:2], -1)
        return every, every
    offered = market.volume_of(volume[:, :, 0]).sum(-1)
    low, high = (end[:, :, None, :, None] for end in decisive_prices(others, offered))
    # What is asked beyond these prices makes no difference.
    asked = market.price_of(price)
    asked = torch.minimum(torch.maximum(asked, low), high)
    asked = torch.unflatten(asked.flatten(-2), 2, (ladder.size, ladder.rungs))

    def as_on(one: int) -> Int[Tensor, "copy unit entry rung"]:
        same = asked == asked[:, :, :, one].unsqueeze(3)
        return same.all(-1).long()

    first = as_on(0).cumprod(-1).sum(-1, keepdim=True) - 1
    last = ladder.rungs - as_on(-1).flip(-1).cumprod(-1).sum(-1, keepdim=True)
    more = (last - first).clamp(min=0)
    width = int(more.max()) + 1
    chosen = first + torch.minimum(rung[:width], more)
    place = torch.minimum((rung - first).clamp(min=0), more)
    return (chosen + ladder.rungs * entry).flatten(-2), (place + width * entry).flatten(-2)
