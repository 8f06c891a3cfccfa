"""The gallery shows what its script makes, and its commands are understood."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import typer

from assume_rl.cli import app
from assume_rl.studies.file import read_study

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(ROOT / "docs")
    import make_gallery

    yield make_gallery
    sys.modules.pop("make_gallery")


def test_the_page_is_the_one_that_the_script_writes(gallery: ModuleType) -> None:
    assert (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8") == gallery.page()


def test_every_picture_is_there_and_no_other(gallery: ModuleType) -> None:
    named = {picture.name for chapter in gallery.CHAPTERS for picture in chapter.pictures}
    assert {path.name for path in (ROOT / gallery.PICTURES).iterdir()} == named


def test_every_command_parses_and_writes_to_the_folder_of_its_chapter(gallery: ModuleType) -> None:
    command = typer.main.get_command(app)
    for chapter in gallery.CHAPTERS:
        for text in chapter.commands:
            assert f"runs/gallery/{chapter.folder}" in text
            words = gallery.arguments(text)
            if "assume_rl.cli" in words:
                _, _, _, name, *options = words
                command.commands[name].make_context(name, list(options))
            else:
                assert (ROOT / words[1]).is_file()


def test_the_study_of_the_gallery_is_valid() -> None:
    study = read_study(ROOT / "docs" / "generate" / "gallery.yaml")
    assert {run.design for run in study.runs} == {"uniform", "pay_as_bid", "price_cap"}
