"""The database of a study: derived from the folders of its runs, and made again from them.

Each run is collected in one transaction that replaces its rows. So a run may be collected by
several processes, twice, or again after a crash: it is there once and whole, or not at all.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import partial
from typing import Self, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

from assume_rl.errors import ResultsError
from assume_rl.results.gather import Gathered
from assume_rl.results.step_rows import Rows, step_columns, step_rows
from assume_rl.results.study_engine import append, patiently, reading, study_engine, writing
from assume_rl.results.study_reading import read, tidy
from assume_rl.results.study_schema import Names, ensure_schema
from assume_rl.results.study_tables import EPISODES, METRICS, RUNS, study_metadata

__all__ = ["RunTakenError", "StudyDatabase", "read", "tidy"]

Result = TypeVar("Result")

ATTEMPT = ("started", "finished", "seconds", "host")  # tells attempts at equal runs apart


class RunTakenError(ResultsError):
    """A run is in the database already, of another study."""


class StudyDatabase:
    """Takes finished and failed runs; SQLite, or PostgreSQL with psycopg.

    Every method waits while the database is locked or away, `patience` seconds long, and then
    raises `ResultsError`; at once where waiting would not help.

    :param url: SQLAlchemy URL, e.g. `sqlite:///study.db` or `postgresql+psycopg://user@host/name`.
    """

    def __init__(self, url: str, *, patience: float = 60.0) -> None:
        self._engine = study_engine(url, patience)
        self._patience = patience
        self._patiently(lambda: None)

    def collect(self, gathered: Gathered) -> None:
        """Replace everything that is known of a run by the gathered results, or change nothing.

        Rows are streamed: a run may have any number of them.

        :raises RunTakenError: another study has stored the run here.
        """

        def replace() -> None:
            with (
                closing(_rows(gathered)) as tables,
                writing(self._engine, gathered.run_id) as connection,
            ):
                _check_ours(connection, gathered)
                _delete(connection, gathered.run_id)
                connection.execute(RUNS.insert(), dict(gathered.run))
                for rows in tables:
                    append(connection, study_metadata().tables[rows.table], rows.columns, rows.rows)

        self._patiently(replace, _needed(gathered))

    def known(self) -> dict[str, str]:
        """Return the state of every run that has been collected, by run id."""

        def look() -> dict[str, str]:
            with reading(self._engine) as connection:
                found = connection.execute(sa.select(RUNS.c.run_id, RUNS.c.state))
                return {run_id: state for run_id, state in found}

        return self._patiently(look)

    def drop(self, run_ids: Iterable[str]) -> None:
        """Delete all rows of some runs, each in one transaction."""

        def delete(run_id: str) -> None:
            with writing(self._engine, run_id) as connection:
                _delete(connection, run_id)

        for run_id in run_ids:
            self._patiently(partial(delete, run_id))

    def close(self) -> None:
        """Release the connections of the engine."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _patiently(self, action: Callable[[], Result], needed: Names | None = None) -> Result:
        """Run an action on existing tables, also if the database was deleted meanwhile."""

        def act() -> Result:
            ensure_schema(self._engine, needed or {})
            return action()

        return patiently(self._engine, self._patience, act)


def _check_ours(connection: Connection, gathered: Gathered) -> None:
    """Raise `RunTakenError` if the run is there and is another study's.

    Equal times on an equal host tell of the same attempt, by a study that has been renamed since.
    """
    columns = [RUNS.c[name] for name in ("study", *ATTEMPT)]
    query = sa.select(*columns).where(RUNS.c.run_id == gathered.run_id)
    found = connection.execute(query).mappings().one_or_none()
    if found is None or found["study"] == gathered.run["study"]:
        return
    if any(found[name] != gathered.run[name] for name in ATTEMPT):
        raise RunTakenError(
            f"run {gathered.run_id} is in this database already, of study '{found['study']}'; "
            "give each study a database of its own"
        )


def _delete(connection: Connection, run_id: str) -> None:
    for table in study_metadata().tables.values():
        connection.execute(table.delete().where(table.c.run_id == run_id))


def _needed(gathered: Gathered) -> Names:
    """Return the columns of the run's tables."""
    needed: dict[str, set[str]] = {}
    for database in gathered.databases.values():
        for table, columns in step_columns(database).items():
            needed.setdefault(table, set()).update(columns)
    return {table: sorted(columns) for table, columns in needed.items()}


def _rows(gathered: Gathered) -> Generator[Rows]:
    """Yield all rows of a run except the one in `runs`."""
    yield Rows(METRICS.name, tuple(METRICS.columns.keys()), iter(gathered.metrics))
    yield Rows(EPISODES.name, tuple(EPISODES.columns.keys()), iter(gathered.episodes))
    for step, database in gathered.databases.items():
        with closing(step_rows(gathered.run_id, step, database)) as tables:
            yield from tables
