"""No password in anything that is shown or written, however a URL writes it."""

import traceback
from pathlib import Path

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
        assert "xy%7Azy" not in text or text is str(error)
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


def test_text_that_is_meant_to_be_a_url_is_shown_without_its_password() -> None:
    assert shown_place("postgresql:me:xyzzy@host") == "postgresql:me:***@host"
    assert shown_place("runs/single:learner") == "runs/single:learner"
