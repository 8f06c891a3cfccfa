"""Clearing: from orders to accepted volumes and prices.

A rule is a frozen object (`rule.Rule`) and one entry of `RULES`;
`assume_rl.testing.check_clearing` checks whether it satisfies the contract.
"""

from typing import Any

from assume_rl.core.clearing.complex.rule import complex_clearing
from assume_rl.core.clearing.merit_order import pay_as_bid, pay_as_clear
from assume_rl.core.clearing.rule import MarketSpec, Need, NoParams, Rule, Slots

RULES: dict[str, Rule[Any, Any]] = {
    rule.name: rule for rule in (complex_clearing, pay_as_bid, pay_as_clear)
}

__all__ = [
    "RULES",
    "MarketSpec",
    "Need",
    "NoParams",
    "Rule",
    "Slots",
    "complex_clearing",
    "pay_as_bid",
    "pay_as_clear",
]
