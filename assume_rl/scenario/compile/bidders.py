"""Bidders by the name that a unit table gives them."""

from collections.abc import Mapping

from assume_rl.core.bidding import BIDDERS, create
from assume_rl.core.bidding.base import AnyBidder, Context
from assume_rl.errors import ConfigurationError, nearest
from assume_rl.scenario.types import Scenario

Bidders = Mapping[tuple[str, str], AnyBidder]
"""Bidders by market and name, as a unit table writes it."""


def find_bidder(name: str, technology: str, market: str, scenario: Scenario) -> AnyBidder:
    """Return the bidder called `name` (or by an old name of it) for units of a technology.

    :param name: as in a cell `bidding_<MARKET>`
    :param technology: key of core.units.TECHNOLOGIES
    :param market: in which it bids
    :param scenario: source of its parameters
    :raises ConfigurationError: unknown, not supported yet, or not for this technology
    """
    bidder = create_bidder(name, market, scenario)
    if technology not in bidder.technologies:
        fitting = [
            other
            for other in BIDDERS
            if technology in create_bidder(other, market, scenario).technologies
        ]
        hint = nearest(name, fitting)
        raise ConfigurationError(f"the strategy '{name}' is not for this kind of unit; {hint}")
    return bidder


def create_bidder(name: str, market: str, scenario: Scenario) -> AnyBidder:
    """Return the bidder called `name`, with the scenario's parameters.

    :param name: as in a cell `bidding_<MARKET>`
    :param market: in which it bids; one that does not exist counts as one with a single product
    :param scenario: source of the parameters
    :raises ConfigurationError: unknown or not supported name, or an invalid parameter
    """
    config = scenario.config
    products = config.markets_config[market].products if market in config.markets_config else ()
    context = Context(
        max_bid_price=scenario.learning.max_bid_price,
        products=sum(product.count for product in products) or 1,
        step_hours=config.time_step / 3600,
    )
    return create(name, context, config.bidding_strategy_params)
