"""List everything that the registries hold, with its parameters and where it comes from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from assume_rl.core.bidding import BIDDERS, OPERATORS
from assume_rl.core.clearing import RULES
from assume_rl.core.units import TECHNOLOGIES
from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.learning.config import common_keys, learning_keys
from assume_rl.learning.critics import CRITICS
from assume_rl.learning.nets.trunks import TRUNKS
from assume_rl.learning.schedules import SCHEDULES
from assume_rl.scenario.compile.forecasts import FORECASTS
from assume_rl.scenario.plain_types import field_type
from assume_rl.scenario.plugins.registry import OBSERVERS, ORIGINS
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.tables.read import columns_of

BUILT_IN = "built in"

COMMON = "settings"
"""Sort of the one part that holds the keys of `learning_config` for every algorithm."""

Fields = Mapping[str, FieldInfo]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a part: a column, a key of `bidding_strategy_params`, of `param_dict`, ..."""

    name: str
    type: str  # in words
    required: bool
    default: Any  # None where it is required
    description: str  # with its unit of measure


@dataclass(frozen=True)
class Part:
    """One entry of a registry."""

    sort: str  # technology, unit kind, bidder, rule, ...: a key of `catalogue`
    name: str
    source: str  # built in, or the plug-in that registered it
    parameters: tuple[Parameter, ...]
    status: str = ""  # of an algorithm: stable or experimental
    paper: str = ""  # of an algorithm: where it was published


def catalogue() -> tuple[Part, ...]:
    """Return all parts, sort by sort, each by name."""
    common = common_keys()
    found: dict[str, dict[str, Fields]] = {
        "technology": {name: {} for name in TECHNOLOGIES},
        "unit kind": {name: columns_of(table.row) for name, table in UNIT_TABLES.items()},
        "bidder": {name: entry.Params.model_fields for name, entry in BIDDERS.items()},
        "portfolio strategy": {
            name: entry.Params.model_fields for name, entry in OPERATORS.items()
        },
        "rule": {name: rule.Params.model_fields for name, rule in RULES.items()},
        "forecast": {name: {} for name in FORECASTS},
        COMMON: {"learning_config": common},
        "algorithm": {
            name: {k: f for k, f in learning_keys(name).items() if k not in common}
            for name in ALGORITHMS
        },
        "critic": {name: {} for name in CRITICS},
        "actor": {name: {} for name in TRUNKS},
        "schedule": {name: {} for name in SCHEDULES},
        "observer": {name: {} for name in OBSERVERS},
    }
    return tuple(
        _part(sort, name, named[name]) for sort, named in found.items() for name in sorted(named)
    )


def _part(sort: str, name: str, fields: Fields) -> Part:
    source, parameters = ORIGINS.get((sort, name), BUILT_IN), tuple(_parameters(fields))
    if sort != "algorithm":
        return Part(sort, name, source, parameters)
    own = ALGORITHMS[name]
    return Part(sort, name, source, parameters, own.status, own.paper)


def _parameters(fields: Fields) -> Iterator[Parameter]:
    for name, field in fields.items():
        required = field.is_required()
        yield Parameter(
            name,
            field_type(field),
            required,
            None if required else field.get_default(call_default_factory=True),
            field.description or "",
        )
