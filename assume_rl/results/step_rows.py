"""Rows that a step of a run has left in its own database, an SQLite file."""

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from assume_rl.errors import ResultsError
from assume_rl.results.database import check_columns
from assume_rl.results.study_tables import collected, study_column, study_name
from assume_rl.results.tables import metadata

Row = tuple[Any, ...]


class Rows(NamedTuple):
    """Rows for one study table, read as they are taken."""

    table: str
    columns: tuple[str, ...]  # of the study table, `run_id` and `step` first
    rows: Iterator[Row]  # as SQLite stores them: times as text, flags as 0 and 1


@contextmanager
def open_results(database: Path) -> Iterator[sqlite3.Connection]:
    """Yield a step's database, for reading, after rolling back a killed process's changes.

    :raises ResultsError: it is missing or damaged.
    """
    with _readable(database):
        # rw: rolling back what a killed process left needs it, query_only keeps us from more.
        uri = f"{database.resolve().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.execute("PRAGMA query_only = ON")
            yield connection


def step_columns(database: Path) -> dict[str, list[str]]:
    """Return the columns, named as in study tables, of every table that a step has written.

    :raises ResultsError: the database cannot be read, or its columns are those of another version.
    """
    with open_results(database) as connection:
        stored = {table: _columns(connection, table) for table in present(connection)}
    check_columns(f"'{database}'", stored, metadata())
    found = {table: [study_name(name) for name in names] for table, names in stored.items()}
    for table, names in found.items():
        for name in names:
            _check_column(database, table, name)
    return found


def step_rows(run_id: str, step: str, database: Path) -> Generator[Rows]:
    """Yield the rows of every table that a step has written, with `run_id` and `step` in front.

    :raises ResultsError: the database cannot be read.
    """
    with open_results(database) as connection:
        for table in present(connection):
            names = _columns(connection, table)
            chosen = ", ".join(f'"{name}"' for name in names)
            query = f'SELECT ?, ?, {chosen} FROM "{table}"'
            columns = ("run_id", "step", *map(study_name, names))
            with closing(_taken(connection.execute(query, (run_id, step)), database)) as rows:
                yield Rows(table, columns, rows)


def present(connection: sqlite3.Connection) -> list[str]:
    """Return the collected tables that a step's database has."""
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    return [name for name in collected() if name in found]


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    query = "SELECT name FROM pragma_table_info(?)"
    return [name for (name,) in connection.execute(query, (table,))]


def _check_column(database: Path, table: str, name: str) -> None:
    try:
        study_column(table, name)
    except ValueError as error:
        raise ResultsError(f"'{database}' is of another version: {error}") from None


def _taken(rows: sqlite3.Cursor, database: Path) -> Generator[Row]:
    """Yield the same rows; complaints are about this database, whoever reads them."""
    with _readable(database):
        yield from rows


@contextmanager
def _readable(database: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise ResultsError(f"'{database}' cannot be read: {error}") from None
