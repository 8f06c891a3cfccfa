"""Keep truth values apart from numbers: `true` is no 1 where a setting is a number."""

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, model_validator


class WithoutTruthValues(BaseModel):
    """Settings that take no truth value for a number: it is refused where it stands."""

    @model_validator(mode="before")
    @classmethod
    def _truth_values_are_text(cls, given: Any) -> Any:
        """Make truth values of numbers text, which a number cannot be."""
        if not isinstance(given, Mapping):
            return given
        return {k: _text(v) if k in _numbers(cls) else v for k, v in given.items()}


@cache  # a model's fields stay, and settings are read for every unit
def _numbers(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of the fields that are numbers."""
    return frozenset(k for k, f in model.model_fields.items() if takes_number(f.annotation))


def takes_number(annotation: Any) -> bool:
    """Return whether a setting is a number, or holds numbers, and no truth values."""
    found = _types(annotation)
    return not found.isdisjoint({int, float}) and found.isdisjoint({bool, Any})


def _types(annotation: Any) -> set[Any]:
    parts = get_args(annotation)
    return set().union(*map(_types, parts)) if parts else {annotation}


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return [_text(part) for part in value]
    return {k: _text(v) for k, v in value.items()} if isinstance(value, Mapping) else value
