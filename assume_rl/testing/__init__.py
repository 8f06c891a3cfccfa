"""Contracts that a plug-in must keep, as functions to call from its tests, and toy fleets.

::

    from assume_rl.testing import check_clearing, check_strategy
    check_clearing(my_rule)
    check_strategy(MyStrategy())

A broken contract raises an `AssertionError` that says what was expected and why.
"""

from assume_rl.testing.clearing import check_clearing, toy_market
from assume_rl.testing.episodes import assert_same_episode
from assume_rl.testing.strategy import check_strategy
from assume_rl.testing.toys import toy_fleet, toy_thermal

__all__ = [
    "assert_same_episode",
    "check_clearing",
    "check_strategy",
    "toy_fleet",
    "toy_market",
    "toy_thermal",
]
