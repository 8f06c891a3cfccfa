"""Market mechanisms by name, and the parameters that a market's `param_dict` gives them."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from assume_rl.core.clearing import RULES, Rule
from assume_rl.errors import ConfigurationError, nearest, nearest_part
from assume_rl.scenario.config.schema import Market
from assume_rl.scenario.problems import Problems, explain, some

PLANNED_RULES = (
    "nodal_clearing",
    "redispatch",
    "pay_as_bid_contract",
    "pay_as_clear_complex_dmas",
)
"""Mechanisms of the format that later versions will have."""

FOREIGN_PARAMS = frozenset(
    {
        "log_flows",
        "network_path",
        "pricing_mechanism",
        "solver",
        "solver_name",
        "zones_identifier",
    }
)
"""Keys of `param_dict` for some mechanisms of the format; a warning where another has them."""


def check_mechanism(where: str, market: Market, problems: Problems) -> None:
    """Note why the mechanism of a market cannot clear it, if so.

    :param where: place of the market in the configuration
    :param market: its settings
    :param problems: takes the notes
    """
    name, place = market.market_mechanism, f"{where}.market_mechanism"
    if name not in RULES:
        known = f"not supported yet: '{name}'" if name in PLANNED_RULES else None
        problems.error(place, known or f"unknown mechanism '{name}'; {nearest_part(name, RULES)}")
        return
    rule = RULES[name]
    _check_params(f"{where}.param_dict", rule, market.param_dict, problems)


def reads_blocks(mechanism: str) -> bool:
    """Return whether a mechanism, if it is known, reads block terms of orders."""
    return mechanism in RULES and "blocks" in RULES[mechanism].needs


def params_of(rule: Rule[Any, Any], given: Mapping[str, Any]) -> BaseModel:
    """Return the parameters of `rule` in a checked `param_dict`."""
    params: BaseModel = rule.Params.model_validate(_own(rule, given))
    return params


def checked_params(rule: Rule[Any, Any], given: Mapping[str, Any]) -> BaseModel:
    """Return the parameters of `rule` that `given` says, none of which may be another's.

    :raises ConfigurationError: a key or value is wrong
    """
    problems = Problems()
    _check_params("param_dict", rule, given, problems)
    for problem in (*problems.errors, *problems.warnings):
        raise ConfigurationError(problem)
    return params_of(rule, given)


def _own(rule: Rule[Any, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return `given` without the keys of other mechanisms."""
    fields = rule.Params.model_fields
    return {k: v for k, v in given.items() if k in fields or k not in FOREIGN_PARAMS}


def _hint(key: str, rule: Rule[Any, Any]) -> str:
    """Return which mechanism has a key that `rule` does not have, or the nearest of its own."""
    owners = [name for name, other in RULES.items() if key in other.Params.model_fields]
    if owners:
        return f"it is a parameter of {some(owners)}, not of '{rule.name}'"
    fields = rule.Params.model_fields
    return nearest(key, fields) if fields else f"'{rule.name}' has no parameters"


def _check_params(
    where: str, rule: Rule[Any, Any], given: Mapping[str, Any], problems: Problems
) -> None:
    fields, own = rule.Params.model_fields, _own(rule, given)
    for key in sorted(given.keys() - own.keys()):
        problems.warn(f"{where}.{key}", f"the mechanism '{rule.name}' does not read this key")
    for key in sorted(own.keys() - fields.keys()):
        problems.error(f"{where}.{key}", f"unknown key; {_hint(key, rule)}")
    try:
        rule.Params.model_validate({key: own[key] for key in own if key in fields})
    except ValidationError as error:
        for _, location, sentence in explain(error, rule.Params):
            problems.error(".".join((where, *map(str, location))), sentence)
