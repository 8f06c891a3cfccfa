"""Run the auctions of one market: open, take orders, clear, send each bidder its result."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from mango import AgentAddress, Role, sender_addr
from mango.util.scheduling import sleeping_wait
from torch import Tensor

from assume_rl.agents.messages import (
    AuctionResult,
    EpisodeEnd,
    Goodbye,
    MarketOpened,
    OrderBook,
    RegisterBidder,
    Rows,
)
from assume_rl.agents.transport import Failures, Handler, post, subscribe
from assume_rl.core.clearing import MarketSpec, Slots
from assume_rl.core.clearing.rule import Clearing
from assume_rl.core.orders import Orders, beside, fault_of, is_finite
from assume_rl.core.reward_curve import aggregated
from assume_rl.core.time import Auction, Tick
from assume_rl.episodes.calendar import EpisodeKey
from assume_rl.episodes.draws import of_episode, tie_keys, ties
from assume_rl.episodes.rows.orders import ClearedAuction, OrderLog

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Book:
    """The orders that a bidder sent for one auction."""

    orders: Orders
    units: tuple[int, ...]  # of each slot, index into the bidder's units
    nodes: tuple[int, ...]  # likewise its node; empty if the rule does not read it


@dataclass(frozen=True)
class Layout:
    """The composition of a joined order book."""

    bidders: tuple[str, ...]
    sizes: tuple[int, ...]  # slots of each bidder
    units: tuple[str, ...]  # unit id of each slot
    unit: Tensor  # (slot) index into the distinct ids among these
    node: Tensor  # (slot) index into the scenario's nodes
    tie: Tensor  # (auction, product, slot)
    setup: Any  # of the market's rule, for these slots


@dataclass(frozen=True)
class Entry:
    """The events of a market at one instant, and their place among those of other markets.

    All markets clear before any opens: each waits for the clearings `before` its own, and for those
    `after` it (its own counted) before it opens. They clear in the order of the configuration; only
    the order of rows depends on it.
    """

    tick: Tick
    before: int
    after: int


class MarketOperator(Role):  # type: ignore[misc]
    """A market, which opens and clears auctions by the clock, following the precomputed plan.

    :param spec: the market's rule and limits
    :param plan: all ticks of the calendar; only this market's auctions are used
    :param start: POSIX seconds at which the calendar starts
    :param key: of the draws of the episode
    :param failures: takes exceptions of handlers
    :param bidders: names in the order in which their orders stand in the book; those of others
        follow, as they register
    :param recorder: address of an agent that takes `Rows`; None: nothing is recorded
    :param flush_every: seconds of simulated time between two deliveries of rows
    """

    def __init__(
        self,
        spec: MarketSpec[Any],
        plan: tuple[Tick, ...],
        start: int,
        key: EpisodeKey,
        failures: Failures,
        *,
        bidders: Sequence[str] = (),
        recorder: AgentAddress | None = None,
        flush_every: int | None = None,
    ) -> None:
        super().__init__()
        self._spec = spec
        self._agenda = [entry for tick in plan if (entry := _entry(tick, spec.name)) is not None]
        self._start = start
        self._key = key
        self._failures = failures
        self._recorder = recorder
        self._flush_every = flush_every
        self._places = {name: i for i, name in enumerate(bidders)}
        self._bidders: dict[str, tuple[RegisterBidder, AgentAddress]] = {}
        self._books: dict[int, dict[str, Book]] = defaultdict(dict)
        self._open: dict[int, Auction] = {}
        self._layouts: dict[tuple[Any, ...], Layout] = {}
        self._auctions = sum(len(entry.tick.opening) for entry in self._agenda)
        self._log = OrderLog(spec) if recorder is not None else None
        self._next_flush = flush_every or 0

    def setup(self) -> None:
        """Subscribe by message type."""
        handlers: dict[type, Handler] = {
            RegisterBidder: self._register,
            OrderBook: self._take,
            EpisodeEnd: self._finish,
            Goodbye: self._forget,
        }
        subscribe(self, self._failures, handlers)

    def on_ready(self) -> None:
        """Start following the agenda."""
        self.context.schedule_instant_task(self._follow_agenda())

    async def _follow_agenda(self) -> None:
        clock = self.context.scheduler.clock
        for entry in self._agenda:
            with sleeping_wait():
                await clock.sleep(self._start + entry.tick.time - clock.time)
            try:
                await _turns(entry.before)
                for auction in entry.tick.closing:
                    self._close(auction)
                await _turns(entry.after)
                for auction in entry.tick.opening:
                    self._announce(auction)
            except Exception as error:
                self._failures.note(error)
                return

    def _register(self, content: RegisterBidder, meta: dict[str, Any]) -> None:
        if content.market != self._spec.name:
            return
        address = sender_addr(meta)
        known = self._bidders.get(content.bidder)
        if known is not None and known[1] != address:
            self._refuse(content.bidder, "another agent has registered under this name")
            return
        if known != (content, address):
            self._drop(content.bidder)
        self._bidders[content.bidder] = (content, address)
        last = len(self._places)
        self._bidders = dict(
            sorted(self._bidders.items(), key=lambda entry: self._places.get(entry[0], last))
        )

    def _forget(self, content: Goodbye, meta: dict[str, Any]) -> None:
        """Send nothing more to a bidder that has left; an open auction has no orders of it."""
        sender = sender_addr(meta)
        gone = sender if content.of is None else AgentAddress(*content.of)
        if gone != sender and sender.protocol_addr != self.context.addr.protocol_addr:
            logger.warning("%s: only bidders themselves can say goodbye", self._spec.name)
            return
        for name, (_, address) in list(self._bidders.items()):
            if address == gone:
                del self._bidders[name]
                self._drop(name)

    def _drop(self, bidder: str) -> None:
        """Drop a bidder's messages under another registration, and everything made of them."""
        self._layouts.clear()
        for books in self._books.values():
            books.pop(bidder, None)

    def _announce(self, auction: Auction) -> None:
        self._open[auction.number] = auction
        message = MarketOpened(auction)
        for _, address in self._bidders.values():
            post(self.context, message, address)

    def _take(self, content: OrderBook, meta: dict[str, Any]) -> None:
        """Keep a book while its auction is open; the last one sent counts.

        A book from another sender, or with invalid orders, is refused; other books are kept.
        """
        if content.market != self._spec.name or content.number not in self._open:
            return
        known, address = self._bidders.get(content.bidder, (None, None))
        if known is None or address != sender_addr(meta):
            self._refuse(content.bidder, "its sender has not registered under this name")
            return
        products = len(self._open[content.number].first)
        orders = content.orders
        fault = fault_of(orders, products, len(known.unit_ids))
        if fault is not None:
            self._refuse(content.bidder, fault)
            return
        nodes = tuple(orders.node.tolist()) if "node" in self._spec.rule.needs else ()
        book = Book(orders, tuple(orders.unit.tolist()), nodes)
        self._books[content.number][content.bidder] = book

    def _refuse(self, bidder: str, reason: str) -> None:
        logger.warning("%s: refused a message of '%s': %s", self._spec.name, bidder, reason)

    def _finite(self, books: dict[str, Book]) -> dict[str, Book]:
        """Return the books with finite numbers only; refuse the others."""
        fine = {name: book for name, book in books.items() if is_finite(book.orders)}
        for name in books.keys() - fine.keys():
            self._refuse(name, "a price or volume is not a finite number")
        return fine

    def _close(self, auction: Auction) -> None:
        self._open.pop(auction.number)
        received = self._books.pop(auction.number, {})
        books = {name: received[name] for name in self._bidders if name in received}
        products = len(auction.first)
        joined, layout = self._joined(books, products)
        if joined is not None and not is_finite(joined):
            joined, layout = self._joined(self._finite(books), products)
        if joined is None or layout is None:
            return
        spec = self._spec
        orders = spec.limited(joined)
        clearing = spec.clear(orders, layout.tie[auction.number], layout.setup)
        self._tell(auction, layout, orders, clearing)
        cleared = ClearedAuction(auction, orders, clearing)
        self._record(layout, cleared)

    def _joined(
        self, books: dict[str, Book], products: int
    ) -> tuple[Orders, Layout] | tuple[None, None]:
        """Return all bidders' orders side by side, with their layout; None if there are none."""
        if not books:
            return None, None
        layout = self._layout(books, products)
        parts = [book.orders for book in books.values()]
        return beside(parts, layout.unit, layout.node), layout

    def _layout(self, books: dict[str, Book], products: int) -> Layout:
        """Return the composition of the joined book, from a cache since it rarely changes."""
        key = tuple((name, book.units, book.nodes) for name, book in books.items())
        if key not in self._layouts:
            units = tuple(
                self._bidders[name][0].unit_ids[unit] for name, own, _ in key for unit in own
            )
            sizes = tuple(len(own) for _, own, _ in key)
            places = {unit: i for i, unit in enumerate(dict.fromkeys(units))}
            node = torch.cat([book.orders.node for book in books.values()])
            self._layouts[key] = Layout(
                bidders=tuple(books),
                sizes=sizes,
                units=units,
                unit=torch.tensor([places[unit] for unit in units]),
                node=node,
                tie=self._ties(units, products),
                setup=self._spec.rule.setup(self._spec, Slots(node=node)),
            )
        return self._layouts[key]

    def _ties(self, units: tuple[str, ...], products: int) -> Tensor:
        """Return tie-breaks (auction, product, slot), which for a unit do not depend on others."""
        drawn = {
            unit: iter(self._draw(unit, products, units.count(unit)).unbind(-1))
            for unit in dict.fromkeys(units)
        }
        return torch.stack([next(drawn[unit]) for unit in units], dim=-1)

    def _draw(self, unit_id: str, products: int, slots: int) -> Tensor:
        key = self._key
        keys = of_episode(tie_keys(key.seed, key.phase, self._spec.name, [unit_id]), key)
        return ties(keys[0], 0, self._auctions, products, slots)

    def _tell(self, auction: Auction, layout: Layout, orders: Orders, clearing: Clearing) -> None:
        """Send each bidder its result, and published curves to those who asked for them."""
        accepted = torch.split_with_sizes(clearing.accepted, layout.sizes, dim=-1)
        paid = torch.split_with_sizes(clearing.paid, layout.sizes, dim=-1)
        price = clearing.prices_of(layout.sizes)
        asked = any(self._bidders[name][0].curves for name in layout.bidders)
        published = aggregated(orders) if asked and self._spec.publishes_curves else None
        own = zip(layout.bidders, accepted, paid, price, strict=True)
        for name, its_accepted, its_paid, its_price in own:
            bidder, address = self._bidders[name]
            curves = published if bidder.curves else None
            result = AuctionResult(auction, its_accepted, its_paid, its_price, curves)
            post(self.context, result, address)

    def _record(self, layout: Layout, cleared: ClearedAuction) -> None:
        if self._log is None:
            return
        self._log.add(layout.units, cleared)
        closes = cleared.auction.closes
        if self._flush_every is not None and closes >= self._next_flush:
            self._next_flush = closes + self._flush_every
            self._flush()

    def _flush(self) -> None:
        if self._log is not None and self._recorder is not None:
            for table, columns in self._log.drain():
                post(self.context, Rows(table, columns), self._recorder)

    def _finish(self, content: EpisodeEnd, meta: dict[str, Any]) -> None:
        self._flush()


def _entry(tick: Tick, market: str) -> Entry | None:
    """Return a market's part of a tick; None if it has none."""
    closing = tuple(a for a in tick.closing if a.market == market)
    opening = tuple(a for a in tick.opening if a.market == market)
    if not closing and not opening:
        return None
    before = next((i for i, a in enumerate(tick.closing) if a.market == market), 0)
    own = replace(tick, closing=closing, opening=opening)
    return Entry(own, before, len(tick.closing) - before)


async def _turns(count: int) -> None:
    """Let the other markets of this instant act, `count` times."""
    for _ in range(count):
        await asyncio.sleep(0)
