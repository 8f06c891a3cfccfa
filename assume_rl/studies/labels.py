"""The labels of the cells of a study, and the settings that differ between them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assume_rl.scenario.tables.overrides import SCALE
from assume_rl.scenario.types import Scenario
from assume_rl.studies.cells import Cell

Scalar = str | int | float | bool | None


def labels(cells: Sequence[Cell], otherwise: str) -> list[str]:
    """Return a label for each cell: its design in the list, and whatever else differs.

    :param otherwise: label where nothing differs.
    """
    found: list[str] = []
    for digits in (4, 6, 9, 17):
        found = _labels(cells, digits)
        if len(set(found)) == len(cells):
            break
    return [label or otherwise for label in found]


def _labels(cells: Sequence[Cell], digits: int) -> list[str]:
    folders = short_names({str(cell.folder) for cell in cells}, "/")
    several_cases = len({cell.case for cell in cells}) > 1
    short = short_names(_differing([cell.varied for cell in cells]), ".")

    def parts(cell: Cell) -> Iterable[str]:
        if len(folders) > 1:
            yield folders[str(cell.folder)]
        if several_cases:
            yield cell.case
        if cell.design is not None:
            yield cell.design.name
        for key, name in short.items():
            if key in cell.varied:
                yield f"{name}={_text(cell.varied[key], digits)}"

    return [", ".join(parts(cell)) for cell in cells]


def short_names(names: Iterable[str], separator: str) -> dict[str, str]:
    """Return the shortest last parts of each name that distinguish it from the others.

    >>> short_names(["learning_config.gamma", "a.scale", "b.scale"], ".")
    {'learning_config.gamma': 'gamma', 'a.scale': 'a.scale', 'b.scale': 'b.scale'}
    """
    parts = {name: name.split(separator) for name in names}

    def tail(name: str, length: int) -> str:
        return separator.join(parts[name][-length:])

    def short(name: str) -> str:
        # What is scaled belongs to it.
        length = 2 if parts[name][-1] == SCALE else 1
        while length < len(parts[name]) and any(
            tail(other, length) == tail(name, length) for other in parts if other != name
        ):
            length += 1
        return tail(name, length)

    return {name: short(name) for name in parts}


def parameter_keys(cells: Sequence[Cell]) -> list[str]:
    """Return the settings, by dotted key, that are not the same in all cells."""
    designs = [cell.design.set if cell.design else {} for cell in cells]
    keys = [*_differing(designs), *_differing([cell.varied for cell in cells])]
    return list(dict.fromkeys(keys))


def parameters(
    cell: Cell, cells: Sequence[Cell], keys: Iterable[str], scenario: Scenario
) -> dict[str, Scalar]:
    """Return the parameters that differ between the cells, with their values in this one."""
    found: dict[str, Scalar] = {}
    if len({other.folder for other in cells}) > 1:
        found["scenario"] = cell.folder.name
    if len({other.case for other in cells}) > 1:
        found["case"] = cell.case
    policies = {other.design.policies for other in cells if other.design}
    if len(policies) > 1 and cell.design is not None:
        found["policies"] = cell.design.policies
    settings = scenario.config.model_dump(mode="json")
    return found | {key: scalar(_value(key, settings, scenario)) for key in keys}


def _differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    keys = dict.fromkeys(key for own in settings for key in own)
    absent = object()
    values = {key: {repr(own.get(key, absent)) for own in settings} for key in keys}
    return [key for key in keys if len(values[key]) > 1]


def _value(key: str, settings: Any, scenario: Scenario) -> Any:
    """Return the value of a setting, also where it is not set."""
    if key in scenario.overrides:
        return scenario.overrides[key]
    head, *rest = key.split(".")
    if head == "units":
        return _of_unit(".".join(rest), scenario)
    if rest and rest[-1] == SCALE:
        return 1.0
    for part in (head, *rest):
        index = int(part) if isinstance(settings, list) and part.isdigit() else part
        try:
            settings = settings[index]
        except (KeyError, IndexError, TypeError):
            return None
    return settings


def _of_unit(key: str, scenario: Scenario) -> Any:
    for unit in scenario.units:
        column = key.removeprefix(f"{unit.id}.")
        if column != key:
            prefix, _, rest = column.partition("_")
            labelled = getattr(unit, prefix, None)
            return labelled.get(rest) if isinstance(labelled, dict) else getattr(unit, column, None)
    return None


def scalar(value: Any) -> Scalar:
    """Return a value as tables hold it: lists and mappings as JSON."""
    simple = value is None or isinstance(value, str | int | float)
    return value if simple else json.dumps(value, default=str)


def _text(value: Any, digits: int) -> str:
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    return value if isinstance(value, str) else json.dumps(value)
