"""What folders named on a command line hold, read without anything heavy, to complete words.

What cannot be read has nothing: commands say what is wrong with it.
"""

import csv
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from assume_rl.studies.records import DATABASE

CONFIG = "config.yaml"
UNITS = "*_units*.csv"
"""Tables of units, those that single study cases name among them."""
DEMAND = "demand_units"

CASE = re.compile(r"""^(?P<quote>["']?)(?P<name>[^\s#"'\[\]{}][^#"':]*)(?P=quote):(?:\s|$)""", re.M)
"""A study case: a key that begins a line."""


@dataclass(frozen=True)
class Unit:
    """A row of a table of units."""

    name: str
    columns: tuple[str, ...]  # that the table has, but for the name
    is_demand: bool


def cases(folder: Path) -> list[str]:
    """Return the study cases of a scenario folder."""
    return [found["name"].strip() for found in CASE.finditer(_text(folder / CONFIG))]


def units(folder: Path) -> Iterator[Unit]:
    """Yield the units of a scenario folder, those of all study cases."""
    if not (folder / CONFIG).is_file():
        return
    for file in sorted(folder.glob(UNITS)):
        rows = csv.reader(_text(file).splitlines())
        name, *columns = next(rows, [""])
        if name == "name":
            is_demand = file.name.startswith(DEMAND)
            yield from (Unit(row[0], tuple(columns), is_demand) for row in rows if row and row[0])


def markets(folder: Path) -> Iterator[str]:
    """Yield beginnings of keys of the markets of a scenario folder, and keys that they have."""
    from assume_rl.errors import ScenarioError
    from assume_rl.scenario.config.cases import read_cases

    if not (folder / CONFIG).is_file():
        return
    try:
        own = read_cases(folder).values()
    except ScenarioError:
        return
    for case in own:
        found = case.get("markets_config") if isinstance(case, dict) else None
        for name, market in found.items() if isinstance(found, dict) else ():
            yield f"{name}=null"
            yield from (f"{name}.{key}=" for key in (market if isinstance(market, dict) else ()))


def recorded(folder: Path, column: str) -> list[str]:
    """Return the different values of a column in the database of a study folder.

    :param column: `table.column`
    """
    import sqlite3

    file, (table, name) = folder / DATABASE, column.split(".")
    if not file.is_file():
        return []
    query = f"SELECT DISTINCT {name} FROM {table} WHERE {name} IS NOT NULL"
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            return [value for (value,) in database.execute(query)]
    except sqlite3.Error:
        return []


def _text(file: Path) -> str:
    """Return what a file holds; nothing where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ""
