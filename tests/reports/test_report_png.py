"""Pictures for papers."""

import sys
import zlib
from pathlib import Path

import pytest
from browser import browser
from hand_made_run import write_run

from assume_rl.errors import ConfigurationError, ResultsError
from assume_rl.reports.png import MARK, SCALE, WIDTH, check_pngs, file_names, marked, write_pngs
from assume_rl.reports.report import report
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.style import HEIGHT
from assume_rl.reports.topics.base import Scope
from assume_rl.reports.topics.prices import price_items
from assume_rl.reports.types import Section


def prices(folder: Path) -> Section:
    return Section("Prices", tuple(price_items(Scope(open_source(folder), ()))))


def size(picture: Path) -> tuple[int, int]:
    """Width and height in the header of a PNG."""
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def test_each_chart_is_a_picture(tmp_path: Path) -> None:
    browser()
    section = prices(write_run(tmp_path / "run"))
    files = write_pngs([section], tmp_path / "png")
    assert [file.name for file in files] == ["prices.png", "price-duration.png"]
    assert {size(file) for file in files} == {(WIDTH * SCALE, HEIGHT * SCALE)}
    assert all(len(set(file.read_bytes())) > 200 for file in files)  # not an empty page


@pytest.mark.parametrize("path", ["/no/such/browser", "/bin/false"])
def test_without_a_browser_there_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("BROWSER_PATH", path)
    folder = write_run(tmp_path / "run")
    with pytest.raises(ConfigurationError, match="needs Chromium or Chrome") as caught:
        report(folder, png=tmp_path / "png")
    assert "\n" not in str(caught.value)
    assert (folder / "report.html").is_file()


def test_a_missing_kaleido_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'assume-rl\[report\]'"):
        report(write_run(tmp_path / "run"), png=tmp_path / "png")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "png").touch()
    with pytest.raises(ResultsError, match="cannot be written"):
        report(write_run(tmp_path / "run"), png=tmp_path / "png")


def test_names_of_files_are_plain_and_there_once() -> None:
    names = ["lerner-EOM", "lerner-eom", "Größe/../x", "", "a" * 200]
    assert file_names(names) == ["lerner-eom", "lerner-eom-2", "gr-e-x", "figure", "a" * 80]


def test_pictures_say_that_they_are_of_a_report(tmp_path: Path) -> None:
    header = (1).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    chunk = b"\0\0\0\r" + b"IHDR" + header + zlib.crc32(b"IHDR" + header).to_bytes(4, "big")
    rest = b"\0\0\0\0IEND\xaeB`\x82"
    picture = marked(b"\x89PNG\r\n\x1a\n" + chunk + rest)
    assert picture.endswith(rest)
    own = picture[8 + len(chunk) : -len(rest)]
    assert own[4:-4] == b"tEXt" + MARK
    assert int.from_bytes(own[:4], "big") == len(MARK)
    assert zlib.crc32(own[4:-4]) == int.from_bytes(own[-4:], "big")
    section = prices(write_run(tmp_path / "run"))
    file = tmp_path / "prices.png"
    file.write_bytes(picture)
    check_pngs([section], tmp_path, overwrite=False)
    file.write_bytes(b"\x89PNG mine")
    with pytest.raises(ResultsError, match=r"prices\.png' is there and is none of ours"):
        check_pngs([section], tmp_path, overwrite=False)
    check_pngs([section], tmp_path, overwrite=True)
