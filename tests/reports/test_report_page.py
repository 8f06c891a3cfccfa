"""The page as a file: whole, offline, and safe from names."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hand_made_run import DEAR, OWNER, write_run

from assume_rl.errors import ConfigurationError, ResultsError
from assume_rl.reports.markup import anchor, number, run_links
from assume_rl.reports.report import report
from assume_rl.reports.style import plotly_script


class Tags(HTMLParser):
    """Counts elements, and keeps what is to be loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.loaded += [str(values[key]) for key in ("src", "srcset", "data") if key in values]
        self.loaded += [str(values.get("href"))] if tag == "link" else []
        self.ids += [str(values["id"])] if "id" in values else []
        self.targets += [str(values["href"])] if tag == "a" else []


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_run(tmp_path_factory.mktemp("page") / "run", scenario="<img src=x>")
    return report(folder).read_text(encoding="utf-8").replace(plotly_script(), "")


@pytest.fixture(scope="module")
def tags(html: str) -> Tags:
    found = Tags()
    found.feed(html)
    return found


def test_nothing_is_loaded_from_elsewhere(html: str, tags: Tags) -> None:
    assert tags.loaded == []
    assert "url(" not in html
    assert "default-src 'none'" in html


def test_names_make_no_elements(html: str, tags: Tags) -> None:
    assert not {"img", "b", "i"} & set(tags.tags)
    assert tags.tags.count("script") == 2 + tags.tags.count("figure")
    assert DEAR not in html
    assert OWNER not in html


def test_names_are_there_all_the_same(html: str) -> None:
    assert "&lt;b&gt;base&lt;/b&gt; &amp; co" in html
    assert "prices are &lt;i&gt;made up&lt;/i&gt;" in html


def test_links_lead_somewhere_and_ids_are_there_once(tags: Tags) -> None:
    assert len(set(tags.ids)) == len(tags.ids)
    assert {target.lstrip("#") for target in tags.targets} <= set(tags.ids)


def test_the_head_says_what_was_run(html: str) -> None:
    head = html.split("</header>", maxsplit=1)[0]
    for fact in ("<dd>7</dd>", "batch", "f" * 64, "c" * 64, "assume-rl 9.9", "finished", "train"):
        assert fact in head


def test_what_is_left_out_is_said(html: str) -> None:
    assert "Left out: Units that buy and sell: no unit can both take and deliver power." in html


def test_a_report_is_written_where_asked(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    out = tmp_path / "new" / "report.html"
    assert report(folder, out=out) == out
    assert out.is_file()
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(("out", "match"), [("", "is a folder"), ("run/results.db/x", "written")])
def test_an_impossible_place_is_an_error(tmp_path: Path, out: str, match: str) -> None:
    folder = write_run(tmp_path / "run")
    with pytest.raises(ResultsError, match=match):
        report(folder, out=tmp_path / out)


def test_an_unfinished_run_says_so_first(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", state="interrupted")
    head = report(folder).read_text(encoding="utf-8").split("<dl>")[0]
    assert re.search(r'class="note">Run toy_case .* its state is interrupted', head)


def test_a_run_that_failed_at_once_has_a_report(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", state="failed", evaluation={})
    for name in ("results.db", "metrics.jsonl"):
        (folder / name).unlink()
    html = report(folder).read_text(encoding="utf-8")
    for title in ("Learning curves", "Gap to the exact best response", "Prices", "Market"):
        assert f"Left out: {title}:" in html


@pytest.mark.parametrize(
    ("hour", "match"),
    [("noon", "expected a time such as"), ("2030-01-01T01:20", "nearest one begins 2030-01-01 01")],
)
def test_an_hour_without_a_delivery_is_an_error(tmp_path: Path, hour: str, match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        report(write_run(tmp_path / "run"), hours=[hour])


def test_hours_may_be_in_another_zone(tmp_path: Path) -> None:
    html = report(write_run(tmp_path / "run"), hours=["2030-01-01T02:00+01:00"]).read_text()
    assert "2030-01-01 01:00 (chosen hour)" in html
    assert "lowest price" not in html.split("<main>")[0]


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'assume-rl\[report\]'"):
        report(write_run(tmp_path / "run"))


def test_many_run_ids_are_folded() -> None:
    assert run_links(["a"]).startswith('<span class="ids">run id: ')
    many = run_links([f"r{k}" for k in range(5)])
    assert many.startswith("<details")
    assert many.count("href") == 5
    assert f'id="{anchor("x")}"' == 'id="run-x"'


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3, "3"), (1 / 3, "0.333333"), (1234567.8, "1,234,568"), (2.5e-9, "2.5e-09")],
)
def test_numbers_are_short(value: float, shown: str) -> None:
    assert number(value) == shown
