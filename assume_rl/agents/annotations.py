"""Whether a value has the type that an annotation asks for, looked at to the bottom."""

import dataclasses
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def fits(value: Any, hint: Any) -> bool:
    """Return whether a value is of the type in an annotation.

    :param value: to look at
    :param hint: `Any`, a class, a jaxtyping shape, or a literal, union, tuple, list or mapping of
        them; whole numbers serve as floats, truth values as no numbers
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin is None:
        return _plain(value, hint)
    if origin is Literal:
        return value in parts
    if origin in (Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    return isinstance(value, origin) and _items_fit(value, parts)


def _items_fit(value: Any, parts: tuple[Any, ...]) -> bool:
    """Return whether the items of a tuple, list or mapping are of the annotated types."""
    if isinstance(value, dict):
        return all(fits(k, parts[0]) and fits(v, parts[1]) for k, v in value.items())
    if isinstance(value, tuple) and parts[-1] is not Ellipsis:
        return len(value) == len(parts) and all(map(fits, value, parts))
    return all(fits(item, parts[0]) for item in value)


def _plain(value: Any, hint: Any) -> bool:
    if hint is Any or (hint is type(None) and value is None):
        return True
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(value, hint)


def misfit(kind: type, fields: Mapping[str, Any]) -> str | None:
    """Return the problem with the fields of a dataclass, in a sentence; None if there is none.

    :param kind: the dataclass
    :param fields: values by name
    """
    needed, hints = _annotated(kind)
    if not needed <= fields.keys() <= hints.keys():
        return f"a {kind.__name__} has the fields {', '.join(hints)}; others came"
    for name, value in fields.items():
        if not fits(value, hints[name]):
            return f"{kind.__name__}.{name}: expected {named(hints[name])}, got {named(value)}"
    return None


@cache
def _annotated(kind: type) -> tuple[frozenset[str], dict[str, Any]]:
    """Return the fields that a dataclass must have, and the annotations of all."""
    missing = dataclasses.MISSING
    fields = dataclasses.fields(kind)
    needed = (f.name for f in fields if f.default is missing and f.default_factory is missing)
    hints = get_type_hints(kind)
    return frozenset(needed), {f.name: hints[f.name] for f in fields}


def named(value: Any) -> str:
    """Return a short name of an annotation or of the kind of a value, for a message."""
    if isinstance(value, type):
        return value.__name__
    if get_origin(value) is not None:
        return str(value).replace("typing.", "")
    shape = getattr(value, "shape", None)
    kind = type(value).__name__
    if shape is not None:
        return f"{kind} {getattr(value, 'dtype', '')} {tuple(shape)}"
    return kind if isinstance(value, dict | list | tuple) else f"{kind} {value!r:.40}"
