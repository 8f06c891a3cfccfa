"""Where result rows go: a database or memory.

A sink takes one batch of finished rows at a time, column by column.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol, Self

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy import Table

from assume_rl.errors import ResultsError
from assume_rl.results.database import (
    check_columns,
    create_engine,
    insert,
    insert_sqlite,
    readable_errors,
    sqlite_file,
)
from assume_rl.results.secrets import shown_url
from assume_rl.results.simulation_lock import writing_alone
from assume_rl.results.tables import (
    LEARNING_TABLES,
    NUMBERED,
    column_of,
    metadata,
    row_tables,
    table_of,
)

__all__ = ["Columns", "DatabaseSink", "MemorySink", "Sink"]

PATIENCE = 600
"""Seconds for which a batch waits for readers of an SQLite file, such as exports of much."""

Columns = Mapping[str, Sequence[Any] | NDArray[Any]]


class Sink(Protocol):
    """Takes finished rows."""

    def write(self, table: str, columns: Columns) -> None:
        """Append rows to `table`: columns of equal length, times as `datetime64` (UTC)."""
        ...

    def close(self) -> None:
        """Note that no more rows will come."""
        ...


class MemorySink:
    """Keeps everything in memory."""

    def __init__(self) -> None:
        self._batches: dict[str, list[dict[str, NDArray[Any]]]] = {}

    def write(self, table: str, columns: Columns) -> None:
        """Keep the rows."""
        _count_rows(table, columns)
        batch = {name: np.asarray(values) for name, values in columns.items()}
        self._batches.setdefault(table, []).append(batch)

    def table(self, name: str) -> dict[str, NDArray[Any]]:
        """Return all rows of a table so far; empty if there are none.

        A column that some rows lack, such as `actions_1` of agents with one action, is NaN there.
        """
        batches = self._batches.get(name, [])
        names = dict.fromkeys(column for batch in batches for column in batch)
        return {column: np.concatenate([_column(b, column) for b in batches]) for column in names}

    def close(self) -> None:
        """Keep the rows readable."""


def _column(batch: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    if name in batch:
        return batch[name]
    return np.full(len(next(iter(batch.values()))), np.nan)


def configuration_hash(configuration: Mapping[str, Any]) -> str:
    """Return the sha256 of the text that `runs` holds, which identifies a configuration."""
    return hashlib.sha256(_as_text(configuration).encode()).hexdigest()


class DatabaseSink:
    """Writes result tables; each batch is one transaction, so finished ones survive a crash.

    Rows of the same `simulation` are deleted with the first batch, in its transaction, so that a
    run that cannot begin removes none; those of the learning tables only with `clear_learning`,
    which is for a training that begins with episode 1. Raises `ResultsError` if the database cannot
    be opened or written.

    Nobody else can write the simulation meanwhile, see `writing_alone`.

    :param tables: see `results.tables.chosen_tables`; rows of other ones are dropped, except of
        `runs` and of those that describe units; None: all tables
    """

    def __init__(
        self,
        url: str,
        simulation: str,
        *,
        clear_learning: bool = False,
        tables: Collection[str] | None = None,
    ) -> None:
        self.simulation = simulation
        self._dropped = frozenset() if tables is None else {*row_tables()} - {*tables}
        self._engine = create_engine(url)
        self._numbers = dict.fromkeys(NUMBERED, 0)
        self._replaced = _replaced_rows(simulation, clear_learning)
        self._created: datetime | None = None
        self._file: tuple[int, int] | None = None
        with ExitStack() as opened:
            opened.callback(self._engine.dispose)
            with self._failing():
                self._connection = opened.enter_context(self._engine.connect())
                opened.enter_context(writing_alone(self._connection, simulation))
                self._known = self._prepare()
            self._opened = opened.pop_all()

    def stores(self, table: str) -> bool:
        """Return whether rows of a table are stored."""
        return table not in self._dropped

    def write(self, table: str, columns: Columns) -> None:
        """Append rows to `table` in one transaction."""
        rows = _count_rows(table, columns)
        if not rows or not self.stores(table):
            return
        values = {name: np.asarray(column) for name, column in columns.items()}
        if table in self._numbers:
            first = self._numbers[table]
            self._numbers[table] += rows
            values.setdefault("index", np.arange(first, first + rows))
        with self._failing(), self._connection.begin():
            for statement in self._replaced:
                self._connection.execute(statement)
            self._add_columns(table_of(table), values)
            self._insert(table_of(table), values)
        self._replaced = ()

    def start_run(
        self, *, seed: int | None, versions: Mapping[str, str], configuration: Mapping[str, Any]
    ) -> None:
        """Add this simulation's row to `runs`, as running."""
        self._created = datetime.now(UTC).replace(tzinfo=None, microsecond=0)  # as any server
        row = {
            "created": self._created,
            "state": "running",
            "seed": seed,
            "versions": json.dumps(versions, sort_keys=True),
            "configuration": _as_text(configuration),
            "configuration_hash": configuration_hash(configuration),
        }
        self.write("runs", {name: [value] for name, value in row.items()})

    def update_run(self, **values: Any) -> None:
        """Change columns of this simulation's row in `runs`.

        :raises ResultsError: it is not there any more
        """
        runs = table_of("runs")
        own = (runs.c.simulation == self.simulation) & (runs.c.created == self._created)
        self._check_file()
        with self._failing(), self._connection.begin():
            changed = self._connection.execute(runs.update().where(own).values(**values)).rowcount
        if changed != 1:
            raise self._lost()

    def finish_run(self, final_hash: str | None = None) -> None:
        """Mark the run as finished."""
        now = datetime.now(UTC).replace(tzinfo=None)
        self.update_run(state="finished", finished=now, final_hash=final_hash)

    def read(self, statement: sa.Select[Any]) -> list[tuple[Any, ...]]:
        """Return the rows that a query finds."""
        with self._failing(), self._connection.begin():
            return [tuple(row) for row in self._connection.execute(statement)]

    def close(self) -> None:
        """Give the connection back."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            with readable_errors(self._engine.url):
                yield
        except ResultsError:
            self._check_file()  # which would explain it
            raise

    def _check_file(self) -> None:
        """Raise `ResultsError` if the file that rows go to is not where it was."""
        if self._file is not None and self._file != sqlite_file(self._engine.url):
            raise self._lost() from None

    def _lost(self) -> ResultsError:
        where = shown_url(self._engine.url)
        return ResultsError(
            f"database {where}: the run '{self.simulation}' was deleted or replaced while this "
            "process wrote to it: its results are not there"
        )

    def _prepare(self) -> dict[str, set[str]]:
        """Create missing tables and columns; return columns by table."""
        with self._connection.begin():
            if self._engine.dialect.name == "sqlite":  # readers may take long to export much
                self._connection.exec_driver_sql(f"PRAGMA busy_timeout = {1000 * PATIENCE}")
            metadata().create_all(self._connection)
            self._file = sqlite_file(self._engine.url)
            inspector = sa.inspect(self._connection)
            known = {}
            for name in metadata().tables:
                known[name] = {column["name"] for column in inspector.get_columns(name)}
            check_columns(f"database {shown_url(self._engine.url)}", known, metadata())
        return known

    def _add_columns(self, table: Table, names: Mapping[str, Any]) -> None:
        """Add the columns that depend on the run."""
        if not names.keys() - self._known[table.name]:
            return
        # Another simulation that is written to the same database may have added them meanwhile.
        inspector = sa.inspect(self._connection)
        self._known[table.name] |= {c["name"] for c in inspector.get_columns(table.name)}
        prepare = self._engine.dialect.identifier_preparer
        for name in sorted(names.keys() - self._known[table.name]):
            kind = column_of(table, name).type.compile(self._engine.dialect)
            self._connection.exec_driver_sql(
                f"ALTER TABLE {prepare.format_table(table)} ADD COLUMN {prepare.quote(name)} {kind}"
            )
            self._known[table.name].add(name)

    def _insert(self, table: Table, values: Mapping[str, NDArray[Any]]) -> None:
        sqlite = self._engine.dialect.name == "sqlite"
        append = insert_sqlite if sqlite else insert
        append(self._connection, table, self.simulation, values)


def _replaced_rows(simulation: str, clear_learning: bool) -> tuple[sa.Delete, ...]:
    """Return statements that delete an earlier run of a simulation, see `DatabaseSink`."""
    found = []
    for name, table in metadata().tables.items():
        old = table.delete().where(table.c.simulation == simulation)
        if clear_learning or name not in LEARNING_TABLES:
            found.append(old)
        elif name == "rl_params":  # of a training, only its recorded run is replaced
            found.append(old.where(table.c.episode == 0))
    return tuple(found)


def _as_text(configuration: Mapping[str, Any]) -> str:
    return json.dumps(configuration, sort_keys=True, default=str)


def _count_rows(table: str, columns: Columns) -> int:
    """Return the row count of a batch; `ValueError` if the table, a column or a length is wrong."""
    for name in columns:
        column_of(table_of(table), name)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns for '{table}' have different lengths: {lengths}")
    return next(iter(lengths.values()), 0)
