"""Bidders by the name that a unit table gives them."""

from collections.abc import Mapping

from assume_rl.core.bidding import BIDDERS, create, operator_strategy
from assume_rl.core.bidding.base import AnyBidder, Bidder, Context, LearnedBidder
from assume_rl.core.bidding.portfolio import Strategy
from assume_rl.core.clearing import RULES
from assume_rl.errors import ConfigurationError, ContractError, nearest
from assume_rl.scenario.compile.capabilities import misfit
from assume_rl.scenario.types import Scenario

Bidders = Mapping[tuple[str, str], AnyBidder]
"""Bidders by market and name, as a unit table writes it."""


def find_bidder(name: str, technology: str, market: str, scenario: Scenario) -> AnyBidder:
    """Return the bidder called `name` (or by an old name of it) for units of a technology.

    :param name: as in a cell `bidding_<MARKET>`
    :param technology: key of core.units.TECHNOLOGIES
    :param market: in which it bids
    :param scenario: source of the market and of the parameters
    :raises ConfigurationError: unknown, not supported yet, or it does not fit, see `misfit`
    """
    bidder = create_bidder(name, market, scenario)
    settings = scenario.config.markets_config.get(market)
    if settings is not None and settings.product_type not in traded_types(scenario):
        settings = None  # the market itself is refused
    product_type = settings.product_type if settings else None
    rule = RULES.get(settings.market_mechanism) if settings else None
    problem = misfit(bidder, technology, product_type, rule)
    if problem is not None:
        # Without the parameters of the study case: another bidder may refuse them.
        context = _context(market, scenario)
        others = (entry.create(context, {}) for entry in BIDDERS.values())
        fitting = [o.name for o in others if misfit(o, technology, product_type, rule) is None]
        hint = nearest(name, fitting) if fitting else "no strategy fits"
        raise ConfigurationError(f"the strategy '{name}' {problem}; {hint}")
    return bidder


def strategy_of(scenario: Scenario, operator: str, market: str) -> Strategy | None:
    """Return an operator's portfolio strategy in a market; None: its units bid for themselves.

    :param scenario: source of the strategy's name and parameters
    :param operator: name of the operator
    :param market: name of the market
    :raises ConfigurationError: the strategy is unknown or not supported, or a parameter invalid
    """
    name = scenario.operators.get(operator, {}).get(market)
    if name is None:
        return None
    given = scenario.config.bidding_strategy_params
    return operator_strategy(name, _context(market, scenario), given)


def bidder_of(scenario: Scenario, operator: str, market: str, bidder: AnyBidder) -> AnyBidder:
    """Return what units bid by once their operator's portfolio strategy has its say.

    :param scenario: source of the strategy
    :param operator: of the units
    :param market: in which they bid
    :param bidder: that the rows of the units name
    :raises ConfigurationError: see `strategy_of`, or the strategy does not go with the bidder
    """
    strategy = strategy_of(scenario, operator, market)
    if strategy is None:
        return bidder
    selling = (
        table.nameplate(unit) or 0.0
        for table, unit in scenario.each()
        if table.sells and unit.unit_operator == operator and market in unit.bidding
    )
    found = strategy(bidder, operator, sum(selling, start=0.0))
    if not isinstance(found, Bidder | LearnedBidder):
        raise ContractError(strategy, f"{type(found).__name__}, not a bidder")
    return found


def traded_types(scenario: Scenario) -> frozenset[str]:
    """Return the product types that any registered bidder trades."""
    context = _context("", scenario)
    bidders = (entry.create(context, {}) for entry in BIDDERS.values())
    return frozenset().union(*(bidder.product_types for bidder in bidders))


def create_bidder(name: str, market: str, scenario: Scenario) -> AnyBidder:
    """Return the bidder called `name`, with the scenario's parameters.

    :param name: as in a cell `bidding_<MARKET>`
    :param market: in which it bids; one that does not exist counts as one with a single product
    :param scenario: source of the parameters
    :raises ConfigurationError: unknown or not supported name, or an invalid parameter
    """
    given = scenario.config.bidding_strategy_params
    return create(name, _context(market, scenario), given)


def _context(market: str, scenario: Scenario) -> Context:
    config = scenario.config
    products = config.markets_config[market].products if market in config.markets_config else ()
    return Context(
        max_bid_price=scenario.learning.max_bid_price,
        products=sum(product.count for product in products) or 1,
        step_hours=config.time_step / 3600,
        orders=scenario.most_orders,
    )
