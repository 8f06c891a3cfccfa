"""What operators make of the bids of their units: portfolio strategies.

Semantics: docs/scenario-format.md, "unit_operators".
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from pydantic import Field

from assume_rl.core.bidding.base import (
    AnyBidder,
    Bidder,
    Context,
    LearnedBidder,
    Need,
    NoParams,
    Params,
    View,
)
from assume_rl.core.orders import Orders
from assume_rl.errors import ConfigurationError

Strategy = Callable[[AnyBidder, str, float], AnyBidder]
"""Turns the bidder that rows of units name into the one that they follow: of the bidder, the name
of the operator, and the nameplate power of those of its units that sell in the market, MW.

Raises `ConfigurationError` if it does not go with the bidder.
"""


class CournotParams(Params):
    """Parameters of operators that withhold."""

    markup: float = Field(0.0, ge=0)
    """What an operator adds to the price of all that it sells, EUR/MWh per MW of its power."""


@dataclass(frozen=True)
class Cournot:
    """A rule whose offers are dearer by `addend`: what an operator with market power asks for.

    The first-order condition of a Cournot firm with a linear residual demand of slope -1/markup
    asks for marginal cost plus markup times what the firm sells; its capacity stands for that.
    What its units buy keeps its price.
    """

    bidder: Bidder[Any]
    addend: float  # EUR/MWh
    name: str  # differs among operators, whose addends differ

    @property
    def technologies(self) -> frozenset[str]:
        """Return those of the rule."""
        return self.bidder.technologies

    @property
    def product_types(self) -> frozenset[str]:
        """Return those of the rule."""
        return self.bidder.product_types

    @property
    def needs(self) -> frozenset[Need]:
        """Return what the rule looks up."""
        return self.bidder.needs

    @property
    def foresight(self) -> int:
        """Return that of the rule."""
        return self.bidder.foresight

    @property
    def slots(self) -> int:
        """Return the orders of the rule per unit and product."""
        return self.bidder.slots

    @property
    def blocks(self) -> bool:
        """Return whether the rule makes block orders."""
        return self.bidder.blocks

    def orders(self, view: View[Any]) -> Orders:
        """Return the orders of the rule, those that sell at a higher price."""
        orders = self.bidder.orders(view)
        dearer = torch.where(orders.volume > 0, orders.price + self.addend, orders.price)
        return replace(orders, price=dearer)


def direct(context: Context, params: NoParams) -> Strategy:
    """Return the strategy that leaves the units' own bids as they are."""

    def bid(bidder: AnyBidder, operator: str, capacity: float) -> AnyBidder:
        return bidder

    return bid


def cournot(context: Context, params: CournotParams) -> Strategy:
    """Return the strategy that adds to every offer `markup` times the operator's power."""

    def bid(bidder: AnyBidder, operator: str, capacity: float) -> AnyBidder:
        if isinstance(bidder, LearnedBidder):
            raise ConfigurationError(
                f"'{bidder.name}' learns its prices, so that its operator cannot add a markup"
            )
        return Cournot(bidder, params.markup * capacity, f"{bidder.name}, markup of {operator}")

    return bid
