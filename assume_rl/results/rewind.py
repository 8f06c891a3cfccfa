"""Takes results back to an earlier moment of their training."""

from pathlib import Path

import sqlalchemy as sa

from assume_rl.errors import ResultsError
from assume_rl.files import write_file
from assume_rl.results.database import create_engine, readable_errors
from assume_rl.results.tables import LEARNING_TABLES, table_of


def rewind_tables(url: str, simulation: str, *, episodes: int, evaluations: int) -> None:
    """Delete rows of later episodes and evaluations from the learning tables."""
    engine = create_engine(url)
    try:
        with readable_errors(engine.url), engine.begin() as connection:
            known = set(sa.inspect(connection).get_table_names())
            for table in (table_of(name) for name in LEARNING_TABLES if name in known):
                last = sa.case((table.c.evaluation_mode, evaluations), else_=episodes)
                later = (table.c.simulation == simulation) & (table.c.episode > last)
                connection.execute(table.delete().where(later))
    finally:
        engine.dispose()


def learning_rows(url: str, simulation: str) -> int:
    """Return the number of rows of a training in the learning tables, without its recorded run."""
    engine = create_engine(url)
    try:
        with readable_errors(engine.url), engine.connect() as connection:
            known = set(sa.inspect(connection).get_table_names())
            counts = [
                sa.select(sa.func.count())
                .select_from(table)
                .where(table.c.simulation == simulation, table.c.episode > 0)
                for table in (table_of(name) for name in LEARNING_TABLES if name in known)
            ]
            return sum(connection.execute(count).scalar_one() for count in counts)
    finally:
        engine.dispose()


def rewind_lines(path: Path, lines: int) -> list[str]:
    """Keep the first `lines` lines of a file, if complete, and return them.

    :raises ResultsError: there are fewer, or the file cannot be written.
    """
    try:
        kept = path.read_text(encoding="utf-8").splitlines(keepends=True)[:lines]
        whole = len(kept) == lines and all(line.endswith("\n") for line in kept)
        if not whole:
            raise ResultsError(f"'{path}' lacks lines that were written before its checkpoint")
    except OSError as error:
        raise ResultsError(f"'{path}' cannot be written: {error.strerror}") from None
    write_file(path, "".join(kept).encode(), ResultsError)
    return kept
