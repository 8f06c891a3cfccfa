"""Bidding strategies by the name that a unit table gives them."""

from collections.abc import Mapping

from assume_rl.core.bidding import ALIASES, PLANNED, STRATEGIES, create
from assume_rl.core.bidding.protocol import Strategy
from assume_rl.errors import ConfigurationError, nearest
from assume_rl.scenario.types import Scenario

Strategies = Mapping[str, Strategy]


def find_strategy(name: str, block: str, scenario: Scenario) -> Strategy:
    """Strategy called `name` (or by an old name of it) for units of the technology `block`.

    Raises `ConfigurationError`: unknown, not supported yet, or not for this technology.
    """
    current = ALIASES.get(name, name)
    if current in PLANNED:
        raise ConfigurationError(f"not supported yet: the strategy '{name}'")
    if current not in STRATEGIES:
        hint = nearest(name, STRATEGIES)
        raise ConfigurationError(f"unknown strategy '{name}'; {hint}")
    strategy = create_strategy(name, scenario)
    if block not in strategy.technologies:
        fitting = [s for s in STRATEGIES if block in create_strategy(s, scenario).technologies]
        hint = nearest(name, fitting)
        raise ConfigurationError(f"the strategy '{name}' is not for this kind of unit; {hint}")
    return strategy


def create_strategy(name: str, scenario: Scenario) -> Strategy:
    """The strategy with the scenario's parameters."""
    params = scenario.config.bidding_strategy_params.model_dump(exclude_none=True)
    return create(name, max_bid_price=scenario.learning.max_bid_price, params=params)
