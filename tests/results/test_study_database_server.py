"""A database server that goes away, refuses, or comes back."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGINT, SIGQUIT, Signals

import pytest
import sqlalchemy as sa
from postgres import Server, wait_until
from study_folders import run_folder, write_step

from assume_rl.errors import ResultsError
from assume_rl.results import study_database
from assume_rl.results.database import create_engine
from assume_rl.results.gather import gather
from assume_rl.results.study_database import StudyDatabase, read


def stop_in_the_middle(
    monkeypatch: pytest.MonkeyPatch, server: Server, how: Signals = SIGINT
) -> None:
    """Stop the server when the next run's rows are half written."""
    append = study_database.append

    def stopping(connection: sa.Connection, table: sa.Table, *rest: object) -> None:
        if table.name == "unit_dispatch":
            monkeypatch.setattr(study_database, "append", append)
            server.stop(how)
        append(connection, table, *rest)

    monkeypatch.setattr(study_database, "append", stopping)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(SIGINT, marks=pytest.mark.slow, id="stopped"),
        pytest.param(SIGQUIT, id="crashed"),
    ],
)
def test_a_server_that_goes_away_loses_and_doubles_nothing(
    server: Server,
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: Signals,
) -> None:
    folder = run_folder(tmp_path)
    with StudyDatabase(postgres_url, patience=0.3) as database:
        database.collect(gather(folder))
        write_step(folder, "run", rows=5, mark=2.0)
        stop_in_the_middle(monkeypatch, server, how)
        try:
            with pytest.raises(ResultsError) as caught:
                database.collect(gather(folder))
        finally:
            server.start()
        assert set(read(postgres_url, "unit_dispatch")["power"].dropna()) == {1.0}

        database.collect(gather(folder))

    assert str(caught.value).startswith("database postgresql+psycopg://tester:***@127.0.0.1")
    assert "\n" not in str(caught.value)
    assert read(postgres_url, "unit_dispatch")["power"].dropna().tolist() == [2.0] * 5


def test_a_server_that_comes_back_in_time_is_not_noticed(
    server: Server, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_folder(tmp_path)
    with StudyDatabase(postgres_url, patience=30) as database, ThreadPoolExecutor() as threads:
        stop_in_the_middle(monkeypatch, server)
        done = threads.submit(database.collect, gather(folder))
        wait_until(lambda: not server.running)
        time.sleep(0.5)
        server.start()
        done.result()
        assert database.known() == {"a": "finished"}
    assert len(read(postgres_url, "unit_dispatch")) == 4


@pytest.mark.parametrize(
    ("login", "message"),
    [
        ({"password": "wrong"}, "password authentication failed"),
        ({"database": "elsewhere"}, 'database "elsewhere" does not exist'),
    ],
)
def test_a_server_that_refuses_is_not_asked_again(
    server: Server, login: dict[str, str], message: str
) -> None:
    url = server.url(**login)
    with pytest.raises(ResultsError, match=message) as caught:  # with a minute of patience
        StudyDatabase(url)
    assert "wrong" not in str(caught.value)
    assert server.password not in str(caught.value)


def test_plain_postgresql_means_psycopg(server: Server) -> None:
    url = server.url().replace("+psycopg", "")
    with StudyDatabase(url) as database:
        assert database.known() == {}
    engine = create_engine(url)
    assert engine.driver == "psycopg"


def test_a_missing_driver_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")

    monkeypatch.setattr(sa, "create_engine", missing)
    with pytest.raises(ResultsError, match=r"pip install 'assume-rl\[postgres\]'"):
        create_engine("postgresql://host/db")
