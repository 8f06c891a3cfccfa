"""Contracts that a plug-in must keep, as functions to call from its tests, and toy fleets.

::

    from assume_rl.testing import check_bidder, check_clearing, check_technology
    check_bidder(MyBidder())
    check_clearing(my_rule)
    check_technology(MyTechnology())

A broken contract raises an `AssertionError` that says what was expected and why.
"""

from assume_rl.testing.bidder import check_bidder
from assume_rl.testing.clearing import check_clearing, toy_market
from assume_rl.testing.episodes import assert_same_episode
from assume_rl.testing.technology import check_technology
from assume_rl.testing.toys import TOYS, toy_fleet, toy_storages, toy_thermal

__all__ = [
    "TOYS",
    "assert_same_episode",
    "check_bidder",
    "check_clearing",
    "check_technology",
    "toy_fleet",
    "toy_market",
    "toy_storages",
    "toy_thermal",
]
