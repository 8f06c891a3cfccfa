"""The registry of unit kinds: one file and one line here for each, listed nowhere else."""

from typing import Any

from assume_rl.core.units import TECHNOLOGIES
from assume_rl.errors import ConfigurationError, nearest
from assume_rl.results.unit_tables import declare_units, withdraw_units
from assume_rl.scenario.problems import some
from assume_rl.scenario.tables.base import UnitTable
from assume_rl.scenario.tables.demands import DEMANDS
from assume_rl.scenario.tables.exchanges import EXCHANGES
from assume_rl.scenario.tables.powerplants import POWER_PLANTS
from assume_rl.scenario.tables.storages import STORAGES

UNIT_TABLES: dict[str, UnitTable[Any]] = {}
"""Unit kinds by name, in the order of a fleet (the order of ASSUME)."""


def register(table: UnitTable[Any]) -> None:
    """Append a unit kind to the registry: its file is read, its units are written to results.

    :raises ConfigurationError: another kind has its name or its file, or its technology is not
        registered
    """
    if table.technology not in TECHNOLOGIES:
        raise ConfigurationError(
            f"the unit kind '{table.name}': unknown technology '{table.technology}'; "
            f"{nearest(table.technology, TECHNOLOGIES)}"
        )
    for other in UNIT_TABLES.values():
        if table.name == other.name or not set(table.files).isdisjoint(other.files):
            raise ConfigurationError(
                f"the unit kind '{table.name}' with the file key {some(table.files)} clashes with "
                f"'{other.name}' with the file key {some(other.files)}"
            )
    columns = {c.name: (c.text, c.comment) for c in table.meta_columns}
    states = {state.name: state.comment for state in table.states}
    declare_units(table.meta_table, columns, states, sells=table.sells)
    UNIT_TABLES[table.name] = table


def unregister(name: str) -> None:
    """Remove a unit kind from the registry; an unknown name is ignored."""
    table = UNIT_TABLES.pop(name, None)
    if table is not None:
        withdraw_units(table.meta_table)


for _table in (POWER_PLANTS, STORAGES, DEMANDS, EXCHANGES):
    register(_table)
