"""Runs the auctions of one market: opens them, takes order books, clears, tells each its own."""

import asyncio
from collections import defaultdict
from dataclasses import replace
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
        self._ties: dict[tuple[str, int, int], Tensor] = {}
        self._auctions = sum(len(tick.opening) for tick in self._agenda)
        self._log = OrderLog(spec.name) if recorder is not None else None
        self._next_flush = flush_every

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
            bids = limit_bids(
                content.bids, self._spec.min_price, self._spec.max_price, self._spec.max_volume
            )
            self._books[content.number][content.bidder] = bids

    def _close(self, auction: Auction) -> None:
        self._open.pop(auction.number)
        books = self._books.pop(auction.number, {})
        bidders = [name for name in self._bidders if name in books]
        if not bidders:
            return
        bids = [books[name] for name in bidders]
        price = torch.cat([b.price for b in bids], dim=-1)
        volume = torch.cat([b.volume for b in bids], dim=-1)
        tie = torch.cat(
            [self._tie(name, b)[auction.number] for name, b in zip(bidders, bids, strict=True)],
            dim=-1,
        )
        clearing = RULES[self._spec.rule](price, volume, tie)
        self._tell(auction, bidders, bids, clearing)
        self._record(auction, bidders, bids, price, volume, clearing)

    def _tie(self, bidder: str, bids: Bids) -> Tensor:
        """(auction, product, slot): tie-breaks of a bidder's orders, keyed by unit."""
        products, slots = bids.price.shape
        key = (bidder, products, slots)
        if key not in self._ties:
            ids = self._bidders[bidder][0].unit_ids
            units = bids.unit.tolist()
            counts = {u: units.count(u) for u in units}
            drawn = {u: iter(self._draw(ids[u], products, n).unbind(-1)) for u, n in counts.items()}
            self._ties[key] = torch.stack([next(drawn[u]) for u in units], dim=-1)
        return self._ties[key]

    def _draw(self, unit_id: str, products: int, slots: int) -> Tensor:
        shape = (self._auctions, products, slots)
        key = self._key
        return uniform(shape, key.seed, "tie", key.phase, key.episode, self._spec.name, unit_id)

    def _tell(
        self, auction: Auction, bidders: list[str], bids: list[Bids], clearing: Clearing
    ) -> None:
        sizes = [b.price.shape[-1] for b in bids]
        accepted = clearing.accepted.split(sizes, dim=-1)
        paid = clearing.paid.split(sizes, dim=-1)
        price = clearing.price[..., 0]
        for name, own_accepted, own_paid in zip(bidders, accepted, paid, strict=True):
            result = AuctionResult(auction, own_accepted, own_paid, price)
            post(self.context, result, self._bidders[name][1])

    def _record(
        self,
        auction: Auction,
        bidders: list[str],
        bids: list[Bids],
        price: Tensor,
        volume: Tensor,
        clearing: Clearing,
    ) -> None:
        if self._log is None:
            return
        units = (
            tuple(
                self._bidders[name][0].unit_ids[u]
                for name, b in zip(bidders, bids, strict=True)
                for u in b.unit.tolist()
            )
            if not self._log.knows(tuple(bidders), price.shape[-1])
            else ()
        )
        self._log.add(tuple(bidders), units, ClearedAuction(auction, price, volume, clearing))
        if (
            self._next_flush is not None
            and self._flush_every
            and auction.closes >= self._next_flush
        ):
            self._next_flush = auction.closes + self._flush_every
            self._flush()

    def _flush(self) -> None:
        if self._log is not None and self._recorder is not None:
            for table, columns in self._log.drain():
                post(self.context, Rows(table, columns), self._recorder)

    def _finish(self, content: EpisodeEnd, meta: dict[str, Any]) -> None:
        self._flush()


def _own(tick: Tick, market: str) -> Tick:
    return replace(
        tick,
        closing=tuple(a for a in tick.closing if a.market == market),
        opening=tuple(a for a in tick.opening if a.market == market),
    )
