"""How a study database is reached: SQLite or PostgreSQL, patiently, a transaction at a time."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from assume_rl.errors import ResultsError
from assume_rl.results.database import complaint, create_engine, in_memory

Result = TypeVar("Result")

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between two attempts, doubled each time
CONNECT_SECONDS = 10  # for a server that does not answer at all
LOCKS = 73_620_019  # our name space among the server's advisory locks

# What waiting does not mend, in the words of a server that turns a connection down.
REFUSALS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "permission denied")
# Classes of SQLSTATE: connection, deadlock, resources, locks, shutdown.
PASSING = ("08", "40", "53", "55", "57")


def study_engine(url: str, patience: float) -> Engine:
    """Return the engine for a study database; every transaction opens its own connection.

    So neither a restarted server nor a file that was moved away leaves a dead one behind.

    :param patience: seconds for which a locked SQLite file is waited for.
    :raises ResultsError: no such database can be shared by the runs of a study.
    """
    engine = create_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        if in_memory(engine.url):
            raise ResultsError("a study database in memory would be lost; name a file")
        sa.event.listen(engine, "connect", _leave_transactions_to_us)
        sa.event.listen(engine, "begin", _begin_sqlite)
        defaults = {"timeout": patience}
    elif engine.driver == "psycopg":
        defaults = {"connect_timeout": CONNECT_SECONDS}
    else:
        raise ResultsError(
            "a study database is SQLite or PostgreSQL with psycopg (postgresql+psycopg://...), "
            f"not {engine.dialect.name}+{engine.driver}"
        )

    @sa.event.listens_for(engine, "do_connect")
    def _add_defaults(_: object, __: object, ___: object, options: dict[str, Any]) -> None:
        for name, value in defaults.items():
            options.setdefault(name, value)

    return engine


@contextmanager
def writing(engine: Engine, lock: str) -> Iterator[Connection]:
    """Yield a transaction; those with the same `lock` come one after the other."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
            query = sa.text("SELECT pg_advisory_xact_lock(:space, hashtext(:lock))")
            connection.execute(query, {"space": LOCKS, "lock": lock})
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a transaction that sees one state of the database and keeps no writer waiting."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.execution_options(only_reads=True).begin():
            yield connection


def append(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Add rows of plain values as they come, however many, straight through the driver."""
    quote = connection.dialect.identifier_preparer.quote
    target = f"{quote(table.name)} ({', '.join(map(quote, columns))})"
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        driver.executemany(f"INSERT INTO {target} VALUES ({marks})", rows)
        return
    with driver.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def patiently(engine: Engine, patience: float, action: Callable[[], Result]) -> Result:
    """Run an action, repeatedly while the database is locked or away.

    :raises ResultsError: it still is after `patience` seconds, or refuses for another reason.
    """
    end, pause = time.monotonic() + patience, FIRST_PAUSE
    while True:
        try:
            return action()
        except (SQLAlchemyError, engine.dialect.loaded_dbapi.Error) as error:
            if not _passes(engine, error) or time.monotonic() + pause > end:
                raise complaint(engine.url, error) from None
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _passes(engine: Engine, error: Exception) -> bool:
    """Return whether a retry may succeed after this error."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # without its extension
        return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        return str(state).startswith(PASSING)
    driver = engine.dialect.loaded_dbapi
    lost = isinstance(cause, driver.OperationalError | driver.InterfaceError)
    return lost and not any(words in str(cause) for words in REFUSALS)


def _leave_transactions_to_us(connection: Any, _: object) -> None:
    """Stop the driver from beginning transactions, and flush so that a power cut tears nothing."""
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    """Begin with a lock if writing: two writers that have read already would fail at once."""
    reads = connection.get_execution_options().get("only_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
