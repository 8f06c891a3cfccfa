"""The page as a file: whole, offline, and safe from names."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hand_made_run import DEAR, OWNER, write_run

from assume_rl.errors import ConfigurationError, ResultsError
from assume_rl.reports.page.cells import decimals, number, short, table_of
from assume_rl.reports.report import report
from assume_rl.reports.style import plotly_script
from assume_rl.reports.types import Grid


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
    assert "default-src &#39;none&#39;" in html


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
    for fact in ("seed 7", "engine batch", "cpu", "finished", "train", "case case"):
        assert fact in head


def test_hashes_and_versions_are_with_the_runs(html: str) -> None:
    for fact in (f'title="{"f" * 64}"', f'title="{"c" * 64}"', "assume-rl 9.9"):
        assert fact in html


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
    head = report(folder).read_text(encoding="utf-8").split("</header>")[0]
    assert re.search(r'class="note">Run toy_case .* its state is interrupted', head)


def test_a_run_that_failed_at_once_has_a_report(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", state="failed", evaluation={})
    for name in ("results.db", "metrics.jsonl"):
        (folder / name).unlink()
    html = report(folder).read_text(encoding="utf-8")
    for title in ("Learning curves", "Gap to the exact best response", "Prices", "Market power"):
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


@pytest.mark.parametrize("module", ["plotly.graph_objects", "jinja2"])
def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module.split(".", maxsplit=1)[0], None)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=r"pip install 'assume-rl\[report\]'"):
        report(write_run(tmp_path / "run"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3, "3"), (1 / 3, "0.3333"), (1234567.8, "1,234,568"), (-35.596, "\N{MINUS SIGN}35.60")],
)
def test_numbers_are_short(value: float, shown: str) -> None:
    assert short(value) == shown


def test_tiny_numbers_are_not_rounded_away() -> None:
    assert number(2.5e-9, decimals([2.5e-9])) == "2.5e-09"


def test_numbers_of_a_column_have_equal_decimals() -> None:
    grid = Grid("t", ("name", "share", "runs", "empty"), [("a", 0.5, 3, None), ("b", 12.25, 4, "")])
    table = table_of(grid)
    assert [head.lines for head in table.heads] == [("name",), ("share",), ("runs",)]
    cells = [[cell.text for cell in row.cells] for row in table.rows]
    assert cells == [["a", "0.50", "3"], ["b", "12.25", "4"]]


def test_numbers_of_a_row_may_belong_together() -> None:
    rows = [("profit", 123456.7, 1.25), ("share", 0.5, 0.25)]
    table = table_of(Grid("t", ("figure", "a", "b"), rows, by_row=True))
    assert [cell.text for cell in table.rows[0].cells[1:]] == ["123,457", "1"]
    assert [cell.text for cell in table.rows[1].cells[1:]] == ["0.5000", "0.2500"]
