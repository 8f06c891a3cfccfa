"""The only market of a scenario, whose auctions can be cleared again, and its learners."""

from collections import Counter
from itertools import pairwise

import torch

from assume_rl.core.bidding.base import AnyBidder
from assume_rl.core.bidding.ladder import OnLadder
from assume_rl.scenario.compile.capabilities import beyond_price_and_volume
from assume_rl.scenario.compile.compiled import Compiled


def unknown_auctions(compiled: Compiled) -> str | None:
    """Return why auctions cannot be cleared again from the price and volume of orders alone."""
    if len(compiled.markets) != 1:
        return f"there are {len(compiled.markets)} markets"
    rule, auctions = compiled.markets[0].rule, compiled.auctions
    more = beyond_price_and_volume(rule)
    if more is not None:
        return more
    if rule.couples_products and any(len(auction.first) > 1 for auction in auctions):
        return f"'{rule.name}' clears the products of an auction together"
    if len({length for auction in auctions for length in auction.length}) > 1:
        return "an auction has products of different lengths"
    delivered = Counter(
        step
        for auction in auctions
        for first, length in zip(auction.first, auction.length, strict=True)
        for step in range(first, first + length)
    )
    return "some hours are sold in several auctions" if max(delivered.values()) > 1 else None


def unknown_next(compiled: Compiled) -> str | None:
    """Return why the results of other bids are not known; None: they are."""
    unknown = unknown_auctions(compiled)
    if unknown is not None:
        return unknown
    products = max(len(auction.first) for auction in compiled.auctions)
    if products > 1:
        return f"an auction has {products} products"
    early = any(after.opens < before.closes for before, after in pairwise(compiled.auctions))
    return "an auction opens before the one before it has closed" if early else None


def unit_of(compiled: Compiled, agent: str) -> tuple[int, object]:
    """Return the index of a learner of the only market, and its parameters.

    Of an operator that learns they are those of its first unit.
    """
    (agents,) = compiled.agents.values()
    unit = compiled.fleet.ids.index(next(u for u, name in agents.items() if name == agent))
    block = next(b for b in compiled.fleet.blocks if b.start <= unit < b.stop)
    return unit, block.technology.select(block.params, torch.tensor([unit - block.start]))


def bidder_of(compiled: Compiled, unit: int) -> AnyBidder:
    """Return the bidder of a unit in the only market; on a ladder, the one with any prices."""
    found = next(
        participant.bidder
        for operator in compiled.operators
        for participants in operator.participants.values()
        for participant in participants
        if unit in participant.units
    )
    return found.bidder if isinstance(found, OnLadder) else found
