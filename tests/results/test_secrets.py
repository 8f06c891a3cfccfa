"""No password in anything that is shown or written, however a URL writes it."""

import traceback
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assume_rl.errors import ResultsError
from assume_rl.results.database import check_kept, complaint
from assume_rl.results.secrets import is_whole, shown_place, shown_url
from assume_rl.studies.place import recorded_database
from assume_rl.studies.types import Study

URLS = [
    "postgresql+psycopg://me:xyzzy@host/db",
    "postgresql+psycopg://me:xy%7Azy@host/db",
    "postgresql+psycopg://:xyzzy@host/db",
    "postgresql+psycopg://me@host/db?password=xyzzy&sslmode=require",
    "postgresql+psycopg://host/db?user=me&PASSWORD=xyzzy",
    "postgresql+psycopg://me:plugh@host/db?sslpassword=xyzzy",
    "mysql+pymysql://me@host/db?passwd=xyzzy",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dxyzzy",
]


@pytest.mark.parametrize("url", URLS)
def test_no_password_is_shown_or_recorded(url: str, tmp_path: Path) -> None:
    parsed = sa.make_url(url)
    study = Study("toys", tmp_path / "toys.yaml", (), tmp_path, database=url)
    recorded = str(recorded_database(study))
    error = complaint(parsed, sa.exc.ArgumentError(f"{url}: no access with xyzzy"))
    for text in (shown_url(parsed), shown_place(url), recorded, str(error)):
        assert "xyzzy" not in text
        assert "plugh" not in text
        assert "xy%7Azy" not in text
        assert "***" in text
    assert not is_whole(sa.make_url(recorded))
    assert is_whole(parsed)


def test_what_is_no_password_stays() -> None:
    for url in (
        "postgresql+psycopg://me@host:5432/db?sslmode=require",
        "postgresql+psycopg://me@/db?host=/run/postgresql&passfile=/home/me/.pgpass",
        "sqlite:///results.db",
    ):
        assert sa.make_url(shown_url(sa.make_url(url))) == sa.make_url(url)
        assert is_whole(sa.make_url(shown_url(sa.make_url(url))))


def test_a_password_with_an_at_sign_is_refused_without_showing_it() -> None:
    with pytest.raises(ResultsError, match="write each @ in the password as %40") as caught:
        check_kept("postgresql+psycopg://me:xy@zzy@host/db")
    assert "zzy" not in "".join(traceback.format_exception_only(caught.value))


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("postgresql:me:xyzzy@host", "postgresql:***"),
        ("postgresql://me:xy@zzy@host/db", "postgresql://me:***"),
        ("postgresql://me:xy@zzy/plugh@host/db", "postgresql://me:***"),
        ("postgresql://me:xy:zzy@host:x/db", "postgresql://me:***"),
        ("postgresql://host:x/db?password=xyzzy", "postgresql://host:***"),
        ("post-gres://me@host/db?password=xyzzy", "post-gres://me@host/db?***"),
        ("runs/single:learner", "runs/single:learner"),
    ],
)
def test_text_that_is_meant_to_be_a_url_is_shown_without_its_password(
    place: str, shown: str
) -> None:
    assert shown_place(place) == shown


def test_a_database_has_no_scenario(assume_rl_command: Any, tmp_path: Path) -> None:
    url = "postgresql://me:xyzzy@host/db"
    code, out, err = assume_rl_command("export", url, "--scenario", str(tmp_path / "out"))
    assert (code, "xyzzy" in out + err) == (2, False)
    assert "'postgresql://me:***@host/db' is a database; --scenario needs the output folder" in err
