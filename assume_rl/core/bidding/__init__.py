"""Bidding strategies: one file per family, one registry line each."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from assume_rl.core.bidding import learned
from assume_rl.core.bidding.cost_based import Naive
from assume_rl.core.bidding.protocol import Feature, Layout, Strategy
from assume_rl.errors import ConfigurationError, nearest

# Takes max_bid_price (EUR/MWh) and the study case's bidding_strategy_params.
Factory = Callable[[float, Mapping[str, Any]], Strategy]


def _naive(name: str, max_bid_price: float, params: Mapping[str, Any]) -> Strategy:
    return Naive(name)


STRATEGIES: dict[str, Factory] = {
    "demand_energy_naive": partial(_naive, "demand_energy_naive"),
    "powerplant_energy_learning": learned.two_bids,
    "powerplant_energy_learning_single_bid": learned.single_bid,
    "powerplant_energy_naive": partial(_naive, "powerplant_energy_naive"),
}

# Deprecated names of the established format.
ALIASES: dict[str, str] = {
    "elastic_demand": "demand_energy_heuristic_elastic",
    "flexable_eom": "powerplant_energy_heuristic_flexable",
    "flexable_eom_block": "powerplant_energy_heuristic_block",
    "flexable_eom_linked": "powerplant_energy_heuristic_linked",
    "flexable_eom_storage": "storage_energy_heuristic_flexable",
    "flexable_neg_crm": "powerplant_capacity_heuristic_balancing_neg",
    "flexable_neg_crm_storage": "storage_capacity_heuristic_balancing_neg",
    "flexable_pos_crm": "powerplant_capacity_heuristic_balancing_pos",
    "flexable_pos_crm_storage": "storage_capacity_heuristic_balancing_pos",
    "learning_advanced_orders": "powerplant_energy_learning",
    "naive_eom": "powerplant_energy_naive",
    "naive_exchange": "exchange_energy_naive",
    "naive_neg_reserve": "powerplant_energy_naive_balancing",
    "naive_pos_reserve": "powerplant_energy_naive_balancing",
    "naive_redispatch": "powerplant_energy_naive_redispatch",
    "otc_strategy": "powerplant_energy_naive_otc",
    "pp_learning": "powerplant_energy_learning",
    "renewable_eom_learning": "renewable_energy_learning_single_bid",
    "storage_learning": "storage_energy_learning",
}

# Names of the established format that are not supported yet.
PLANNED: frozenset[str] = frozenset(
    {
        "demand_energy_heuristic_elastic",
        "demand_energy_naive_balancing",
        "demand_energy_naive_otc",
        "demand_energy_naive_redispatch",
        "exchange_energy_naive",
        "portfolio_learning",
        "powerplant_capacity_heuristic_balancing_neg",
        "powerplant_capacity_heuristic_balancing_pos",
        "powerplant_energy_heuristic_block",
        "powerplant_energy_heuristic_flexable",
        "powerplant_energy_heuristic_linked",
        "powerplant_energy_interactive",
        "powerplant_energy_naive_balancing",
        "powerplant_energy_naive_otc",
        "powerplant_energy_naive_profile",
        "powerplant_energy_naive_redispatch",
        "powerplant_energy_optimization_dmas",
        "renewable_energy_learning_single_bid",
        "storage_capacity_heuristic_balancing_neg",
        "storage_capacity_heuristic_balancing_pos",
        "storage_energy_heuristic_flexable",
        "storage_energy_learning",
        "storage_energy_optimization_dmas",
        "units_operator_direct",
        "units_operator_energy_heuristic_cournot",
    }
)


def create(name: str, *, max_bid_price: float, params: Mapping[str, Any]) -> Strategy:
    """The strategy called `name`, which may be an alias.

    :param max_bid_price: EUR/MWh, what learned prices are scaled by
    :param params: `bidding_strategy_params` of the study case; keys of other strategies are ignored
    :raises ConfigurationError: unknown or not supported name, or a parameter it cannot honour
    """
    key = ALIASES.get(name, name)
    if key in STRATEGIES:
        return STRATEGIES[key](max_bid_price, params)
    if key in PLANNED:
        raise ConfigurationError(f"bidding strategy '{name}' is not supported yet")
    raise ConfigurationError(
        f"unknown bidding strategy '{name}'; {nearest(name, [*STRATEGIES, *ALIASES])}"
    )


__all__ = ["ALIASES", "PLANNED", "STRATEGIES", "Feature", "Layout", "Strategy", "create"]
