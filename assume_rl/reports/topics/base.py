"""What topics are given: the source, and the market of each step that is shown."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from assume_rl.evaluation.price_setting import AtCost, cleared_at_cost, price_setters
from assume_rl.reports.source.order_queries import orders
from assume_rl.reports.source.queries import (
    learners,
    paid_as_bid,
    reserve_markets,
    technologies,
    units,
)
from assume_rl.reports.source.rows import Recorded
from assume_rl.reports.source.source import Source
from assume_rl.reports.topics.hours import Hours
from assume_rl.reports.types import Item


@dataclass(frozen=True)
class Market:
    """The markets of one step of one run; what several topics need is read once.

    :param hours: by market, the deliveries whose orders are drawn
    """

    recorded: Recorded
    hours: Mapping[str, Hours] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """Return the id of its run."""
        return self.recorded.run_id

    @cached_property
    def units(self) -> pd.DataFrame:
        """Return a row per unit, see `queries.units`."""
        return units(self.recorded)

    @cached_property
    def technologies(self) -> list[str]:
        """Return all technologies, so that each has the same colour in all figures."""
        return technologies(self.recorded)

    @cached_property
    def learners(self) -> frozenset[str]:
        """Return the units with a learned bidder."""
        return learners(self.recorded)

    @cached_property
    def as_bid(self) -> dict[str, bool]:
        """Return by market whether accepted orders are paid their own prices."""
        return paid_as_bid(self.recorded)

    @cached_property
    def orders_read(self) -> tuple[pd.DataFrame, int]:
        """Return orders with technology and cost, and n: only every n-th delivery's are there."""
        return orders(self.recorded)

    @cached_property
    def orders_by_market(self) -> dict[str, pd.DataFrame]:
        """Return the orders of each market."""
        by_market = self.orders_read[0].groupby("market_id", sort=True)
        return {str(market): own for market, own in by_market}

    @property
    def missing_orders(self) -> str:
        """Return why bids cannot be held against costs; empty if they can."""
        if not self.recorded.has("market_orders"):
            return "no orders were recorded (market_orders is empty)"
        if not self.recorded.has("marginal_costs"):
            return "marginal costs were not recorded (no rows in marginal_costs)"
        return ""

    @cached_property
    def setters(self) -> dict[str, pd.DataFrame]:
        """Return by market which unit sets the price of each delivery, see `price_setters`."""
        return {market: price_setters(own) for market, own in self.orders_by_market.items()}

    @cached_property
    def all_at_cost(self) -> dict[str, AtCost]:
        """Return by market with one price for all what offers at cost would have come to."""
        return {
            market: cleared_at_cost(own)
            for market, own in self.orders_by_market.items()
            if not self.as_bid.get(market, False)
        }

    @cached_property
    def learners_at_cost(self) -> float | None:
        """Return the profit of all learners (EUR) had they offered at marginal cost.

        None where it cannot be said: in several markets, with reserve, under pay-as-bid, of
        learners without a marginal cost such as storages, or where only some deliveries are read.
        """
        if self.missing_orders or not self.learners or self.orders_read[1] > 1:
            return None
        if reserve_markets(self.recorded):
            return None
        if len(self.orders_by_market) != 1 or any(self.as_bid.values()):
            return None
        (found,) = self.orders_by_market.values()
        own = found[found["unit_id"].isin(self.learners) & (found["volume"] != 0)]
        if own.empty or own["marginal_cost"].isna().any():
            return None
        return cleared_at_cost(found, self.learners).profit

    @property
    def some(self) -> str:
        """Return what is said where not all orders are read, with a blank in front."""
        every = self.orders_read[1]
        return f" Only one delivery in {every} is read: there are many orders." if every > 1 else ""


@dataclass(frozen=True)
class Scope:
    """What a report is on.

    :param markets: of the steps that are shown
    """

    source: Source
    markets: tuple[Market, ...]


@dataclass(frozen=True)
class Topic:
    """A subject of reports: a section of the page.

    :param title: its heading
    :param whole: what it says of everything together
    :param of_market: what it says of each market that is shown; of several markets the like is
        side by side
    :param lead: how to read it
    """

    title: str
    whole: Callable[[Scope], Iterable[Item]] | None = None
    of_market: Callable[[Market], Iterable[Item]] | None = None
    lead: str = ""
