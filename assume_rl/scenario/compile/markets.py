"""Markets as the core sees them, and the nodes that their orders count."""

from typing import Any

from assume_rl.core.clearing import RULES, MarketSpec
from assume_rl.scenario.config.mechanisms import params_of
from assume_rl.scenario.types import Scenario


def market_spec(scenario: Scenario, name: str) -> MarketSpec[Any]:
    """Return rule, parameters and limits of the market called `name`."""
    market = scenario.config.markets_config[name]
    rule, nodes = RULES[market.market_mechanism], nodes_of(scenario)
    network = scenario.networks.get(name)
    return MarketSpec(
        name=name,
        operator=market.operator,
        rule=rule,
        params=params_of(rule, market.param_dict),
        min_price=market.minimum_bid_price,
        max_price=market.maximum_bid_price,
        max_volume=market.maximum_bid_volume,
        product_type=market.product_type,
        nodes=nodes,
        grid=None if network is None else network.grid(nodes),
        reads_ratios="min_acceptance_ratio" in market.additional_fields,
        publishes_curves=market.information == "published_curves",
        price_tick=market.price_tick,
        volume_tick=market.volume_tick,
    )


def nodes_of(scenario: Scenario) -> tuple[str, ...]:
    """Return the names of the nodes, by the index that units and orders carry."""
    return tuple(dict.fromkeys(unit.node for unit in scenario.units))
