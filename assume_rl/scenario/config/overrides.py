"""Changes of a scenario by dotted key.

::

    learning_config.gamma: 0.9              any setting of `config.yaml`
    markets_config.CRM_pos: null            switches the market off
    units.coal_new.max_power: 500           any column of the unit tables
    fuel_prices.natural gas: 30             EUR/MWh thermal, EUR/t for co2; or {scale: 1.2}
    demand.town: {scale: 1.05}              or MW
    availability.wind: {scale: 0.9}         or a share in [0, 1]

The first kind is applied here, the others by `table_overrides`.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from assume_rl.core.bidding import parameters
from assume_rl.errors import closest, nearest
from assume_rl.learning.config import learning_keys
from assume_rl.scenario.config.keys import flatten
from assume_rl.scenario.config.schema import Market, StudyCase, known_keys
from assume_rl.scenario.config.yaml_file import read_value
from assume_rl.scenario.problems import Problems
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.tables.base import CO2
from assume_rl.scenario.tables.read import columns_of

TABLES = ("units", "fuel_prices", "demand", "availability")
"""First parts of keys that change tables, not settings."""

UNIT = "<UNIT>"
"""Stands in suggestions for the name of a unit, which tables have."""

# Sections that an override may open where the study case has none.
OPTIONAL_SECTIONS = (
    "learning_config",
    "bidding_strategy_params",
    "forecast_algorithms",
    "param_dict",
    "policies",
)


def split(
    overrides: Mapping[str, Any], problems: Problems
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the overrides of settings, and those of tables; text is read as YAML."""
    settings: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    for key, given in overrides.items():
        try:
            value = read_value(given) if isinstance(given, str) else given
        except ValueError as error:
            problems.error(f"override {key}", str(error))
            continue
        if is_setting(key):
            settings[key] = value
        else:
            tables |= flatten(key, value)
    return settings, tables


def is_setting(key: str) -> bool:
    """Return whether an override is of a setting, not of a table."""
    return key.partition(".")[0] not in TABLES


def as_text(value: str) -> str:
    """Return text that an override reads as the string `value`, quoted where needed.

    >>> as_text("pay_as_bid"), as_text("7")
    ('pay_as_bid', '"7"')
    """
    try:
        plain = read_value(value) == value
    except ValueError:
        plain = False
    return value if plain else json.dumps(value, ensure_ascii=False)


def override_setting(
    settings: dict[str, Any], key: str, value: Any, problems: Problems
) -> dict[str, Any]:
    """Return `settings` with the value at dotted `key` replaced.

    The last part of the key is checked later, with the whole study case.

    :param settings: of the study case
    :param key: parts by dots, such as `learning_config.gamma`
    :param value: the new value
    :param problems: a key that leads nowhere is noted here
    """
    head, *rest = key.split(".")
    if head not in settings and head not in known_keys():
        name = f" '{head}'" if rest else ""
        problems.error(f"override {key}", f"unknown key{name}; {_suggestion(head, rest, settings)}")
        return settings
    if head == "policies" and rest:
        rest = [".".join(rest)]  # the name of a unit may have dots
    if head == "markets_config" and value is None and len(rest) == 1:
        markets = settings.get(head) or {}
        if isinstance(markets, Mapping) and rest[0] not in markets:
            hint = nearest(rest[0], map(str, markets))
            problems.error(f"override {key}", f"there is no such market to switch off; {hint}")
            return settings
    try:
        replaced: dict[str, Any] = _replace(settings, [head, *rest], value)
    except KeyError as error:
        problems.error(f"override {key}", str(error.args[0]))
        return settings
    return replaced


def _replace(node: Any, parts: list[str], value: Any, known: Collection[str] = ()) -> Any:
    """Return `node` with a part replaced; keys in `known` need not be there to be replaced in."""
    head, *rest = parts
    if isinstance(node, list) and head.isdigit() and int(head) < len(node):
        new = value if not rest else _replace(node[int(head)], rest, value)
        return [new if i == int(head) else old for i, old in enumerate(node)]
    if not isinstance(node, dict):
        raise KeyError(f"there is no '{head}' to set")
    if not rest:
        return {**node, head: value}
    child = node.get(head)
    if head in known and isinstance(child, str):
        child = None  # the name of a schedule gives way to its parts
    if child is None:
        optional = head in OPTIONAL_SECTIONS or head in known
        if (head in StudyCase.model_fields or head in node) and not optional:
            raise KeyError(f"there is no section '{head}'")
        if not optional:
            raise KeyError(f"unknown key '{head}'; {nearest(head, [*map(str, node), *known])}")
        child = {}
    # What is inside a setting is checked later, with it.
    inside = rest[:1] if head in known else learning_keys() if head == "learning_config" else ()
    return {**node, head: _replace(child, rest, value, inside)}


def _suggestion(head: str, rest: Sequence[str], settings: Mapping[str, Any]) -> str:
    """Return the nearest key, with its section where that was left out."""
    columns = {name for table in UNIT_TABLES.values() for name in columns_of(table.row)}
    if closest(head, TABLES):
        return nearest(head, TABLES)
    if rest and rest[-1] in columns:
        return f"did you mean '{'.'.join(('units', head, *rest))}'?"
    places = _places(settings, columns)
    close = [places[name] for name in closest(head, places)]
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    tables = (
        f"units.{UNIT}.<COLUMN>",
        "fuel_prices.<FUEL>",
        f"demand.{UNIT}",
        f"availability.{UNIT}",
    )
    return f"valid: {', '.join([*sorted(known_keys()), *tables])}"


def _places(settings: Mapping[str, Any], columns: Collection[str]) -> dict[str, str]:
    """Return full dotted keys by their last part; keys nearer to the top win."""
    markets = settings.get("markets_config")
    names = [str(name) for name in markets] if isinstance(markets, Mapping) else []
    sections = {
        f"units.{UNIT}.": columns,
        "fuel_prices.": (CO2,),
        **{f"markets_config.{name}.": Market.model_fields for name in names[:1]},
        "markets_config.": names,
        "bidding_strategy_params.": parameters(),
        "learning_config.": learning_keys(),
        "": [*known_keys(), *TABLES],
    }
    return {str(key): f"{section}{key}" for section, keys in sections.items() for key in keys}
