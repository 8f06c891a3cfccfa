"""One process at a time writes a simulation to a database."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from assume_rl.results.owner import Owner, TakenError, locked
from assume_rl.results.secrets import shown_url

SPACE = 73_620_020
"""Name space of these locks among a PostgreSQL server's advisory locks."""
NAME = "assume-rl, "
"""Beginning of a connection's name on a PostgreSQL server, which says who holds a lock."""


@contextmanager
def writing_alone(connection: Connection, simulation: str) -> Iterator[None]:
    """Hold a simulation as the only process that writes it; others may be written.

    Servers other than PostgreSQL have no such locks: there, the end of a run finds out.

    :param connection: to the database, which keeps the lock as long as it is open
    :param simulation: name of the run
    :raises TakenError: another process writes it, which the message names
    """
    url = connection.engine.url
    what = f"run '{simulation}' of database {shown_url(url)}"
    file = url.database or ""
    with ExitStack() as held:
        if url.get_backend_name() == "sqlite" and not file.startswith("file:"):
            digest = hashlib.sha256(simulation.encode()).hexdigest()[:16]
            path = Path(file)
            held.enter_context(locked(path.with_name(f".{path.name}.{digest}.lock"), what))
        elif url.get_backend_name() == "postgresql":
            _hold_on_server(connection, simulation, what)
        yield


def _hold_on_server(connection: Connection, simulation: str, what: str) -> None:
    """Take an advisory lock, which ends with the connection's session."""
    given = {"space": SPACE, "simulation": simulation}
    with connection.begin():
        name = f"{NAME}{Owner.here()}"
        connection.execute(
            sa.text("SELECT set_config('application_name', :name, false)"), {"name": name}
        )
        query = sa.text("SELECT pg_try_advisory_lock(:space, hashtext(:simulation))")
        if connection.execute(query, given).scalar_one():
            return
        query = sa.text(
            "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) "
            "WHERE locktype = 'advisory' AND granted AND classid = :space "
            "AND objid = (hashtext(:simulation)::bigint & 4294967295)::oid"
        )
        found = str(connection.execute(query, given).scalar() or "")
    who = f": {found.removeprefix(NAME)}" if found.startswith(NAME) else ""
    raise TakenError(f"{what} is being written by another process{who}")
