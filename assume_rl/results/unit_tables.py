"""Result tables that describe units: one per unit kind, declared where the kinds are known."""

from collections.abc import Mapping

from sqlalchemy import Column, Float, Table, Text

from assume_rl.results import study_tables, tables

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
    study_tables.side_by_side(
        Table(name, tables.DECLARED, index, *own, simulation, info={SELLS: sells})
    )
    tables.STATES[name] = dict(states)


def tables_of_buyers() -> list[str]:
    """Return the names of the tables whose units only buy."""
    return [
        name for name, table in tables.metadata().tables.items() if table.info.get(SELLS) is False
    ]


def withdraw_units(name: str) -> None:
    """Remove a table that was declared."""
    tables.STATES.pop(name)
    for declared in (tables.DECLARED, study_tables.DECLARED):
        declared.remove(declared.tables[name])
