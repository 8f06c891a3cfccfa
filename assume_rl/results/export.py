"""Tables of a database as files: CSV with every digit, or Parquet with every type.

Rows are streamed; a file appears when it is whole.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Column, Connection, CursorResult, Engine

from assume_rl.errors import ResultsError
from assume_rl.files import replacing
from assume_rl.results.database import check_there, create_engine, readable_errors
from assume_rl.results.destinations import (
    Ours,
    check_replaceable,
    check_table_files,
    has_header,
    remove_stale,
)
from assume_rl.results.parquet import Group, check_parquet, parquet_writer
from assume_rl.results.spreadsheets import plain, plain_frame
from assume_rl.results.study_reading import FIRST, tidy
from assume_rl.results.study_tables import study_column, study_metadata
from assume_rl.results.tables import column_of, metadata, table_of

AT_ONCE = 10_000  # rows that are fetched together
UNITS = "_meta"  # ends the names of tables that describe units
GROUP = 100_000  # rows of a row group in Parquet


class Stored(NamedTuple):
    """A table as a database has it."""

    name: str
    columns: tuple[Column[Any], ...]


def export_csv(
    database: str | Engine,
    folder: Path,
    simulation: str | None = None,
    *,
    overwrite: bool = False,
    formulas: bool = False,
) -> list[Path]:
    """Write every table that has rows to `<folder>/<table>.csv`, numbers in full precision.

    They replace those of an earlier export.

    :param simulation: only this one's rows; None: all
    :param overwrite: whether files may be replaced that no export wrote
    :param formulas: see `spreadsheets.plain`
    :returns: the files written
    :raises ResultsError: the database cannot be read, or a file not be written
    """
    written = []
    keep = _anything if formulas else plain
    with _connected(database) as connection:
        tables = result_tables(connection)
        names = [table.name for table in tables]
        check_table_files(folder, "csv", names, overwrite=overwrite)
        for table in tables:
            with closing(_rows(connection, table, simulation)) as rows:
                first = rows.fetchone()
                if first is not None:
                    written.append(Path(folder) / f"{table.name}.csv")
                    _write_csv(written[-1], table, chain([first], rows), keep)
    if written:
        remove_stale(folder, "csv", written)
    return written


def export_parquet(database: str | Engine, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write every table that has rows to `<folder>/<table>.parquet`; returns the files written.

    Times are microseconds in UTC, what is missing is null, units are the fields' metadata. They
    replace those of an earlier export.

    :param overwrite: whether files may be replaced that no export wrote
    :raises ConfigurationError: the extra `parquet` is not installed.
    :raises ResultsError: the database cannot be read, or a file not be written
    """
    check_parquet()
    written = []
    with _connected(database) as connection:
        tables = result_tables(connection)
        names = [table.name for table in tables]
        check_table_files(folder, "parquet", names, overwrite=overwrite)
        for table in tables:
            with closing(_rows(connection, table)) as rows:
                groups = rows.partitions(GROUP)
                first = next(groups, None)
                if first is not None:
                    written.append(Path(folder) / f"{table.name}.parquet")
                    _write_parquet(written[-1], table, chain([first], groups))
    if written:
        remove_stale(folder, "parquet", written)
    return written


def export_tidy(url: str, file: Path, *, overwrite: bool = False, formulas: bool = False) -> None:
    """Write a study's runs and metrics to one CSV file, a row per run: see `tidy`.

    :param overwrite: whether a file may be replaced that is no such table
    :param formulas: see `spreadsheets.plain`
    """
    export_frame(tidy(url), file, has_header(*FIRST), overwrite=overwrite, formulas=formulas)


def export_frame(
    frame: pd.DataFrame, file: Path, ours: Ours, *, overwrite: bool, formulas: bool
) -> None:
    """Write a data frame to a CSV file, without its index.

    :param ours: what recognises a file that may be replaced
    :param overwrite: whether any other one may be replaced too
    :param formulas: see `spreadsheets.plain`
    :raises ResultsError: the file is not to be replaced, or cannot be written
    """
    check_replaceable(file, ours, overwrite=overwrite)
    with replacing(file, ResultsError) as path:
        (frame if formulas else plain_frame(frame)).to_csv(path, index=False, lineterminator="\n")


@contextmanager
def _connected(database: str | Engine) -> Iterator[Connection]:
    engine = create_engine(database) if isinstance(database, str) else database
    check_there(engine)
    try:
        with readable_errors(engine.url), engine.connect() as connection:
            yield connection
    finally:
        if isinstance(database, str):
            engine.dispose()


def result_tables(connection: Connection) -> list[Stored]:
    """Return the result tables in a database of runs or of a study, as they are there."""
    found = sa.inspect(connection).get_multi_columns()
    names = {table: [str(c["name"]) for c in columns] for (_, table), columns in found.items()}
    of_study = "run_id" in names.get("runs", ())
    known = study_metadata() if of_study else metadata()
    describe = study_column if of_study else _run_column
    return [
        Stored(table, tuple(_described(describe, table, name) for name in names[table]))
        for table in known.tables
        if table in names
    ]


def unknown_kinds(database: str) -> tuple[str, ...]:
    """Return a sentence on each table of units whose kind is not known, which is left out."""
    with _connected(database) as connection:
        names = sa.inspect(connection).get_table_names()
    return tuple(
        f"table '{name}' is of a unit kind that nothing here knows, of a plug-in perhaps: it is "
        "left out."
        for name in sorted(names)
        if name.endswith(UNITS) and name not in metadata().tables
    )


def _run_column(table: str, name: str) -> Column[object]:
    return column_of(table_of(table), name)


def _described(
    describe: Callable[[str, str], Column[object]], table: str, name: str
) -> Column[Any]:
    """Return a column with its type and unit; a column added by hand has neither."""
    try:
        column = describe(table, name)
    except ValueError:
        return Column(name, sa.types.NullType())
    return Column(name, column.type, comment=column.comment)


def _rows(
    connection: Connection, table: Stored, simulation: str | None = None
) -> CursorResult[Any]:
    """Return the driver's own values, unconverted, as they are fetched."""
    columns: list[sa.ColumnElement[Any]] = [sa.column(c.name) for c in table.columns]
    query = sa.select(*columns).select_from(sa.table(table.name))
    if simulation is not None:
        query = query.where(sa.column("simulation") == simulation)
    return connection.execution_options(yield_per=AT_ONCE).execute(query)


def _write_csv(
    path: Path, table: Stored, rows: Iterable[Sequence[Any]], keep: Callable[[Any], Any]
) -> None:
    with (
        replacing(path, ResultsError) as part,
        part.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(keep(column.name) for column in table.columns)
        writer.writerows([keep(_as_sqlite_has_it(value)) for value in row] for row in rows)


def _anything(value: Any) -> Any:
    return value


def _write_parquet(path: Path, table: Stored, groups: Iterable[Group]) -> None:
    with (
        replacing(path, ResultsError) as part,
        parquet_writer(part, table.name, table.columns) as write,
    ):
        for group in groups:
            write(group)


def _as_sqlite_has_it(value: Any) -> Any:
    """Return the value as SQLite has it, so that the text does not depend on the database."""
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    return int(value) if isinstance(value, bool) else value
