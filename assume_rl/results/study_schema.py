"""The tables that a study database has, and those that it should have."""

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, MetaData

from assume_rl.errors import ResultsError
from assume_rl.results.database import check_columns
from assume_rl.results.secrets import shown_url
from assume_rl.results.study_engine import reading, writing
from assume_rl.results.study_tables import study_column, study_metadata

Names = Mapping[str, Collection[str]]  # columns by table


def ensure_schema(engine: Engine, needed: Names) -> None:
    """Create the tables and columns that are missing; several processes may do so at once.

    Only columns that depend on the run are added to a table that is there.

    :param needed: columns that depend on the run, such as `rl_params.actions_0`, by table.
    :raises ResultsError: the database holds results of single runs or of an earlier version.
    """
    with reading(engine) as connection:
        if not _missing(columns_of(connection, study_metadata()), needed):
            return
    with writing(engine, "schema") as connection:
        study_metadata().create_all(connection)
        prepare = connection.dialect.identifier_preparer
        for table, name in _missing(columns_of(connection, study_metadata()), needed):
            kind = study_column(table, name).type.compile(connection.dialect)
            target = prepare.format_table(study_metadata().tables[table])
            connection.exec_driver_sql(
                f"ALTER TABLE {target} ADD COLUMN {prepare.quote(name)} {kind}"
            )


def columns_of(connection: Connection, tables: MetaData) -> dict[str, list[str]]:
    """Return the columns, by table, of those study tables that the database has.

    :param tables: that it may have
    :raises ResultsError: it holds results of single runs, or those of an earlier version.
    """
    found = sa.inspect(connection).get_multi_columns()
    names = {table: [str(c["name"]) for c in columns] for (_, table), columns in found.items()}
    if "simulation" in names.get("runs", ()):
        where = shown_url(connection.engine.url)
        raise ResultsError(f"database {where} holds results of single runs, not of studies")
    check_columns(f"database {shown_url(connection.engine.url)}", names, tables)
    return {table: names[table] for table in tables.tables if table in names}


def _missing(known: Names, needed: Names) -> list[tuple[str, str]]:
    """Return the tables and columns that are not there yet."""
    wanted = {
        name: [*table.columns.keys(), *needed.get(name, ())]
        for name, table in study_metadata().tables.items()
    }
    return [
        (table, name)
        for table, names in wanted.items()
        for name in dict.fromkeys(names)
        if name not in known.get(table, ())
    ]
