"""A study database on a real PostgreSQL server."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hand_made_study import DESIGNS, run_id, write_study
from sqlalchemy import make_url

from assume_rl.errors import ResultsError
from assume_rl.reports.report import report, report_sections
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.types import Chart
from assume_rl.results.gather import gather
from assume_rl.results.study_database import StudyDatabase

pytestmark = [pytest.mark.unchecked, pytest.mark.slow]

CELLS = [(design, seed) for design in DESIGNS for seed in (1, 2)]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of a server, its password in it."""
    pytest.importorskip("psycopg")
    sys.path.insert(0, str(Path(__file__).parents[1] / "results"))
    try:
        from postgres import Server
    finally:
        sys.path.pop(0)
    running = Server()
    running.start()
    yield running.url()
    running.close()


def charts(place: Path | str) -> dict[str, str]:
    """Charts as JSON, by name."""
    items = [item for section in report_sections(open_source(place)) for item in section.items]
    return {item.name: item.figure.to_json() for item in items if isinstance(item, Chart)}


def test_the_same_study_has_the_same_figures(server: str, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s", CELLS, stored=CELLS)
    with StudyDatabase(server) as database:
        for cell in CELLS:
            database.collect(gather(folder / "runs" / run_id(*cell)))
    assert charts(server) == charts(f"sqlite:///{folder / 'study.db'}")


def test_a_password_is_asked_for_and_not_shown(server: str, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "s", CELLS, stored=CELLS[:1])
    with StudyDatabase(server) as database:
        database.collect(gather(folder / "runs" / run_id(*CELLS[0])))
    content = json.loads((folder / "study.json").read_text())
    content["database"] = make_url(server).render_as_string()
    (folder / "study.json").write_text(json.dumps(content))
    with pytest.raises(ResultsError, match="name the URL instead"):
        report(folder)
    page = report(server, out=tmp_path / "r.html").read_text(encoding="utf-8")
    assert str(make_url(server).password) not in page
