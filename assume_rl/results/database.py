"""Engines and fast inserts: the database functions that sinks need."""

import math
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.util import find_spec
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy import Column, Connection, Engine, MetaData, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from assume_rl.errors import ResultsError, install
from assume_rl.results.secrets import shown_url, without_passwords
from assume_rl.results.tables import column_of

Arrays = Mapping[str, NDArray[Any]]

SQLITE_VALUES = 900  # of one statement; SQLite before 3.32 takes no more than 999


def create_engine(url: str, **options: Any) -> Engine:
    """Return the engine for a database URL; `ResultsError` if the URL or driver is unknown.

    :param options: as SQLAlchemy takes them.
    """
    try:
        made = _with_driver(sa.make_url(url))
        if "@" in (made.host or ""):  # of which messages would show a part
            raise ResultsError("database URL: write each @ in the password as %40")
        engine = sa.create_engine(made, **options)
    except NoSuchModuleError:
        scheme = url.split("://", maxsplit=1)[0]
        raise ResultsError(f"database URL: SQLAlchemy knows no '{scheme}'") from None
    except (ArgumentError, ValueError):
        raise ResultsError(
            "the database URL cannot be understood, expected one such as sqlite:///results.db"
        ) from None
    except ModuleNotFoundError as error:
        hint = f": {install('postgres')}" if error.name == "psycopg" else ""
        message = f"database URL: the driver '{error.name}' is not installed{hint}"
        raise ResultsError(message) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _tune_sqlite)
    return engine


def _with_driver(url: sa.URL) -> sa.URL:
    """Return the URL with psycopg, our extra, for plain `postgresql://` without psycopg2."""
    if url.drivername == "postgresql" and find_spec("psycopg2") is None:
        return url.set(drivername="postgresql+psycopg")
    return url


def in_memory(url: sa.URL) -> bool:
    """Return whether a database is gone as soon as nothing is connected to it."""
    file = url.database or ""
    memory = ":memory:" in file or "mode=memory" in file or url.query.get("mode") == "memory"
    return url.get_backend_name() == "sqlite" and (memory or not file)


def check_kept(url: str) -> None:
    """Raise `ResultsError` if a database URL cannot be understood, or results would not be kept."""
    with suppress(ArgumentError):  # which `create_engine` reports
        if in_memory(sa.make_url(url)):
            raise ResultsError(
                "results in an SQLite database in memory would be lost; name a file, such as "
                "sqlite:///results.db"
            )
    create_engine(url).dispose()


def sqlite_file(url: sa.URL) -> tuple[int, int] | None:
    """Return an id of the file of an SQLite database; None: there is no such file."""
    if url.get_backend_name() != "sqlite" or (url.database or "").startswith("file:"):
        return None
    try:
        found = Path(url.database or "").stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def check_there(engine: Engine) -> None:
    """Raise `ResultsError` if it is an SQLite file that is not there: opening would make one."""
    file = engine.url.database or ""
    if engine.dialect.name == "sqlite" and not (file.startswith("file:") or Path(file).is_file()):
        raise ResultsError(f"there is no database '{file}'")


def check_columns(where: str, found: Mapping[str, Collection[str]], expected: MetaData) -> None:
    """Raise `ResultsError` if a table lacks columns, as it does in results of an earlier version.

    :param where: the database, as a message names it
    :param found: columns that it has, by table
    :param expected: the tables that it may have; those that are missing are no error
    """
    for name, table in expected.tables.items():
        missing = [c.name for c in table.columns if c.name not in found.get(name, table.columns)]
        if missing:
            raise ResultsError(
                f"{where} was written by an earlier version: its table '{name}' has no "
                f"{', '.join(missing)}; run again into a new database"
            )


def check_database(url: str) -> None:
    """Raise `ResultsError` unless the database can be opened."""
    engine = create_engine(url)
    try:
        with readable_errors(engine.url), engine.connect():
            pass
    finally:
        engine.dispose()


def insert(connection: Connection, table: Table, simulation: str, values: Arrays) -> None:
    """Append rows through SQLAlchemy's types: any database."""
    names = [*values, "simulation"]
    lists = [_plain(column_of(table, name), column) for name, column in values.items()]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*lists, repeat(simulation))]
    connection.execute(_target(table, values).insert(), rows)


def insert_sqlite(connection: Connection, table: Table, simulation: str, values: Arrays) -> None:
    """Insert the same into SQLite, straight through its driver and many rows per statement."""
    lists: dict[str, Iterable[Any]] = {
        name: _sqlite(column_of(table, name), column) for name, column in values.items()
    }
    lists["simulation"] = repeat(simulation)
    statement, row, order = _sqlite_statement(table, tuple(lists))
    cells = chain.from_iterable(zip(*(lists[name] for name in order), strict=False))
    limit = max(SQLITE_VALUES // len(order), 1) * len(order)
    driver: Any = connection.connection.driver_connection
    while chunk := tuple(islice(cells, limit)):
        driver.execute(statement + f", {row}" * (len(chunk) // len(order) - 1), chunk)


@lru_cache(maxsize=64)
def _sqlite_statement(table: Table, names: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    """Return the statement that inserts a row, its values, and the order in which it takes them."""
    target = _target(table, names)
    compiled = target.insert().compile(dialect=sqlite.dialect(), column_keys=list(names))
    order = tuple(compiled.positiontup or names)
    return str(compiled), f"({', '.join('?' * len(order))})", order


def _target(table: Table, names: Iterable[str]) -> Any:
    """Return the table with the columns `names`, those of families included."""
    if all(name in table.columns for name in names):
        return table
    own = [name for name in names if name != "simulation"]
    columns = [sa.column(name, column_of(table, name).type) for name in own]
    return sa.table(table.name, *columns, sa.column("simulation"))


def _plain(column: Column[Any], values: NDArray[Any]) -> list[Any]:
    """Return Python values of one column; not-a-number and not-a-time become NULL."""
    if isinstance(column.type, sa.DateTime):
        moments: list[Any] = values.astype("datetime64[us]").tolist()
        return moments
    if isinstance(column.type, sa.Boolean):
        return [None if v is None else bool(v) for v in values.tolist()]
    plain: list[Any] = values.tolist()
    if values.dtype.kind == "f" and np.isnan(values).any():
        return [None if math.isnan(v) else v for v in plain]
    return plain


def _sqlite(column: Column[Any], values: NDArray[Any]) -> list[Any]:
    """Return the same as SQLite stores it: dates as text; its driver makes NULL of not-a-number."""
    if not isinstance(column.type, sa.DateTime):
        plain: list[Any] = values.tolist()
        return plain
    # Neighbouring rows often have the same date.
    exact = values.astype("datetime64[us]")
    changes = np.flatnonzero(exact[1:] != exact[:-1]) + 1
    starts = np.concatenate([[0], changes])
    moments, index = np.unique(exact[starts], return_inverse=True)
    texts = [None if m is None else m.isoformat(" ", "microseconds") for m in moments.tolist()]
    lengths = np.diff(starts, append=len(exact))
    dates: list[Any] = np.array(texts, dtype=object)[index].repeat(lengths).tolist()
    return dates


def _tune_sqlite(connection: Any, _: object) -> None:
    """Set one flush per batch, which is enough for it to survive the death of the process."""
    connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def readable_errors(url: sa.URL) -> Iterator[None]:
    """Turn a database's complaints into one sentence, without the password."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise complaint(url, error) from None


def complaint(url: sa.URL, error: Exception) -> ResultsError:
    """Return an error with the database's complaint in one sentence, without the password."""
    cause = getattr(error, "orig", None) or error
    reason = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    return ResultsError(f"database {shown_url(url)}: {without_passwords(url, reason)}")
