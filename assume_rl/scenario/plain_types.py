"""The types of settings and columns in words, as pages and lists have them."""

import types
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from assume_rl.learning.config import OneOf

WORDS = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    datetime: "date",
    tuple: "list of",
    list: "list of",
    dict: "by name:",
    Any: "value",
}
"""What a type is called; any other class is a section."""


def field_type(field: FieldInfo, quote: str = "") -> str:
    """Return the type of a setting or column in words.

    >>> field_type(FieldInfo(annotation=float | None))
    'number or null'

    :param quote: put around each choice
    """
    if _takes_duration(field):
        return "duration"
    return _choices(field.metadata, quote) or _plain(field.annotation, quote)


def _takes_duration(field: FieldInfo) -> bool:
    """Return whether a number is read from a text such as `1h`."""
    if field.annotation is not int or not field.metadata:
        return False
    try:
        TypeAdapter(Annotated[int, *field.metadata]).validate_python("1h")
    except ValidationError:
        return False
    return True


def _choices(metadata: Iterable[Any], quote: str) -> str:
    """Return the names of which a text must be one; empty: it may be any."""
    names = (name for part in metadata if isinstance(part, OneOf) for name in part.choices)
    return " or ".join(f"{quote}{name}{quote}" for name in names)


def _plain(annotation: Any, quote: str) -> str:
    if isinstance(annotation, types.UnionType) or get_origin(annotation) is Union:
        choices = [_plain(part, quote) for part in get_args(annotation)]
        apart = (c.split(" or ") if not c.endswith(")") else [c] for c in choices)
        return " or ".join(dict.fromkeys(choice for own in apart for choice in own))
    if get_origin(annotation) is Annotated:
        own, *metadata = get_args(annotation)
        return _choices(metadata, quote) or _plain(own, quote)
    if get_origin(annotation) is Literal:
        return " or ".join(f"{quote}{choice}{quote}" for choice in get_args(annotation))
    if annotation is type(None):
        return "null"
    if annotation in WORDS or get_origin(annotation) is None:
        return WORDS.get(annotation, "section")
    parts = (_plain(part, quote) for part in get_args(annotation) if part is not ...)
    return f"{WORDS[get_origin(annotation)]} {_several(list(parts)[-1], get_origin(annotation))}"


def _several(part: str, of: Any) -> str:
    """Return the type of the items of a list or mapping, in brackets if that is a choice."""
    if " or " in part:
        return f"({part})"
    return f"{part}s" if of in (list, tuple) else part
