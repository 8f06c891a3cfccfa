"""The only place that decides which unit kind, bidder, product type, rule and shell go together.

It also decides what a market of reserve needs of others. Refusals of a scenario's checks and of the
batch shell, and the table in the documentation, ask here. The portfolio strategy of an operator is
one more part of it; None: units bid for themselves.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

from assume_rl.core.bidding import BIDDERS, OPERATORS, Entry
from assume_rl.core.bidding.base import (
    ANY_CONTEXT,
    AnyBidder,
    BidsCurve,
    Context,
    Ladder,
    LearnedBidder,
    WithoutForecasts,
)
from assume_rl.core.bidding.portfolio import Strategy
from assume_rl.core.clearing import RULES, Rule
from assume_rl.core.units.base import ENERGY, HELD, RESERVE
from assume_rl.core.units.thermal import ThermalParams
from assume_rl.errors import nearest
from assume_rl.scenario.config.schema import PRODUCT_TYPES, Market, StudyCase
from assume_rl.scenario.tables import UNIT_TABLES

OTHER_KIND = "is not for this kind of unit"
NO_LADDER = "it chooses no rungs of a ladder"
SCARCITY = "scarcity_pricing"
"""Parameter of rules by which what consumers would pay for energy sets the price."""
THERMAL = "thermal"
"""The technology whose units sell in an auction what they can, whatever they sold before."""


@dataclass(frozen=True)
class Capability:
    """A unit kind with a bidder, a product type, a rule and a strategy of its operator."""

    kind: str  # key of UNIT_TABLES
    bidder: str  # key of BIDDERS
    product_type: str
    rule: str  # key of RULES
    strategy: str | None  # key of OPERATORS; None: units bid for themselves
    refused: str | None  # why it is, as messages have it; None: it works on both shells
    no_curves: str | None  # why reward curves, if it has any, do not say all; None: they do


@dataclass(frozen=True)
class Pair:
    """A unit kind with a bidder in one market and another bidder in a second one."""

    kind: str  # key of UNIT_TABLES
    bidder: str  # key of BIDDERS
    other: str  # key of BIDDERS
    refused: str | None  # why it is, as messages have it; None: it works


def misfit(
    bidder: AnyBidder, technology: str, product_type: str | None, rule: Rule[Any, Any] | None
) -> str | None:
    """Return why units of a technology cannot use a bidder in a market, None if they can.

    :param bidder: that a unit's row names
    :param technology: key of core.units.TECHNOLOGIES
    :param product_type: that the market trades; None: there is no such market
    :param rule: of the market; None: there is no such rule
    """
    if technology not in bidder.technologies:
        return OTHER_KIND
    if product_type is not None and product_type not in bidder.product_types:
        traded = ", ".join(sorted(bidder.product_types))
        return f"trades {traded}, but the market trades {product_type}"
    if rule is not None and bidder.blocks and "blocks" not in rule.needs:
        return f"makes block orders, which the mechanism '{rule.name}' does not read"
    return None


def misfit_of_strategy(
    strategy: Strategy,
    bidder: AnyBidder,
    technology: str,
    product_type: str | None,
    rule: Rule[Any, Any] | None,
) -> str | None:
    """Return why an operator's strategy does not take a bidder that fits, None if it does.

    :param strategy: of the operator
    :param bidder: that a unit's row names
    :param technology: key of core.units.TECHNOLOGIES
    :param product_type: that the market trades; None: there is no such market
    :param rule: of the market; None: there is no such rule
    """
    if isinstance(bidder, LearnedBidder) and not strategy.takes_learners:
        return f"'{bidder.name}' learns its prices, so that its operator cannot change them"
    made = strategy.applied(bidder, "an operator", 1.0)
    problem = misfit(made, technology, product_type, rule)
    return problem and f"it makes '{made.name}' of '{bidder.name}', which {problem}"


def at_odds(bidders: Sequence[AnyBidder]) -> str | None:
    """Return why a unit cannot have these bidders, each in a market of its own; None if it can."""
    curves = [bidder.name for bidder in bidders if isinstance(bidder, BidsCurve)]
    if curves and len(curves) < len(bidders):
        return f"{curves[0]} in one market needs a strategy for curves in all others"
    return None


def traded_types() -> frozenset[str]:
    """Return the product types that any registered bidder trades."""
    return frozenset().union(*map(_product_types, BIDDERS.values()))


@cache
def _product_types(entry: Entry[Any, AnyBidder]) -> frozenset[str]:
    return entry.create(ANY_CONTEXT, {}).product_types


def untraded(product_type: str) -> str | None:
    """Return why there can be no market of a product type, None if there can."""
    traded = traded_types()
    if product_type in traded:
        return None
    if product_type in PRODUCT_TYPES:
        return f"not supported yet: '{product_type}'; bidders trade {', '.join(sorted(traded))}"
    known = {*PRODUCT_TYPES, *traded}
    return f"unknown product type '{product_type}'; {nearest(product_type, known)}"


def unpriced(bidder: AnyBidder, product_type: str, traded: Collection[str]) -> str | None:
    """Return why a bidder would have no prices to read, None if it has or needs none.

    :param bidder: that a unit's row names
    :param product_type: that its market trades
    :param traded: product types of all markets
    """
    if product_type not in RESERVE or ENERGY in traded or isinstance(bidder, WithoutForecasts):
        return None
    return "reads price forecasts of energy, which no market trades"


def unsuited(market: Market) -> Iterator[tuple[str, str]]:
    """Yield key and sentence of parameters of a rule that a market cannot have for what it trades.

    :param market: its settings
    """
    if market.product_type != ENERGY and market.param_dict.get(SCARCITY) is True:
        what = f"is for markets of energy, this one trades {market.product_type}"
        yield f"param_dict.{SCARCITY}", what


def undeliverable(name: str, config: StudyCase) -> Iterator[tuple[str, str]]:
    """Yield key and sentence of why reserve could not be kept deliverable in a market.

    :param name: of the market, whose product type bidders trade
    :param config: with all markets
    """
    market = config.markets_config[name]
    if market.reserve_limits == "recorded":
        return
    if market.product_type not in HELD:
        what = f"is of markets of {' and '.join(sorted(HELD))}, not of {market.product_type}"
        yield "reserve_limits", what
        return
    held = {n: m for n, m in config.markets_config.items() if m.product_type in HELD}
    other = next((n for n, m in held.items() if m.reserve_limits == "recorded"), None)
    if other is not None:
        what = f"is deliverable, but that of {other} is recorded: all or none"
        yield "reserve_limits", what
    kept = [n for n, m in held.items() if m.reserve_limits == "deliverable"]
    same = next(n for n in kept if held[n].product_type == market.product_type)
    if same != name:
        what = f"{same} sells {market.product_type} too, of which nothing is known here"
        yield "reserve_limits", f"cannot be deliverable: {what}"
    if market.opening_duration > config.time_step:
        yield "opening_duration", "must be at most time_step where reserve_limits is deliverable"


def beyond_price_and_volume(rule: Rule[Any, Any]) -> str | None:
    """Return why a book cannot be cleared again from price and volume alone, None if it can."""
    return f"'{rule.name}' reads more of orders than price and volume" if rule.needs else None


def without_curves(bidder: AnyBidder, technology: str, rule: Rule[Any, Any]) -> str | None:
    """Return why a bidder has no reward curves that say all, auction by auction; None if it has.

    Ramps of a unit (`has_ramps`), its start costs, products of different lengths and several
    markets may still be against it: `experiments.recorded_plants.not_alone`.

    :param bidder: that a unit's row names
    :param technology: key of core.units.TECHNOLOGIES
    :param rule: of the market
    """
    if not (isinstance(bidder, LearnedBidder) and isinstance(bidder.action, Ladder)):
        return NO_LADDER
    if technology != THERMAL:
        return "its sales depend on its earlier purchases"
    return beyond_price_and_volume(rule)


def on_ladders(bidder: LearnedBidder[Any]) -> tuple[str, ...]:
    """Return the bidders on ladders for the same technologies and markets as another.

    Who is named by no unit's row, as an operator that learns, has none.

    :param bidder: that chooses any numbers
    """
    if bidder.name not in BIDDERS:
        return ()
    made = {name: entry.create(ANY_CONTEXT, {}) for name, entry in BIDDERS.items()}
    return tuple(
        name
        for name, other in made.items()
        if bidder.technologies <= other.technologies
        and bidder.product_types <= other.product_types
        and bidder.blocks == other.blocks
        and isinstance(other, LearnedBidder)
        and isinstance(other.action, Ladder)
    )


def has_ramps(unit: str, params: object) -> str | None:
    """Return that a unit has ramps, which tie its auctions together; None if it has none.

    Which rungs it may choose hangs on what it delivered before.

    :param unit: its id
    :param params: its parameters alone
    """
    return f"{unit} has ramps" if isinstance(params, ThermalParams) and params.ramped else None


def capabilities(context: Context) -> Iterator[Capability]:
    """Yield every combination of registered parts, refused or not.

    :param context: with which bidders and strategies are made
    """
    bidders = {name: entry.create(context, {}) for name, entry in BIDDERS.items()}
    strategies = {name: entry.create(context, {}) for name, entry in OPERATORS.items()}
    types = sorted(traded_types())
    for kind, name, product_type, rule, owner in product(
        UNIT_TABLES, bidders, types, RULES.values(), (None, *strategies)
    ):
        market = (UNIT_TABLES[kind].technology, product_type, rule)
        refused = misfit(bidders[name], *market)
        if refused is None and owner is not None:
            refused = misfit_of_strategy(strategies[owner], bidders[name], *market)
        curveless = without_curves(bidders[name], market[0], rule)
        yield Capability(kind, name, product_type, rule.name, owner, refused, curveless)


def pairs(context: Context) -> Iterator[Pair]:
    """Yield all pairs of different bidders that a unit of a kind can have, refused or not.

    :param context: with which bidders are made
    """
    bidders = {name: entry.create(context, {}) for name, entry in BIDDERS.items()}
    for kind, table in UNIT_TABLES.items():
        own = [b for b in bidders.values() if table.technology in b.technologies]
        for one, other in ((a, b) for a in own for b in own if a.name < b.name):
            yield Pair(kind, one.name, other.name, at_odds((one, other)))
