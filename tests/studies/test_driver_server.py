"""A study in a PostgreSQL server that goes away in the middle of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy_studies import cell, plain, study_of

from assume_rl.results.study_database import tidy
from assume_rl.studies import driver, execute
from assume_rl.studies.driver import Unobserved, run_study
from assume_rl.studies.jobs import Report

pytestmark = pytest.mark.unchecked


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server of this test's own."""
    pytest.importorskip("psycopg", reason="needs the extra 'postgres'")
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "results")
    from postgres import Server

    own = Server()
    own.start()
    yield own
    own.close()


class StopsServer(Unobserved):
    """Stops it after the second run."""

    def __init__(self, server: Any) -> None:
        self._server, self._ended = server, 0

    def ended(self, report: Report) -> None:
        self._ended += 1
        if self._ended == 2:
            self._server.stop()


@pytest.mark.slow
def test_a_server_that_goes_away_loses_nothing(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "PATIENCE", 0.3)
    monkeypatch.setattr(driver, "LAST_PATIENCE", 0.3)
    study = study_of(tmp_path, cell("rules", range(4), plain()), server.url())
    result = run_study(study, observer=StopsServer(server))
    assert result.failures == ()
    assert [row.stored for row in result.status.rows] == [True, True, False, False]
    assert "refused" in str(result.not_stored)
    assert server.password not in str(result.not_stored)

    server.start()
    assert run_study(study).complete
    alone = replace(study_of(tmp_path, study.runs), folder=tmp_path / "alone")
    run_study(alone)
    wide = [tidy(url).to_csv() for url in (server.url(), f"sqlite:///{alone.folder}/study.db")]
    assert wide[0] == wide[1]
    assert len(wide[0].splitlines()) == 5
