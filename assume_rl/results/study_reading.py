"""Study databases as data frames."""

import json
from collections.abc import Collection
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Connection, DateTime, Engine, Float

from assume_rl.errors import ResultsError, nearest
from assume_rl.results.database import check_there
from assume_rl.results.secrets import shown_url
from assume_rl.results.study_engine import patiently, reading, study_engine
from assume_rl.results.study_schema import columns_of
from assume_rl.results.study_tables import study_column, tables_with

PATIENCE = 60.0  # seconds that a locked database is waited for
MANY = 1_000  # run ids in one query; databases set a limit
FIRST = ("run_id", "study", "design", "scenario", "case", "seed", "state")


def read(url: str, table: str, run_ids: Collection[str] | None = None) -> pd.DataFrame:
    """Return a table of a study database: flags and counts may be missing, times are UTC.

    Rows are sorted by run and step; those of a step come as the database has them.

    :param run_ids: only these runs' rows; None: all.
    :raises ResultsError: there is no such table or no such database.
    """
    known = tables_with(table).tables
    if table not in known:
        raise ResultsError(f"a study has no table '{table}'; {nearest(table, map(str, known))}")
    engine = existing_study(url)

    def look() -> pd.DataFrame:
        with reading(engine) as connection:
            return _read(connection, table, run_ids)

    return patiently(engine, PATIENCE, look)


def tidy(url: str) -> pd.DataFrame:
    """Return a row per run: labels, parameters, and metrics as `<step>.<name>`.

    Sorted by design and seed, columns by name: equal studies give equal CSV files.

    :raises ResultsError: there is no such database.
    """
    engine = existing_study(url)

    def look() -> tuple[pd.DataFrame, pd.DataFrame]:
        with reading(engine) as connection:
            return _read(connection, "runs", None), _read(connection, "metrics", None)

    runs, metrics = patiently(engine, PATIENCE, look)
    parameters = pd.DataFrame(
        [json.loads(text) for text in runs["parameters"]], index=runs["run_id"], dtype=object
    )
    parameters = parameters[sorted(str(name) for name in parameters if name not in FIRST)]
    figures = metrics.assign(name=metrics["step"] + "." + metrics["name"])
    wide = figures.pivot(index="run_id", columns="name", values="value").sort_index(axis="columns")
    found = runs[list(FIRST)].set_index("run_id").join([parameters, wide])
    return found.reset_index().sort_values(["study", "design", "seed", "run_id"], ignore_index=True)


def existing_study(url: str) -> Engine:
    """Return the engine for an existing study database; SQLite would create a missing one."""
    engine = study_engine(url, PATIENCE)
    check_there(engine)
    return engine


def _read(connection: Connection, table: str, run_ids: Collection[str] | None) -> pd.DataFrame:
    columns = columns_of(connection, tables_with(table)).get(table)
    if columns is None:
        where = shown_url(connection.engine.url)
        raise ResultsError(f"database {where} holds no study: it has no table '{table}'")
    # Without types: the driver's own values, which pandas converts faster than SQLAlchemy.
    chosen: list[sa.ColumnElement[Any]] = [sa.column(name) for name in columns]
    query = sa.select(*chosen).select_from(sa.table(table))
    parts = [
        pd.DataFrame(connection.execute(part).fetchall(), columns=columns, dtype=object)
        for part in _parts(query, run_ids)
    ]
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    for name in columns:
        frame[name] = _typed(frame[name], study_column(table, name).type)
    keys = [key for key in ("run_id", "step") if key in columns]
    return frame.sort_values(keys, kind="stable", ignore_index=True)


def _parts(query: sa.Select[Any], run_ids: Collection[str] | None) -> list[sa.Select[Any]]:
    """Return the query for all runs, or several queries for some runs each."""
    if run_ids is None:
        return [query]
    ids = sorted(set(run_ids))
    starts = range(0, max(len(ids), 1), MANY)
    return [query.where(sa.column("run_id").in_(ids[k : k + MANY])) for k in starts]


def _typed(values: pd.Series, kind: sa.types.TypeEngine[object]) -> pd.Series:
    """Return the same values with the type of the column, whatever is missing in it."""
    if isinstance(kind, DateTime):
        return pd.to_datetime(values, format="ISO8601")
    if isinstance(kind, Boolean):
        return values.astype("boolean")
    if isinstance(kind, BigInteger):
        return values.astype("Int64")
    return values.astype(float) if isinstance(kind, Float) else values
