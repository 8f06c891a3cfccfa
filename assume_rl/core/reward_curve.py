"""The reward curve of a unit: rewards that other orders would have brought in an auction.

A bidder that knows the book of an auction, which exchanges publish as aggregated curves, can take
out its own orders afterwards, and clear the book again with others in their place. A *rung* is one
such alternative: orders of one unit for all products of the auction. `clear_rungs` clears all rungs
on one axis, whatever the rule; where the rule allows it, others are sorted only once
(`core.clearing.insertion`), and for all bidders of a book together (`books_of`). `reward_curve`
takes them through the order of events of `core.trade`, each with a twin of the unit, so that the
curve has the reward that was received at the rung that was played, whatever the bidder, the
technology and its limits. What the unit would observe at its next auction follows from where its
twins then stand (`observed_next`).

Own orders lose ties: at equal prices those of others trade first. So a curve has what is certain
before ties are drawn, and the rung that was played has what was received but for such ties. Best
responses do not depend on it: they may stand next to a rival's price. What others would have bid,
then or later, had the unit bid otherwise, does not enter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.bidding.base import Ladder, Separable
from assume_rl.core.clearing import MarketSpec, Slots
from assume_rl.core.clearing.insertion import (
    SortedBook,
    book_order,
    can_insert,
    clear_inserted,
    sorted_book,
)
from assume_rl.core.clearing.rule import PER_ORDER, PER_ZONE, Clearing
from assume_rl.core.money import Outcome, Reward, by_unit
from assume_rl.core.orders import Orders, auction_of, unit_major
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Position, Result, Running, look, moved_to, settle
from assume_rl.core.units.base import NO_STATE, ZERO_VOLUME, rows_of
from assume_rl.core.units.fleet import Members, members, twins_of

T = TypeVar("T", Tensor, Tensor | None)

AT_ONCE = 1 << 18
"""Most orders that are cleared in one call, those of a book counting once per rung.

Where own orders are inserted, only these and one more count on each rung.
Clearing takes about 25 numbers for each order (measured), so that it takes about 50 MiB beside its
result, or what clearing the book once takes where that is more.
"""

OTHERS, OWN_SUPPLY, OWN_DEMAND = 0.5, 0.75, 0.25
"""Ties, see `core.clearing.merit_order.match`: the unit's orders trade after those of others."""


@dataclass(frozen=True)
class OwnBook:
    """The order book of an auction, and which of its slots are one bidder's."""

    market: MarketSpec[Any]
    setup: Any  # of the rule, for a book with these slots
    orders: Orders  # of all bidders
    own: Int[Tensor, " own"]  # slots
    # Slots as `insertion.book_order` has them, where all bidders' curves are worked out from one
    # book; None: nobody has sorted it yet.
    order: Int[Tensor, "... product slot"] | None = None

    @cached_property
    def others(self) -> SortedBook:
        """Return the orders of all others, sorted."""
        price, volume = self.orders.price, self.orders.volume.index_fill(-1, self.own, 0.0)
        order = book_order(price, volume) if self.order is None else self.order
        return sorted_book(price, volume, order)

    def ordered(self) -> "OwnBook":
        """Return the book sorted, for all bidders that see it as theirs."""
        if not can_insert(self.market):
            return self
        return replace(self, order=book_order(self.orders.price, self.orders.volume))

    def of(self, auction: int | Int[Tensor, " auction"]) -> "OwnBook":
        """Return the book of some auctions, of one (auction product slot)."""
        order = None if self.order is None else self.order[auction]
        return replace(self, orders=auction_of(self.orders, auction), order=order)


def books_of(
    market: MarketSpec[Any], setup: Any, orders: Orders, own: Int[Tensor, "bidder own"]
) -> list[OwnBook]:
    """Return an order book as each of several bidders sees it; it is sorted only once.

    :param market: whose rule clears it
    :param setup: of the rule
    :param orders: of all bidders
    :param own: slots of each
    """
    book = OwnBook(market, setup, orders, own[:0].flatten()).ordered()
    return [replace(book, own=slots) for slots in own]


def book_of_one_product(
    market: MarketSpec[Any],
    price: Float[Tensor, "... slot"],
    volume: Float[Tensor, "... slot"],
    own: Int[Tensor, " own"],
) -> OwnBook:
    """Return the book of auctions of one product, all at one node.

    :param market: whose rule clears them
    :param price: EUR/MWh
    :param volume: MW, sell > 0, buy < 0
    :param own: slots of the bidder
    """
    orders = unit_major(price.unsqueeze(-2), volume.unsqueeze(-2), price.shape[-1])
    return OwnBook(market, market.rule.setup(market, Slots(node=orders.node)), orders, own)


@dataclass(frozen=True)
class Aggregated:
    """Supply and demand of an auction as exchanges publish them: volumes by price, without names.

    Every product has as many levels; those that it does not need have no volume.
    """

    price: Float[Tensor, "... product level"]  # EUR/MWh
    volume: Float[Tensor, "... product level"]  # MW, supply > 0, demand < 0


def aggregated(orders: Orders) -> Aggregated:
    """Return the supply and demand of an order book; all orders of a side and price are one level.

    :param orders: within the limits of the market
    """
    price, order = orders.price.sort(dim=-1, stable=True)
    volume = orders.volume.gather(-1, order)
    level = (price[..., 1:] != price[..., :-1]).to(torch.int64).cumsum(-1)
    level = torch.cat([torch.zeros_like(order[..., :1]), level], -1)
    prices = torch.zeros_like(price).scatter(-1, level, price)
    sides = [
        torch.zeros_like(volume).scatter_add(-1, level, side)
        for side in (volume.clamp(min=0), volume.clamp(max=0))
    ]
    return Aggregated(torch.cat([prices, prices], -1), torch.cat(sides, -1))


def book_among(
    published: Aggregated,
    market: MarketSpec[Any],
    price: Float[Tensor, "... product own"],
    volume: Float[Tensor, "... product own"],
) -> OwnBook:
    """Return the book of an auction from a bidder's own orders and the published curves.

    :param published: with the own orders among them
    :param market: whose rule reads price and volume only
    :param price: EUR/MWh of the own orders, as they were sent
    :param volume: MW, sell > 0, buy < 0
    """
    price = market.price_of(price)
    volume = market.volume_of(volume)
    same_price = published.price.unsqueeze(-1) == price.unsqueeze(-2)
    same_side = (published.volume.unsqueeze(-1) * volume.unsqueeze(-2)) > 0
    taken = torch.where(same_price & same_side, volume.unsqueeze(-2), 0.0).sum(-1)
    rest = published.volume - taken
    rest = torch.where(rest.abs() > ZERO_VOLUME, rest, 0.0)  # rounding is no order
    slots = torch.zeros(rest.shape[-1] + volume.shape[-1], dtype=torch.long, device=rest.device)
    orders = Orders(
        torch.cat([published.price, price], -1), torch.cat([rest, volume], -1), slots, slots
    )
    own = torch.arange(rest.shape[-1], len(slots), device=rest.device)
    return OwnBook(market, market.rule.setup(market, Slots(node=slots)), orders, own)


def rungs_at_once(book: OwnBook) -> int:
    """Return how many rungs may be cleared in one call, see `AT_ONCE`; at least one."""
    price = book.orders.price
    each = price.numel()
    if can_insert(book.market):
        each = each // max(1, price.shape[-1]) * (len(book.own) + 1)
    return max(1, AT_ONCE // max(1, each))


def clear_rungs(
    book: OwnBook,
    price: Float[Tensor, "... rung product own"],
    volume: Float[Tensor, "... rung product own"],
) -> Clearing:
    """Return the clearing of the own orders of each rung, without the slots of others and flows.

    A rule that allows insertion sorts the book once.

    :param book: with anything in the own slots
    :param price: EUR/MWh, on each rung
    :param volume: MW, sell > 0, buy < 0, on each rung
    """
    size, clear = rungs_at_once(book), _clearing_of(book)
    parts = zip(torch.split(price, size, -3), torch.split(volume, size, -3), strict=True)
    return _together([clear(*part) for part in parts], lambda tables: torch.cat(tables, -3))


def _clearing_of(book: OwnBook) -> Callable[[Tensor, Tensor], Clearing]:
    """Return a function that clears prices and volumes of some rungs."""
    market = book.market
    if not can_insert(market):
        return partial(_clear_anew, book)

    return partial(clear_among, market, book.others)


def clear_among(
    market: MarketSpec[Any],
    others: SortedBook,
    price: Float[Tensor, "... rung product own"],
    volume: Float[Tensor, "... rung product own"],
) -> Clearing:
    """Return `clear_inserted` of own orders that are cut to the limits of the market.

    :param market: that `can_insert` allows
    :param others: their orders, (... product other)
    :param price: EUR/MWh, on each rung
    :param volume: MW, sell > 0, buy < 0, on each rung
    """
    price = market.price_of(price)
    volume = market.volume_of(volume)
    return clear_inserted(market, others, price, volume)


def _clear_anew(
    book: OwnBook,
    price: Float[Tensor, "... rung product own"],
    volume: Float[Tensor, "... rung product own"],
) -> Clearing:
    """Return `clear_rungs` in one call, with the whole book on each rung."""

    def with_own(table: Tensor, values: Tensor) -> Tensor:
        shape = (*values.shape[:-1], table.shape[-1])
        return table.unsqueeze(-3).expand(shape).index_copy(-1, book.own, values)

    market, orders = book.market, book.orders
    alternative = market.limited(
        replace(orders, price=with_own(orders.price, price), volume=with_own(orders.volume, volume))
    )
    own_tie = torch.where(volume < 0, OWN_DEMAND, OWN_SUPPLY).to(volume.dtype)
    tie = with_own(torch.full_like(orders.price, OTHERS), own_tie)
    return _of_slots(market.clear(alternative, tie, book.setup), book.own)


def _of_slots(cleared: Clearing, slots: Int[Tensor, " chosen"]) -> Clearing:
    """Return a clearing with some of its slots, without flows."""
    return replace(
        cleared,
        accepted=cleared.accepted.index_select(-1, slots),
        paid=cleared.paid.index_select(-1, slots),
        zone=cleared.zone[slots],
        flows=None,
    )


def _together(parts: Sequence[Clearing], join: Callable[[list[Tensor]], Tensor]) -> Clearing:
    """Return clearings of the same slots as one.

    :param parts: of which there is at least one
    :param join: makes a table of those of the parts
    """
    tables: dict[str, Any] = {
        name: join([getattr(part, name) for part in parts]) for name in (*PER_ORDER, *PER_ZONE)
    }
    return replace(parts[0], **tables)


# --- the reward of a bidder -----------------------------------------------------------------------


@dataclass(frozen=True)
class Twins:
    """As many twins of a unit as there are rungs: each bids on its own one, none meets another."""

    portfolio: Portfolio  # of the twins alone
    team: Team  # that they are
    unit: Members  # of which they are twins


def twins(portfolio: Portfolio, team: Team, unit: int, rungs: int) -> Twins:
    """Return the twins of a unit that bids in a market.

    :param portfolio: with the unit
    :param team: of the unit in the market
    :param unit: its place in the team
    :param rungs: how many twins
    """
    single = members(portfolio.fleet, [int(team.members.units.index[unit])])
    fleet, profiles = twins_of(portfolio.fleet, portfolio.profiles, single, rungs)
    alike = replace(team, members=members(fleet, range(rungs)), agents=(team.agents[unit],) * rungs)
    teams = {
        market: (alike,)
        for market, own in portfolio.teams.items()
        if any(one is team for one in own)
    }
    return Twins(replace(portfolio, fleet=fleet, profiles=profiles, teams=teams), alike, single)


def on_each_rung(
    action: Float[Tensor, "... act"], ladder: Ladder, parts: int = 1
) -> Float[Tensor, "... rung act"]:
    """Return the actions that differ from one in a single entry, on every rung of a ladder.

    Entry by entry: on the first `ladder.rungs` rungs the first entry is the place of each rung of
    the ladder, from the lowest on, and the others are as they are.

    :param action: that was played
    :param ladder: that its entries are on
    :param parts: equal ones of an action, in each of which an entry is on a rung at the same time
    """
    number = torch.arange(ladder.rungs, dtype=action.dtype, device=action.device)
    places = number * (2.0 / (ladder.rungs - 1)) - 1.0
    own = torch.eye(ladder.size // parts, dtype=torch.bool, device=action.device)
    tried = torch.where(
        own.repeat(1, parts).unsqueeze(-2), places.unsqueeze(-1), action[..., None, None, :]
    )
    return tried.flatten(-3, -2)


def products_apart(team: Team, unit: int) -> int:
    """Return of how many products of an auction a unit is rewarded for each on its own.

    :param team: of the unit, on a ladder
    :param unit: its place in the team
    """
    if not isinstance(team.learned, Separable):
        return 1
    block, index = team.members.block, team.members.units.index
    own = block.technology.select(block.params, torch.tensor([unit], device=index.device))
    return team.learned.products_apart(own)


def rungs_tried(team: Team) -> int:
    """Return how many alternatives `ladder_curve` clears for a unit of a team, at most."""
    ladder = ladder_of(team)
    parts = min(products_apart(team, unit) for unit in range(len(team.ids)))
    return ladder.rungs * (ladder.size // parts) + (parts > 1)


def rung_orders(
    twins: Twins, position: Position, auction: Auction, action: Float[Tensor, "... rung act"]
) -> Orders:
    """Return the bidder's orders of a unit for an action on each rung; slots rung by rung.

    :param twins: of the unit
    :param position: of the unit's portfolio when the auction opens
    :param auction: that opens
    :param action: on each rung
    """
    view = look(twins.portfolio, _position_of(twins, position), auction, twins.team)
    return twins.team.orders(view, action)


@dataclass(frozen=True)
class Tried:
    """An auction's possible results for the twins of a unit, and their states after it."""

    twins: Twins
    reward: Reward  # (... rung)
    position: Position  # of the twins, once the auction is settled


def reward_curve(
    twins: Twins, position: Position, auction: Auction, orders: Orders, book: OwnBook
) -> Tried:
    """Return reward, profit and regret (... rung) of an auction for each rung.

    Its steps count as executed, or planned, exactly as `trade.settle` has it. What a rung changes
    after that, by ramps, minimum times or a state of charge, is in the position of the twins only.

    :param twins: of the unit
    :param position: of the unit's portfolio just before the auction is settled; where other
        auctions of the same instant are too, with what these sold (`trade.booked`)
    :param auction: that has been cleared
    :param orders: of `rung_orders`
    :param book: of the auction, in which the unit has as many slots as it has on a rung
    """
    after, outcome = _settled(twins, position, auction, orders, book)
    return Tried(twins, twins.team.reward(outcome), after)


def _settled(
    twins: Twins, position: Position, auction: Auction, orders: Orders, book: OwnBook
) -> tuple[Position, Outcome[Any]]:
    """Return the twins' position after an auction, and its outcome, product by product.

    See `reward_curve`.
    """
    rungs = len(twins.team.ids)
    price, volume = (by_unit(table, rungs) for table in (orders.price, orders.volume))
    cleared = clear_rungs(book, price.movedim(-2, -3), volume.movedim(-2, -3))
    accepted, paid, published = (
        table.movedim(-3, -2).flatten(-2)
        for table in (cleared.accepted, cleared.paid, cleared.price_of_slots)
    )
    position = _position_of(twins, position)
    result = result_of(twins.team, auction, orders, accepted, paid, published)
    after, _, ((outcome,),) = settle(twins.portfolio, position, [result])
    return after, outcome


def result_of(
    team: Team,
    auction: Auction,
    orders: Orders,
    accepted: Float[Tensor, "... product slot"],
    paid: Float[Tensor, "... product slot"],
    price: Float[Tensor, "... product slot"],
) -> Result:
    """Return the result of an auction in which a portfolio has the orders of one team only.

    :param team: whose orders they are
    :param auction: that has been cleared
    :param orders: of the team
    :param accepted: MW
    :param paid: EUR/MWh
    :param price: EUR/MWh, published
    """
    slots = (slice(0, accepted.shape[-1]),)
    return Result(auction, orders, accepted, paid, price, asked=(team,), slots=slots)


def observed_next(tried: Tried, auction: Auction, opens: int) -> Float[Tensor, "... rung obs"]:
    """Return the unit's observation at its next auction after each rung.

    Nothing that it trades in may be cleared in between.

    :param tried: the auction before; one whose products are not tried at the same time
    :param auction: the next one
    :param opens: step at which that opens, since the episode began
    """
    portfolio, team = tried.twins.portfolio, tried.twins.team
    return team.observe(look(portfolio, moved_to(portfolio, tried.position, opens), auction, team))


def ladder_curve(
    portfolio: Portfolio,
    team: Team,
    unit: int,
    auction: Auction,
    *,
    opened: Position,
    closed: Position,
    action: Float[Tensor, "... act"],
    book: OwnBook,
) -> Tried:
    """Return the result that every rung of its ladder would give a unit, see `on_each_rung`.

    Where it is rewarded for each product on its own, all products are on a rung at the same time,
    and the position of its twins, of which the last one bids as it was played, is of no rung.

    :param portfolio: with the unit
    :param team: of the unit in the market
    :param unit: its place in the team
    :param auction: that has been cleared
    :param opened: position of the portfolio when the auction opened
    :param closed: position just before the auction is settled, see `reward_curve`
    :param action: that the unit played
    :param book: of the auction, with the unit's slots
    :raises ValueError: its bidder has no ladder
    """
    parts = products_apart(team, unit)
    tried = on_each_rung(action, ladder_of(team), parts)
    if parts > 1:
        tried = torch.cat([tried, action.unsqueeze(-2)], -2)
    alike = twins(portfolio, team, unit, tried.shape[-2])
    orders = rung_orders(alike, opened, auction, tried)
    if parts == 1:
        return reward_curve(alike, closed, auction, orders, book)
    after, outcome = _settled(alike, closed, auction, orders, book)
    reward = _others_as_played(alike.team.reward(outcome.apart()), parts)
    return Tried(alike, reward, after)


def ladder_of(team: Team) -> Ladder:
    """Return the ladder that a team chooses rungs of.

    :raises ValueError: its bidder has none
    """
    ladder = None if team.learned is None else team.learned.action
    if not isinstance(ladder, Ladder):
        raise ValueError(f"{team.bidder.name} chooses no rungs of a ladder")
    return ladder


def _others_as_played(earned: Reward, products: int) -> Reward:
    """Return rewards of an auction (... rung), product by product, the others as they were played.

    :param earned: by each product (... product rung), the last rung as it was played
    :param products: that count, from the first one on
    """

    def curve(column: Float[Tensor, "... product rung"]) -> Float[Tensor, "... _"]:
        column = column[..., :products, :]
        played = column[..., -1:]
        others = played.sum(-2, keepdim=True) - played
        return (column[..., :-1] + others).flatten(-2)

    return Reward(curve(earned.reward), curve(earned.profit), curve(earned.regret))


def _position_of(twins: Twins, position: Position) -> Position:
    """Return the position of the twins: each stands where the unit does."""
    rungs = len(twins.team.ids)
    (unit,) = twins.unit.units.index.tolist()

    def of(table: Tensor) -> Tensor:
        return table.narrow(-1, unit, 1).expand(*table.shape[:-1], rungs)

    return position_of(position, twins.unit.place, twins.unit.rows.index.expand(rungs), of)


def position_of(
    position: Position, place: int, rows: Int[Tensor, " own"], of: Callable[[Tensor], Tensor]
) -> Position:
    """Return the position of some units of a block, or of twins of one.

    :param position: of the fleet
    :param place: of the block
    :param rows: of the units in it
    :param of: takes them out of a table of all units
    """
    state, running, money = position.state, position.state.running, position.state.cashflow
    states = state.own[place]

    def kept(table: T) -> T:
        return table if table is None else of(table)

    return replace(
        position,
        state=replace(
            state,
            sold={kind: of(table) for kind, table in state.sold.items()},
            own=(states if states is NO_STATE else rows_of(states, rows),),
            accepted_price=kept(state.accepted_price),
            cashflow=money and {kind: of(table) for kind, table in money.items()},
            revenue=kept(state.revenue),
            downtime=kept(state.downtime),
            running=None if running is None else Running(of(running.on), of(running.share)),
        ),
    )
