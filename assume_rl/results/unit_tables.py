"""Result tables that describe units: one per unit kind, declared where the kinds are known."""

from collections.abc import Mapping

from sqlalchemy import Column, Float, Table, Text

from assume_rl.results.study_tables import STUDY, side_by_side
from assume_rl.results.tables import METADATA, STATES

SELLS = "sells"
"""Key of a table's `info`: whether its units can sell."""


def declare_units(
    name: str,
    columns: Mapping[str, tuple[bool, str]],
    states: Mapping[str, str],
    *,
    sells: bool,
) -> None:
    """Add a table to those of runs and of studies; `index` is the unit's id.

    :param name: e.g. `storage_meta`
    :param columns: by name, whether it holds text instead of numbers, and a comment
    :param states: columns of `unit_dispatch` that only these units have, with comments
    :param sells: whether its units can sell; profits of those that only buy are not counted
    """
    own = [
        Column(n, Text if text else Float, comment=c or None) for n, (text, c) in columns.items()
    ]
    index = Column("index", Text, comment="unit id")
    simulation = Column("simulation", Text, nullable=False)
    side_by_side(Table(name, METADATA, index, *own, simulation, info={SELLS: sells}))
    STATES[name] = dict(states)


def tables_of_buyers() -> list[str]:
    """Return the names of the tables whose units only buy."""
    return [name for name, table in METADATA.tables.items() if table.info.get(SELLS) is False]


def withdraw_units(name: str) -> None:
    """Remove a table that was declared."""
    STATES.pop(name)
    for metadata in (METADATA, STUDY):
        metadata.remove(metadata.tables[name])
