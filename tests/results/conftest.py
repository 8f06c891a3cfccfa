"""Databases that the tests of results share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from postgres import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A running PostgreSQL server; a test that stops it starts it again."""
    pytest.importorskip("psycopg")
    server = Server()
    server.start()
    yield server
    server.close()


@pytest.fixture
def postgres_url(server: Server, tmp_path: Path) -> str:
    """URL of an empty database on the server."""
    name = f"t{abs(hash(tmp_path))}"
    engine = sa.create_engine(server.url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return server.url(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a database in a file that is not there yet."""
    return f"sqlite:///{tmp_path / 'study.db'}"


@pytest.fixture(params=["sqlite_url", "postgres_url"], ids=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """Each kind of study database."""
    found: str = request.getfixturevalue(request.param)
    return found
