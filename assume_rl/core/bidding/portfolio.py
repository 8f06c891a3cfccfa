"""Portfolio strategies: operators' changes of the bids of their units.

Semantics: docs/scenario-format.md, "unit_operators".
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from pydantic import Field

from assume_rl.core.bidding.base import (
    AnyBidder,
    Bidder,
    BidsLike,
    Context,
    LearnedBidder,
    NoParams,
    Params,
    View,
)
from assume_rl.core.contract import of_kind, shaped
from assume_rl.core.orders import Orders
from assume_rl.errors import ContractError


@dataclass(frozen=True)
class Strategy:
    """An operator's change of the bidders of its units."""

    # Returns the bidder that units follow: of the bidder that their rows name, the name of the
    # operator, and the nameplate power of those of its units that sell in the market, MW.
    bid: Callable[[AnyBidder, str, float], AnyBidder]
    takes_learners: bool = False  # whether it goes with bidders that learn their prices
    # Whether the operator is an agent of its own, with one observation and action for all units.
    learns: bool = False

    def applied(self, bidder: AnyBidder, operator: str, capacity: float) -> AnyBidder:
        """Return the bidder that units follow.

        :param bidder: that their rows name
        :param operator: name of their owner
        :param capacity: nameplate power of those of its units that sell in the market, MW
        :raises ContractError: the strategy returned no bidder
        """
        made = self.bid(bidder, operator, capacity)
        if not isinstance(made, Bidder | LearnedBidder):
            raise ContractError(self.bid, f"{type(made).__name__}, not a bidder")
        return made


class CournotParams(Params):
    """Parameters of operators that withhold."""

    markup: float = Field(0.0, ge=0)
    """What an operator adds to the price of all that it sells, EUR/MWh per MW of its power."""


@dataclass(frozen=True)
class Changed(BidsLike):
    """A rule whose orders an operator changes; all else is as the rule has it."""

    bidder: Bidder[Any]
    name: str  # differs wherever the change does: units of one name share a bidder
    change: Callable[[Orders], Orders]

    def orders(self, view: View[Any]) -> Orders:
        """Return the orders of the rule, changed."""
        before = self.bidder.orders(view)
        after = of_kind(self.change, self.change(before), Orders)
        for name in ("price", "volume"):
            shaped(self.change, getattr(after, name), tuple(before.price.shape), name)
        return after


def changed(bidder: AnyBidder, name: str, change: Callable[[Orders], Orders]) -> Changed:
    """Return a bidder whose orders are those of another one, changed.

    :param bidder: follows a rule
    :param name: of the result; differs wherever the change does
    :param change: returns orders in the same slots
    :raises ValueError: the bidder follows no rule: only a strategy that takes learners is given one
    """
    if isinstance(bidder, LearnedBidder):
        raise ValueError(f"{bidder.name} bids by a policy, whose orders cannot be changed")
    return Changed(bidder, name, change)


def direct(context: Context, params: NoParams) -> Strategy:
    """Return the strategy that leaves the units' own bids as they are."""

    def bid(bidder: AnyBidder, operator: str, capacity: float) -> AnyBidder:
        return bidder

    return Strategy(bid, takes_learners=True)


def cournot(context: Context, params: CournotParams) -> Strategy:
    """Return the strategy that adds to every offer `markup` times the operator's power.

    The first-order condition of a Cournot firm with a linear residual demand of slope -1/markup
    asks for marginal cost plus markup times what the firm sells; its capacity stands for that.
    """

    def bid(bidder: AnyBidder, operator: str, capacity: float) -> AnyBidder:
        change = partial(_dearer, params.markup * capacity)
        return changed(bidder, f"{bidder.name}, markup of {operator}", change)

    return Strategy(bid)


def _dearer(addend: float, orders: Orders) -> Orders:
    """Return orders that sell at a higher price; purchases keep their prices."""
    dearer = torch.where(orders.volume > 0, orders.price + addend, orders.price)
    return replace(orders, price=dearer)
