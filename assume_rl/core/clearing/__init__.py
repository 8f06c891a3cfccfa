"""Clearing: from orders to accepted volumes and prices.

A rule takes `price`, `volume` and `tie`, all `(... slot)`, and returns a `Clearing` with one zone.
A new rule is one function and one line in `RULES`; `assume_rl.testing.check_clearing` says whether
it keeps the contract.
"""

from collections.abc import Callable

from torch import Tensor

from assume_rl.core.clearing.limits import limit_bids
from assume_rl.core.clearing.pricing import pay_as_bid, pay_as_clear
from assume_rl.core.types import Clearing

Rule = Callable[[Tensor, Tensor, Tensor], Clearing]

RULES: dict[str, Rule] = {"pay_as_bid": pay_as_bid, "pay_as_clear": pay_as_clear}

__all__ = ["RULES", "Rule", "limit_bids", "pay_as_bid", "pay_as_clear"]
