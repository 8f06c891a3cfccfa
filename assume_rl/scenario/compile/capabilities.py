"""What goes together: the only place that compares unit kind, bidder, product type, rule and shell.

Refusals of `compile.bidders` and of the batch shell, and the table in the documentation, ask here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assume_rl.core.bidding import BIDDERS
from assume_rl.core.bidding.base import AnyBidder, Context
from assume_rl.core.clearing import RULES, Rule
from assume_rl.scenario.tables import UNIT_TABLES

OTHER_KIND = "is not for this kind of unit"


@dataclass(frozen=True)
class Capability:
    """A unit kind with a bidder, a product type and a rule."""

    kind: str  # key of UNIT_TABLES
    bidder: str  # key of BIDDERS
    product_type: str
    rule: str  # key of RULES
    refused: str | None  # why it is, as messages have it; None: it works on the message shell
    not_batched: str | None  # why the batch shell refuses it; None: it works there too


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


def one_at_a_time(rule: Rule[Any, Any]) -> str | None:
    """Return why the batch shell cannot clear by a rule, None if it can."""
    return None if rule.batched else f"the mechanism '{rule.name}' clears one auction at a time"


def capabilities(context: Context) -> Iterator[Capability]:
    """Yield every combination of what is registered, refused or not.

    :param context: with which bidders are made
    """
    bidders = {name: entry.create(context, {}) for name, entry in BIDDERS.items()}
    types = sorted(frozenset().union(*(bidder.product_types for bidder in bidders.values())))
    for kind, table in UNIT_TABLES.items():
        for name, bidder in bidders.items():
            for product_type in types:
                for rule in RULES.values():
                    refused = misfit(bidder, table.technology, product_type, rule)
                    alone = one_at_a_time(rule)
                    yield Capability(kind, name, product_type, rule.name, refused, alone)
