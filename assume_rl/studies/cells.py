"""The cells of a study file: every combination of scenario, case and design, before seeds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from assume_rl.scenario.config.keys import flatten
from assume_rl.studies.draws import draw
from assume_rl.studies.schema import StudyFile
from assume_rl.studies.sections import Design


@dataclass(frozen=True)
class Cell:
    """One combination."""

    folder: Path  # of the scenario, absolute
    case: str
    design: Design | None  # of the list
    varied: Mapping[str, Any]  # settings of grid, zip and random by dotted key

    def settings(self, file: StudyFile) -> dict[str, Any]:
        """Return all settings; for equal keys the later of `set`, list, grid, zip, random wins."""
        own = self.design.set if self.design else {}
        return {**file.set, **own, **self.varied}


def cells(file: StudyFile, places: Sequence[tuple[Path, str]]) -> list[Cell]:
    """Return every combination; the last key in the file varies fastest.

    :param places: scenario folders and cases.
    """
    combinations = product(
        places, file.list or (None,), _grid(file.grid), _rows(file.zip), _drawn(file)
    )
    return [
        Cell(folder, case, design, {**grid, **row, **drawn})
        for (folder, case), design, grid, row, drawn in combinations
    ]


def _grid(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [_leaves(zip(grid, values, strict=True)) for values in product(*grid.values())]


def _rows(lists: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    rows = [_leaves(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    return rows or [{}]


def _drawn(file: StudyFile) -> list[dict[str, Any]]:
    return [_leaves(row.items()) for row in draw(file.random)] if file.random else [{}]


def _leaves(settings: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {leaf: v for key, value in settings for leaf, v in flatten(key, value).items()}
