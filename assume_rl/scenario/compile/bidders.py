"""Bidders by the name that a unit table gives them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from assume_rl.core.bidding import (
    ALIASES,
    BIDDERS,
    OPERATORS,
    create,
    is_known,
    operator_strategy,
)
from assume_rl.core.bidding.base import AnyBidder, Context
from assume_rl.core.bidding.portfolio import Strategy
from assume_rl.core.clearing import RULES, Rule
from assume_rl.core.units.base import ENERGY
from assume_rl.errors import ConfigurationError, closest, nearest, nearest_part
from assume_rl.scenario.compile.capabilities import misfit, misfit_of_strategy, untraded
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
    if not is_known(name):
        fitting = _fitting(technology, market, scenario)
        aliases = [alias for alias, own in ALIASES.items() if own in fitting]
        hint = nearest_part(name, fitting if closest(name, fitting) else [*fitting, *aliases])
        raise ConfigurationError(f"unknown strategy '{name}'; {hint}")
    bidder = create_bidder(name, market, scenario)
    problem = misfit(bidder, technology, *_trade(market, scenario))
    if problem is not None:
        fitting = _fitting(technology, market, scenario)
        alike = [own for own in fitting if _rule_of(own) == _rule_of(bidder.name)]
        hint = nearest(name, alike or fitting) if fitting else "no strategy fits"
        raise ConfigurationError(f"the strategy '{name}' {problem}; {hint}")
    return bidder


def _fitting(technology: str, market: str, scenario: Scenario) -> list[str]:
    """Return the bidders that units of a technology can use in a market."""
    # Without the parameters of the study case: another bidder may refuse them.
    context, trade = _context(market, scenario), _trade(market, scenario)
    others = (entry.create(context, {}) for entry in BIDDERS.values())
    return [other.name for other in others if misfit(other, technology, *trade) is None]


def _rule_of(name: str) -> str:
    """Return the name of a bidder without the units that it is named for.

    >>> _rule_of("demand_energy_naive")
    'energy_naive'
    """
    return name.partition("_")[2]


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
    start = scenario.config.start_date
    context = replace(
        _context(market, scenario),
        reward=scenario.learning.reward.type,
        start_hour=start.hour + start.minute / 60,
    )
    return operator_strategy(name, context, given)


def bidder_of(scenario: Scenario, operator: str, market: str, bidder: AnyBidder) -> AnyBidder:
    """Return the bidder of units after their operator's portfolio strategy is applied.

    :param scenario: source of the strategy
    :param operator: of the units
    :param market: in which they bid
    :param bidder: that the rows of the units name
    :raises ConfigurationError: see `strategy_of`
    """
    strategy = strategy_of(scenario, operator, market)
    if strategy is None:
        return bidder
    selling = (
        table.nameplate(unit) or 0.0
        for table, unit in scenario.each()
        if table.sells and unit.unit_operator == operator and market in unit.bidding
    )
    return strategy.applied(bidder, operator, sum(selling, start=0.0))


def check_strategy(
    scenario: Scenario, operator: str, market: str, bidder: AnyBidder, technology: str
) -> None:
    """Refuse an operator's strategy that does not go with a bidder of its units.

    :param scenario: source of the strategy
    :param operator: of the units
    :param market: in which they bid
    :param bidder: that the rows of the units name
    :param technology: of the units, key of core.units.TECHNOLOGIES
    :raises ConfigurationError: see `strategy_of`, or it does not fit, see `misfit_of_strategy`
    """
    strategy = strategy_of(scenario, operator, market)
    market_of = _trade(market, scenario)
    if strategy is None:
        return
    problem = misfit_of_strategy(strategy, bidder, technology, *market_of)
    if problem is not None:
        context = _context(market, scenario)
        others = {name: entry.create(context, {}) for name, entry in OPERATORS.items()}
        fitting = [
            name
            for name, other in others.items()
            if misfit_of_strategy(other, bidder, technology, *market_of) is None
        ]
        raise ConfigurationError(f"{problem}; {nearest('', fitting)}")


def _trade(market: str, scenario: Scenario) -> tuple[str | None, Rule[Any, Any] | None]:
    """Return product type and rule of a market; None where the market itself is refused."""
    settings = scenario.config.markets_config.get(market)
    if settings is None or untraded(settings.product_type) is not None:
        return None, None
    return settings.product_type, RULES.get(settings.market_mechanism)


def create_bidder(
    name: str,
    market: str,
    scenario: Scenario,
    rungs: tuple[float, ...] = (),
    *,
    after_reserve: bool = False,
) -> AnyBidder:
    """Return the bidder called `name`, with the scenario's parameters.

    :param name: as in a cell `bidding_<MARKET>`
    :param market: in which it bids; one that does not exist counts as one with a single product
    :param scenario: source of the parameters
    :param rungs: EUR/MWh, prices of a ladder of seen prices; empty: they are not known yet
    :param after_reserve: see `Context`
    :raises ConfigurationError: unknown or not supported name, or an invalid parameter
    """
    given = scenario.config.bidding_strategy_params
    context = _context(market, scenario)
    learning = scenario.learning
    shared = learning.parameter_sharing is not None
    context = replace(
        context,
        reward=learning.reward.type,
        rungs=rungs,
        shared=shared,
        market=market,
        after_reserve=after_reserve,
    )
    settings = scenario.config.markets_config.get(market)
    if settings is not None:
        context = replace(
            context,
            price_tick=settings.price_tick or 0.0,
            lowest_price=settings.minimum_bid_price,
            highest_price=settings.maximum_bid_price,
        )
    return create(name, context, given)


def _context(market: str, scenario: Scenario) -> Context:
    config = scenario.config
    settings = config.markets_config.get(market)
    products = () if settings is None else settings.products
    return Context(
        max_bid_price=scenario.learning.max_bid_price,
        products=sum(product.count for product in products) or 1,
        step_hours=config.time_step / 3600,
        orders=scenario.most_orders,
        product_type=ENERGY if settings is None else settings.product_type,
    )
