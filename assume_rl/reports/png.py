"""Figures as pictures for papers."""

import re
import zlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from assume_rl.errors import ConfigurationError, ResultsError, uninstalled
from assume_rl.files import reason
from assume_rl.reports.style import load_plotly
from assume_rl.reports.types import Chart, Section
from assume_rl.results.destinations import check_replaceable, head_of

WIDTH, SCALE = 900, 2  # px, and dots per px
MARK = b"Software\0assume-rl"
"""Keyword and text of the note in our pictures."""


def write_pngs(sections: Sequence[Section], folder: Path) -> list[Path]:
    """Write every chart to `<folder>/<name>.png`, on white; returns the files written.

    :raises ConfigurationError: kaleido is not installed, or finds no Chromium or Chrome.
    :raises ResultsError: the folder cannot be written.
    """
    charts, files = _charts(sections), _files(sections, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if charts:
            _write(charts, files)
        for file in files:
            file.write_bytes(marked(file.read_bytes()))
    except OSError as error:
        raise ResultsError(f"'{folder}' cannot be written: {reason(error)}") from None
    return files


def check_pngs(sections: Sequence[Section], folder: Path, *, overwrite: bool) -> None:
    """Raise `ResultsError` unless pictures may be written to `folder`; change nothing.

    :param overwrite: whether files may be replaced that are no pictures of a report
    """
    for file in _files(sections, folder):
        check_replaceable(file, lambda path: MARK in head_of(path), overwrite=overwrite)


def marked(picture: bytes) -> bytes:
    """Return a PNG picture with a note, in a chunk of its own, that it is of a report."""
    end = picture.index(b"IHDR") + 4 + 13 + 4  # name, content, check sum
    content = b"tEXt" + MARK
    length, check = (n.to_bytes(4, "big") for n in (len(MARK), zlib.crc32(content)))
    return picture[:end] + length + content + check + picture[end:]


def _charts(sections: Sequence[Section]) -> list[Chart]:
    return [item for s in sections for item in s.items if isinstance(item, Chart)]


def _files(sections: Sequence[Section], folder: Path) -> list[Path]:
    names = file_names([chart.name for chart in _charts(sections)])
    return [folder / f"{name}.png" for name in names]


def file_names(names: Sequence[str]) -> list[str]:
    """Return names that every file system takes, each only once."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:80] or "figure"
        numbered = (f"{plain}-{number}" for number in range(2, len(names) + 2))
        found.append(next(n for n in (plain, *numbered) if n not in found))
    return found


def _write(charts: Sequence[Chart], files: Sequence[Path]) -> None:
    """Draw all in one browser: to start one takes seconds."""
    figure, io = load_plotly().Figure, load_plotly("io")
    drawn = [
        figure(chart.figure).update_layout(paper_bgcolor="white", plot_bgcolor="white")
        for chart in charts
    ]
    if find_spec("kaleido") is None:
        raise ConfigurationError(uninstalled("--png", "kaleido", "report"))
    heights = [chart.figure.layout.height for chart in charts]
    try:
        io.write_images(drawn, files, format="png", width=WIDTH, height=heights, scale=SCALE)
    except RuntimeError as error:  # the base of all that a browser may fail with
        reason = next((line for a in error.args for line in str(a).split("\n") if line.strip()), "")
        raise ConfigurationError(
            "--png needs Chromium or Chrome, install one or name it in the variable BROWSER_PATH: "
            f"{reason.strip()}"
        ) from None
