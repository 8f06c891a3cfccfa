"""Nested states, whose tables are worked on one by one."""

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor


def mapped(values: Sequence[Any], function: Callable[[list[Tensor]], Tensor]) -> Any:
    """Return nested states as one: each table by a function of those at its place."""
    first = values[0]
    if isinstance(first, Tensor):
        return function(list(values))
    if isinstance(first, dict):
        return {key: mapped([value[key] for value in values], function) for key in first}
    if isinstance(first, tuple):
        return tuple(mapped(own, function) for own in zip(*values, strict=True))
    if not is_dataclass(first) or isinstance(first, type) or not fields(first):
        return first
    own = {
        f.name: mapped([getattr(value, f.name) for value in values], function)
        for f in fields(first)
    }
    return replace(first, **own)
