"""Errors and warnings about a folder, collected so that all are reported at once."""

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from assume_rl.errors import ScenarioError, nearest
from assume_rl.learning.config import LearningConfig, learning_keys

Location = tuple[int | str, ...]

# Pydantic's own messages for these kinds name Python types.
SHAPES = {
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping of settings",
    "string_type": "must be text",
    "too_short": "must not be empty",
    "tuple_type": "must be a list",
}


class Problems:
    """Errors and warnings; each sentence starts with file, row and column or key."""

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.errors: list[str] = []
        self.warnings: list[str] = []

    def error(self, where: str, what: str) -> None:
        """Note a problem that makes the folder unusable."""
        self._note(self.errors, where, what)

    def warn(self, where: str, what: str) -> None:
        """Note a problem that the user should know of although the scenario can be run."""
        self._note(self.warnings, where, what)

    def stray(self, where: str, what: str) -> None:
        """Note something that nothing reads: a warning, an error if `strict`."""
        self._note(self.errors if self.strict else self.warnings, where, what)

    def check(self) -> None:
        """Raise `ScenarioError` with every error so far, if there is one."""
        if self.errors:
            raise ScenarioError(self.errors)

    @staticmethod
    def _note(notes: list[str], where: str, what: str) -> None:
        sentence = f"{where}: {what}"
        if sentence not in notes:
            notes.append(sentence)


def cell(file: str, row: str | None = None, column: str | None = None) -> str:
    """Return a place in a table, as "demand_df.csv, row '2019-01-01 03:00', column 'D1'".

    :param file: name of the table's file
    :param row: name of the row; None: all of them
    :param column: name of the column; None: all of them
    """
    parts = [file]
    parts += [f"row '{row}'"] if row is not None else []
    parts += [f"column '{column}'"] if column is not None else []
    return ", ".join(parts)


def some(names: Iterable[str], most: int = 3) -> str:
    """Return the first `most` names and how many more there are: "'a', 'b' and 7 more"."""
    quoted = [f"'{name}'" for name in names]
    rest = len(quoted) - most
    text = ", ".join(quoted[:most])
    return f"{text} and {rest} more" if rest > 0 else text


def similar(path: Path) -> str:
    """Return the end of a sentence on a missing file that names a similar one beside it, if any."""
    beside = [own.name for own in path.parent.glob(f"*{path.suffix}")]
    close = difflib.get_close_matches(path.name, beside, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def explain(error: ValidationError, model: type[BaseModel]) -> list[tuple[str, Location, str]]:
    """Return kind, location and sentence of every error; for unknown keys with the nearest one."""
    return [(e["type"], e["loc"], _sentence(e, model)) for e in error.errors()]


def _sentence(entry: Any, model: type[BaseModel]) -> str:
    kind, value = entry["type"], entry["input"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        key = str(entry["loc"][-1])
        return f"unknown key; {nearest(key, _keys(model, entry['loc'][:-1]))}"
    if kind in ("value_error", "assertion_error"):
        return str(entry["msg"]).split(", ", 1)[1]
    if kind in SHAPES:
        return SHAPES[kind]
    reason = str(entry["msg"]).removeprefix("Input ").split(", unable to parse", maxsplit=1)[0]
    return reason if isinstance(value, Mapping | list) else f"{reason}, not {value!r}"


def _keys(model: type[BaseModel], location: Location) -> Iterable[str]:
    """Return the valid keys of the section at `location`, found by walking the annotations."""
    annotation: Any = model
    for part in location:
        annotation = _inner(annotation, part)
    if annotation is LearningConfig:
        return learning_keys()
    return annotation.model_fields if _is_model(annotation) else ()


def _inner(annotation: Any, part: int | str) -> Any:
    if _is_model(annotation):
        field = annotation.model_fields.get(part)
        return _unwrap(field.annotation) if field else None
    arguments = typing.get_args(annotation)
    if not arguments:
        return None
    # dict[str, X] -> X; tuple[X, ...] -> X
    return _unwrap(arguments[1] if typing.get_origin(annotation) is dict else arguments[0])


def _unwrap(annotation: Any) -> Any:
    """Return X for `X | None`."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return next(a for a in typing.get_args(annotation) if a is not type(None))
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
