"""Runs the auctions of one market: opens them, takes order books, clears, tells each its own."""

import asyncio
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
from assume_rl.agents.order_log import ClearedAuction, OrderLog
from assume_rl.agents.portfolio import EpisodeKey
from assume_rl.agents.transport import Failures, post
from assume_rl.core.clearing import RULES, limit_bids
from assume_rl.core.types import Auction, Bids, Clearing, Tick
from assume_rl.keyed import uniform
from assume_rl.scenario.compile import MarketSpec


@dataclass(frozen=True)
class Layout:
    """How a joined order book is made up."""

    bidders: tuple[str, ...]
    sizes: tuple[int, ...]  # slots of each bidder
    units: tuple[str, ...]  # unit id of each slot
    tie: Tensor  # (auction, product, slot)


class MarketOperator(Role):  # type: ignore[misc]
    """One market. Opens and clears by the clock, following the precomputed plan.

    :param spec: the market's rule and limits.
    :param plan: all ticks of the calendar; only this market's auctions are used.
    :param start: POSIX seconds at which the calendar starts.
    :param flush_every: seconds of simulated time between two deliveries of result rows.
    """

    def __init__(
        self,
        spec: MarketSpec,
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
        self._agenda = [_own(tick, spec.name) for tick in plan]
        self._agenda = [tick for tick in self._agenda if tick.opening or tick.closing]
        self._start = start
        self._key = key
        self._failures = failures
        self._recorder = recorder
        self._flush_every = flush_every
        self._bidders: dict[str, tuple[RegisterBidder, AgentAddress]] = {}
        self._books: dict[int, dict[str, Bids]] = defaultdict(dict)
        self._open: dict[int, Auction] = {}
        self._layouts: dict[tuple[tuple[str, ...], tuple[int, ...]], Layout] = {}
        self._auctions = sum(len(tick.opening) for tick in self._agenda)
        self._log = OrderLog(spec.name) if recorder is not None else None
        self._next_flush = flush_every or 0

    def setup(self) -> None:
        """Subscribe by message type."""
        for kind, handler in (
            (RegisterBidder, self._register),
            (OrderBook, self._take),
            (EpisodeEnd, self._finish),
        ):
            self.context.subscribe_message(
                self, self._failures.guard(handler), lambda c, _, k=kind: isinstance(c, k)
            )

    def on_ready(self) -> None:
        """Start following the agenda."""
        self.context.schedule_instant_task(self._follow_agenda())

    async def _follow_agenda(self) -> None:
        clock = self.context.scheduler.clock
        for tick in self._agenda:
            with sleeping_wait():
                await clock.sleep(self._start + tick.time - clock.time)
            try:
                for auction in tick.closing:
                    self._close(auction)
                # Every market that closes now does so before any opens: results come first.
                await asyncio.sleep(0)
                for auction in tick.opening:
                    self._announce(auction)
            except Exception as error:
                self._failures.note(error)
                return

    def _register(self, content: RegisterBidder, meta: dict[str, Any]) -> None:
        if content.market == self._spec.name:
            self._bidders[content.bidder] = (content, sender_addr(meta))

    def _announce(self, auction: Auction) -> None:
        self._open[auction.number] = auction
        message = MarketOpened(auction)
        for _, address in self._bidders.values():
            post(self.context, message, address)

    def _take(self, content: OrderBook, meta: dict[str, Any]) -> None:
        """Keep a book while its auction is open; the last one sent counts."""
        known = content.bidder in self._bidders
        if content.market == self._spec.name and content.number in self._open and known:
            self._books[content.number][content.bidder] = content.bids

    def _close(self, auction: Auction) -> None:
        self._open.pop(auction.number)
        books = self._books.pop(auction.number, {})
        bidders = tuple(name for name in self._bidders if name in books)
        if not bidders:
            return
        parts = [books[name] for name in bidders]
        layout = self._layout(bidders, parts)
        spec = self._spec
        bids = limit_bids(_join(parts), spec.min_price, spec.max_price, spec.max_volume)
        clearing = RULES[spec.rule](bids.price, bids.volume, layout.tie[auction.number])
        self._tell(auction, layout, clearing)
        self._record(layout, ClearedAuction(auction, bids.price, bids.volume, clearing))

    def _layout(self, bidders: tuple[str, ...], parts: list[Bids]) -> Layout:
        """Whose orders stand where in the joined book; looked up, as it hardly ever changes."""
        sizes = tuple(bids.price.shape[-1] for bids in parts)
        key = (bidders, sizes)
        if key not in self._layouts:
            products = parts[0].price.shape[-2]
            units = tuple(
                self._bidders[name][0].unit_ids[unit]
                for name, bids in zip(bidders, parts, strict=True)
                for unit in bids.unit.tolist()
            )
            self._layouts[key] = Layout(bidders, sizes, units, self._ties(units, products))
        return self._layouts[key]

    def _ties(self, units: tuple[str, ...], products: int) -> Tensor:
        """(auction, product, slot): tie-breaks keyed by unit, whoever else takes part."""
        drawn = {
            unit: iter(self._draw(unit, products, units.count(unit)).unbind(-1))
            for unit in dict.fromkeys(units)
        }
        return torch.stack([next(drawn[unit]) for unit in units], dim=-1)

    def _draw(self, unit_id: str, products: int, slots: int) -> Tensor:
        shape = (self._auctions, products, slots)
        key = self._key
        return uniform(shape, key.seed, "tie", key.phase, key.episode, self._spec.name, unit_id)

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


def _join(parts: list[Bids]) -> Bids:
    """All bidders' orders side by side; `unit` is of no use here."""
    price = torch.cat([bids.price for bids in parts], dim=-1)
    volume = torch.cat([bids.volume for bids in parts], dim=-1)
    return Bids(price, volume, torch.empty(price.shape[-1], dtype=torch.int64))


def _own(tick: Tick, market: str) -> Tick:
    return replace(
        tick,
        closing=tuple(a for a in tick.closing if a.market == market),
        opening=tuple(a for a in tick.opening if a.market == market),
    )
