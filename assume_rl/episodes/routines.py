"""Bids that need no memory, so that they can be made for many auctions at a time."""

from collections.abc import Sequence
from dataclasses import replace

from jaxtyping import Int
from torch import Tensor

from assume_rl.core.bidding.base import AnyBidder, LearnedBidder
from assume_rl.core.orders import Orders
from assume_rl.core.team import Team
from assume_rl.core.time import Auction
from assume_rl.core.trade import Portfolio, Position, begin, look
from assume_rl.core.units.base import ENERGY, AnyBlock, WithoutState


def has_memory(block: AnyBlock) -> bool:
    """Return whether the limits of units depend on their past."""
    technology = block.technology
    return not isinstance(technology, WithoutState) or technology.lookback(block.params, False) > 0


def memoryless(bidder: AnyBidder, block: AnyBlock) -> bool:
    """Return whether units follow a rule that reads nothing of the past."""
    rule = not isinstance(bidder, LearnedBidder)
    return rule and not bidder.needs and bidder.foresight == 0 and not has_memory(block)


def one_step_each(auctions: Sequence[Auction], step_seconds: int) -> bool:
    """Return whether every auction sells energy of one step, executed as the auction clears.

    :param auctions: all auctions of one market
    :param step_seconds: length of a step
    """
    alike = {(a.length, a.first[0] - a.opens // step_seconds) for a in auctions}
    executed = all(a.closes // step_seconds == a.first[0] for a in auctions)
    steps = {a.first[0] for a in auctions}
    single = len(alike) == 1 and next(iter(alike))[0] == (1,)
    energy = all(a.product_type == ENERGY for a in auctions)
    return single and energy and executed and len(steps) == len(auctions)


def standing_orders(
    portfolio: Portfolio, team: Team, auction: Auction, opened: Int[Tensor, " auction"]
) -> Orders:
    """Return a memoryless team's orders for many auctions, (auction product slot).

    :param portfolio: units of the team's operator
    :param team: whose bidder makes the orders
    :param auction: one of the market's auctions; all deliver equally long after their opening
    :param opened: calendar step at which each auction opens
    """
    step_seconds = round(portfolio.step_hours * 3600)
    elapsed = auction.opens // step_seconds
    # Nothing else is sold, so that the window ends with the product.
    own = replace(portfolio, lookback=1, horizon=auction.first[0] - elapsed)
    fresh = begin(own, tuple(opened.shape), keep_money=False)
    position = Position(fresh.state, opened, elapsed, fresh.executed)
    return team.orders(look(own, position, auction, team), None)
