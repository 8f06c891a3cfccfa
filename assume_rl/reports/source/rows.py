"""The result rows of one step of one run, wherever they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Engine, Subquery, Table

from assume_rl.results.database import check_columns, readable_errors
from assume_rl.results.secrets import shown_url
from assume_rl.results.spreadsheets import is_text
from assume_rl.results.study_engine import reading


@dataclass(frozen=True)
class Recorded:
    """Result tables of a step; queries are filtered in SQL to its rows.

    :param tables: as the database has them: those of a run or those of a study.
    :param keys: columns and the values that tell this step's rows from others.
    """

    run_id: str
    step: str  # empty where a run is one experiment
    label: str  # short, different from those of other runs in the same report
    engine: Engine
    tables: Mapping[str, Table]
    keys: Mapping[str, str]

    @cached_property
    def present(self) -> frozenset[str]:
        """Return the tables that the database has.

        :raises ResultsError: one of them lacks columns, since it is of an earlier version.
        """
        with readable_errors(self.engine.url), reading(self.engine) as connection:
            found = sa.inspect(connection).get_multi_columns()
        names = {table: [str(c["name"]) for c in columns] for (_, table), columns in found.items()}
        expected = next(iter(self.tables.values())).metadata
        check_columns(f"database {shown_url(self.engine.url)}", names, expected)
        return frozenset(names)

    def rows(self, table: str, *columns: str) -> Subquery:
        """Return this step's rows of a table, for queries."""
        source = self.tables[table]
        chosen = [source.c[name] for name in columns]
        return (
            sa.select(*chosen).where(*(source.c[k] == v for k, v in self.keys.items())).subquery()
        )

    def has(self, table: str) -> bool:
        """Return whether the step has written rows to a table."""
        if table not in self.present:
            return False
        key = next(iter(self.keys))
        return not self.frame(sa.select(self.rows(table, key)).limit(1)).empty

    def frame(self, query: sa.Select[Any]) -> pd.DataFrame:
        """Return what a query finds; numbers that are missing are not numbers.

        Columns of text hold objects, whatever version of pandas reads them, as empty ones do.
        """
        with readable_errors(self.engine.url), reading(self.engine) as connection:
            found = pd.read_sql_query(query, connection)
        return found.astype({name: object for name in found if is_text(found[name])})

    def number(self, query: sa.Select[Any]) -> int:
        """Return a count."""
        with readable_errors(self.engine.url), reading(self.engine) as connection:
            return int(connection.execute(query).scalar_one())
