"""Dotted keys of settings."""

from collections.abc import Mapping
from typing import Any


def overlap(one: str, other: str) -> bool:
    """Return whether two dotted keys are the same, or one is a section that holds the other.

    >>> overlap("learning_config", "learning_config.gamma"), overlap("seed", "seeds")
    (True, False)
    """
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def flatten(key: str, value: Any) -> dict[str, Any]:
    """Return the leaves of `value` by dotted key.

    >>> flatten("demand", {"town": {"scale": 1.05}})
    {'demand.town.scale': 1.05}
    """
    if not isinstance(value, Mapping) or not value:
        return {key: value}
    parts = (flatten(f"{key}.{name}", part) for name, part in value.items())
    return {leaf: found for part in parts for leaf, found in part.items()}
