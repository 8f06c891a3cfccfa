"""Bidders: one file per family, one registry line each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from assume_rl.core.bidding import (
    block,
    curve,
    elastic,
    exchange,
    flexible,
    intraday,
    ladder,
    learned,
    learned_block,
    operator_learning,
    otc,
    portfolio,
    reserve,
    storage,
)
from assume_rl.core.bidding.base import (
    ANY_CONTEXT,
    AnyBidder,
    BidsCurve,
    Context,
    NoParams,
    Params,
    parameter_error,
)
from assume_rl.core.bidding.cost_based import naive
from assume_rl.core.units.base import RESERVE
from assume_rl.errors import ConfigurationError, nearest_part

P = TypeVar("P", bound=Params)
B = TypeVar("B")


@dataclass(frozen=True)
class Entry(Generic[P, B]):
    """How a bidder, or a strategy of an operator, is made, and which parameters it takes."""

    make: Callable[[Context, P], B]
    Params: type[P]

    def create(self, context: Context, given: Mapping[str, Any]) -> B:
        """Return the bidder or strategy.

        :param given: `bidding_strategy_params` of a study case; keys of other bidders are ignored
        :raises SettingError: a parameter is not one that it can honour
        """
        return self.make(context, self.params(given))

    def params(self, given: Mapping[str, Any]) -> P:
        """Return the parameters that it takes of those of a study case.

        :param given: see `create`
        :raises SettingError: one is not as it must be
        """
        own = {key: value for key, value in given.items() if key in self.Params.model_fields}
        try:
            return self.Params.model_validate(own)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            what = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
            raise parameter_error(key, f"{what}, not {first['input']!r}") from None


BIDDERS: dict[str, Entry[Any, AnyBidder]] = {
    "demand_energy_heuristic_elastic": Entry(elastic.elastic, NoParams),
    "demand_energy_naive": Entry(partial(naive, "demand_energy_naive"), NoParams),
    "demand_energy_naive_intraday": Entry(intraday.demand, NoParams),
    "demand_energy_naive_balancing": Entry(
        partial(naive, "demand_energy_naive_balancing", product_types=RESERVE), NoParams
    ),
    "demand_energy_naive_otc": Entry(partial(otc.otc, "demand_energy_naive_otc"), otc.OtcParams),
    "exchange_energy_naive": Entry(exchange.naive, NoParams),
    "powerplant_capacity_heuristic_balancing_neg": Entry(reserve.plant_neg, reserve.ReserveParams),
    "powerplant_capacity_heuristic_balancing_pos": Entry(reserve.plant_pos, reserve.ReserveParams),
    "powerplant_capacity_learning": Entry(learned.reserve, learned.LearnedParams),
    "powerplant_capacity_learning_ladder": Entry(ladder.reserve, ladder.LadderParams),
    "powerplant_energy_heuristic_block": Entry(block.block, flexible.FlexibleParams),
    "powerplant_energy_heuristic_flexable": Entry(flexible.plant, flexible.FlexibleParams),
    "powerplant_energy_heuristic_linked": Entry(block.linked, flexible.FlexibleParams),
    "powerplant_energy_learning": Entry(learned.two_bids, learned.PlantParams),
    "powerplant_energy_learning_block": Entry(learned_block.plant, learned.PlantParams),
    "powerplant_energy_learning_block_ladder": Entry(
        learned_block.on_ladder, ladder.PlantLadderParams
    ),
    "powerplant_energy_learning_curve": Entry(curve.curve, curve.CurveParams),
    "powerplant_energy_learning_ladder": Entry(ladder.plant, ladder.PlantLadderParams),
    "powerplant_energy_learning_single_bid": Entry(learned.single_bid, learned.PlantParams),
    "powerplant_energy_naive": Entry(partial(naive, "powerplant_energy_naive"), NoParams),
    "powerplant_energy_naive_intraday": Entry(intraday.plant, NoParams),
    "powerplant_energy_naive_balancing": Entry(
        partial(naive, "powerplant_energy_naive_balancing", product_types=RESERVE), NoParams
    ),
    "powerplant_energy_naive_otc": Entry(
        partial(otc.otc, "powerplant_energy_naive_otc"), otc.OtcParams
    ),
    "powerplant_energy_naive_profile": Entry(block.profile, NoParams),
    "renewable_energy_learning_ladder": Entry(ladder.renewable, ladder.PlantLadderParams),
    "renewable_energy_learning_single_bid": Entry(learned.renewable, learned.PlantParams),
    "storage_capacity_heuristic_balancing_neg": Entry(reserve.storage_neg, NoParams),
    "storage_capacity_heuristic_balancing_pos": Entry(reserve.storage_pos, reserve.ReserveParams),
    "storage_energy_heuristic_flexable": Entry(storage.flexible, flexible.FlexibleParams),
    "storage_energy_learning": Entry(storage.learned, learned.LearnedParams),
    "storage_energy_learning_ladder": Entry(ladder.battery, ladder.LadderParams),
}

# What an operator's row in `unit_operators` may name.
OPERATORS: dict[str, Entry[Any, portfolio.Strategy]] = {
    "portfolio_learning": Entry(operator_learning.learning, operator_learning.OperatorParams),
    "units_operator_direct": Entry(portfolio.direct, NoParams),
    "units_operator_energy_heuristic_cournot": Entry(portfolio.cournot, portfolio.CournotParams),
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
        "demand_energy_naive_redispatch",
        "powerplant_energy_interactive",
        "powerplant_energy_naive_redispatch",
        "powerplant_energy_optimization_dmas",
        "storage_energy_optimization_dmas",
    }
)


def create(name: str, context: Context, given: Mapping[str, Any]) -> AnyBidder:
    """Return the bidder called `name`, which may be an alias.

    :param name: key of `BIDDERS` or `ALIASES`
    :param context: what the study case and the market give it
    :param given: `bidding_strategy_params` of the study case; keys of other bidders are ignored
    :raises ConfigurationError: unknown or not supported name, or a parameter it cannot honour
    """
    key = ALIASES.get(name, name)
    if key in BIDDERS:
        return BIDDERS[key].create(context, given)
    if key in PLANNED:
        raise ConfigurationError(f"not supported yet: the strategy '{name}'")
    if key in OPERATORS:
        raise ConfigurationError(f"'{name}' is a strategy of operators: name it in unit_operators")
    hint = nearest_part(name, [*BIDDERS, *ALIASES])
    raise ConfigurationError(f"unknown strategy '{name}'; {hint}")


def is_known(name: str) -> bool:
    """Return whether a strategy of units or operators is called `name`, here or in the format."""
    return any(name in names for names in (BIDDERS, ALIASES, PLANNED, OPERATORS))


def bids_curve(name: str) -> bool:
    """Return whether the bidder called `name`, which may be an alias, bids a demand curve."""
    entry = BIDDERS.get(ALIASES.get(name, name))
    return entry is not None and isinstance(entry.create(ANY_CONTEXT, {}), BidsCurve)


def operator_learns(name: str) -> bool:
    """Return whether an operator with the strategy called `name`, if there is one, learns."""
    entry = OPERATORS.get(name)
    return entry is not None and entry.create(ANY_CONTEXT, {}).learns


def operator_strategy(name: str, context: Context, given: Mapping[str, Any]) -> portfolio.Strategy:
    """Return the portfolio strategy called `name`.

    :param name: key of `OPERATORS`
    :param context: what the study case and the market give it
    :param given: `bidding_strategy_params` of the study case; keys of others are ignored
    :raises ConfigurationError: unknown or not supported name, or a parameter it cannot honour
    """
    if name in OPERATORS:
        return OPERATORS[name].create(context, given)
    if name in PLANNED:
        raise ConfigurationError(f"not supported yet: the strategy '{name}'")
    raise ConfigurationError(
        f"no strategy of operators is called '{name}'; {nearest_part(name, OPERATORS)}"
    )


def entries() -> dict[str, Entry[Any, Any]]:
    """Return all that reads `bidding_strategy_params`, by name."""
    return {**BIDDERS, **OPERATORS}


def parameters() -> dict[str, tuple[str, ...]]:
    """Return which bidders and strategies of operators take each parameter, by parameter."""
    found: dict[str, list[str]] = {}
    for name, entry in entries().items():
        for key in entry.Params.model_fields:
            found.setdefault(key, []).append(name)
    return {key: tuple(names) for key, names in found.items()}


__all__ = [
    "ALIASES",
    "BIDDERS",
    "OPERATORS",
    "PLANNED",
    "Entry",
    "bids_curve",
    "create",
    "entries",
    "is_known",
    "operator_strategy",
    "parameters",
]
