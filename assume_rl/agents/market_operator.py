"""Runs the auctions of one market: opens them, takes order books, clears, tells each its own."""

import asyncio
import logging
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import torch
from mango import AgentAddress, Role, sender_addr
from mango.util.scheduling import sleeping_wait
from torch import Tensor

from assume_rl.agents.messages import (
    AuctionResult,
    EpisodeEnd,
    MarketOpened,
    OrderBook,
    RegisterBidder,
    Rows,
)
from assume_rl.agents.transport import Failures, Handler, post, subscribe
from assume_rl.core.clearing import MarketSpec, Slots, limit_bids
from assume_rl.core.types import Auction, Bids, Clearing, Tick
from assume_rl.episodes.calendar import EpisodeKey
from assume_rl.episodes.draws import of_episode, tie_keys, ties
from assume_rl.episodes.order_log import ClearedAuction, OrderLog

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Book:
    """What a bidder sent for one auction."""

    bids: Bids
    units: tuple[int, ...]  # of each slot, index into the bidder's units


@dataclass(frozen=True)
class Layout:
    """How a joined order book is made up."""

    bidders: tuple[str, ...]
    sizes: tuple[int, ...]  # slots of each bidder
    units: tuple[str, ...]  # unit id of each slot
    tie: Tensor  # (auction, product, slot)
    setup: Any  # of the market's rule, for these slots


@dataclass(frozen=True)
class Entry:
    """What a market does at one instant, and when among the other markets.

    All markets clear before any opens: each waits for the clearings `before` its own, and for those
    `after` it (its own counted) before it opens. They clear in the order of the configuration; only
    the order of rows depends on it.
    """

    tick: Tick
    before: int
    after: int


class MarketOperator(Role):  # type: ignore[misc]
    """One market. Opens and clears by the clock, following the precomputed plan.

    :param spec: the market's rule and limits.
    :param plan: all ticks of the calendar; only this market's auctions are used.
    :param start: POSIX seconds at which the calendar starts.
    :param flush_every: seconds of simulated time between two deliveries of result rows.
    """

    def __init__(
        self,
        spec: MarketSpec[Any],
        plan: tuple[Tick, ...],
        start: int,
        key: EpisodeKey,
        failures: Failures,
        *,
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
        self._bidders: dict[str, tuple[RegisterBidder, AgentAddress]] = {}
        self._books: dict[int, dict[str, Book]] = defaultdict(dict)
        self._open: dict[int, Auction] = {}
        self._layouts: dict[tuple[tuple[str, tuple[int, ...]], ...], Layout] = {}
        self._auctions = sum(len(entry.tick.opening) for entry in self._agenda)
        self._log = OrderLog(spec.name) if recorder is not None else None
        self._next_flush = flush_every or 0

    def setup(self) -> None:
        """Subscribe by message type."""
        handlers: dict[type, Handler] = {
            RegisterBidder: self._register,
            OrderBook: self._take,
            EpisodeEnd: self._finish,
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
        if content.bidder in self._bidders and self._bidders[content.bidder][1] != address:
            self._refuse(content.bidder, "another agent has registered under this name")
            return
        self._bidders[content.bidder] = (content, address)

    def _announce(self, auction: Auction) -> None:
        self._open[auction.number] = auction
        message = MarketOpened(auction)
        for _, address in self._bidders.values():
            post(self.context, message, address)

    def _take(self, content: OrderBook, meta: dict[str, Any]) -> None:
        """Keep a book while its auction is open; the last one sent counts.

        A book that is not its sender's or does not make sense costs nobody but its bidder.
        """
        if content.market != self._spec.name or content.number not in self._open:
            return
        known, address = self._bidders.get(content.bidder, (None, None))
        if known is None or address != sender_addr(meta):
            self._refuse(content.bidder, "its sender has not registered under this name")
            return
        products = len(self._open[content.number].first)
        fault = _fault(content.bids, products, len(known.unit_ids))
        if fault is not None:
            self._refuse(content.bidder, fault)
            return
        book = Book(content.bids, tuple(content.bids.unit.tolist()))
        self._books[content.number][content.bidder] = book

    def _refuse(self, bidder: str, reason: str) -> None:
        logger.warning("%s: refused a message of '%s': %s", self._spec.name, bidder, reason)

    def _finite(self, books: dict[str, Book]) -> dict[str, Book]:
        """The books that hold finite numbers only; the others are refused."""
        fine = {name: book for name, book in books.items() if _is_finite(book.bids)}
        for name in books.keys() - fine.keys():
            self._refuse(name, "a price or volume is not a finite number")
        return fine

    def _close(self, auction: Auction) -> None:
        self._open.pop(auction.number)
        received = self._books.pop(auction.number, {})
        books = {name: received[name] for name in self._bidders if name in received}
        joined = _join(books) if books else None
        if joined is not None and not _is_finite(joined):
            books = self._finite(books)
            joined = _join(books) if books else None
        if joined is None:
            return
        layout = self._layout(books, len(auction.first))
        spec = self._spec
        bids = limit_bids(joined, spec.min_price, spec.max_price, spec.max_volume)
        clearing = spec.rule.clear(bids, layout.tie[auction.number], layout.setup)
        self._tell(auction, layout, clearing)
        self._record(layout, ClearedAuction(auction, bids.price, bids.volume, clearing))

    def _layout(self, books: dict[str, Book], products: int) -> Layout:
        """Whose orders stand where in the joined book; looked up, as it hardly ever changes."""
        key = tuple((name, book.units) for name, book in books.items())
        if key not in self._layouts:
            units = tuple(
                self._bidders[name][0].unit_ids[unit] for name, own in key for unit in own
            )
            sizes = tuple(len(own) for _, own in key)
            slots = Slots(torch.zeros(len(units), dtype=torch.int64))
            setup = self._spec.rule.setup(self._spec, slots)
            tie = self._ties(units, products)
            self._layouts[key] = Layout(tuple(books), sizes, units, tie, setup)
        return self._layouts[key]

    def _ties(self, units: tuple[str, ...], products: int) -> Tensor:
        """(auction, product, slot): tie-breaks keyed by unit, whoever else takes part."""
        drawn = {
            unit: iter(self._draw(unit, products, units.count(unit)).unbind(-1))
            for unit in dict.fromkeys(units)
        }
        return torch.stack([next(drawn[unit]) for unit in units], dim=-1)

    def _draw(self, unit_id: str, products: int, slots: int) -> Tensor:
        key = self._key
        keys = of_episode(tie_keys(key.seed, key.phase, self._spec.name, [unit_id]), key)
        return ties(keys[0], 0, self._auctions, products, slots)

    def _tell(self, auction: Auction, layout: Layout, clearing: Clearing) -> None:
        accepted = torch.split_with_sizes(clearing.accepted, layout.sizes, dim=-1)
        paid = torch.split_with_sizes(clearing.paid, layout.sizes, dim=-1)
        price = clearing.price[..., 0]
        for name, own_accepted, own_paid in zip(layout.bidders, accepted, paid, strict=True):
            result = AuctionResult(auction, own_accepted, own_paid, price)
            post(self.context, result, self._bidders[name][1])

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


def _fault(bids: Bids, products: int, units: int) -> str | None:
    """Why these orders cannot stand beside others, if they cannot."""
    shape = tuple(bids.price.shape)
    if len(shape) != 2 or tuple(bids.volume.shape) != shape or tuple(bids.unit.shape) != shape[1:]:
        return "price, volume and unit differ in shape"
    if shape[0] != products or shape[1] == 0:
        return f"{shape[0]} products with {shape[1]} orders each, the auction has {products}"
    if not all(isinstance(unit, int) and 0 <= unit < units for unit in bids.unit.tolist()):
        return f"an order is for none of the {units} registered units"
    return None


def _is_finite(bids: Bids) -> bool:
    """Whether all prices and volumes are; a sum is the cheapest look at them."""
    if math.isfinite(float(bids.price.sum() + bids.volume.sum())):
        return True
    return bool(torch.isfinite(bids.price).all() and torch.isfinite(bids.volume).all())


def _join(books: dict[str, Book]) -> Bids:
    """All bidders' orders side by side; `unit` is of no use here."""
    price = torch.cat([book.bids.price for book in books.values()], dim=-1)
    volume = torch.cat([book.bids.volume for book in books.values()], dim=-1)
    return Bids(price, volume, torch.empty(price.shape[-1], dtype=torch.int64))


def _entry(tick: Tick, market: str) -> Entry | None:
    """A market's part of a tick; None if it has none."""
    closing = tuple(a for a in tick.closing if a.market == market)
    opening = tuple(a for a in tick.opening if a.market == market)
    if not closing and not opening:
        return None
    before = next((i for i, a in enumerate(tick.closing) if a.market == market), 0)
    own = replace(tick, closing=closing, opening=opening)
    return Entry(own, before, len(tick.closing) - before)


async def _turns(count: int) -> None:
    """Let the other markets of this instant act, so many times."""
    for _ in range(count):
        await asyncio.sleep(0)
