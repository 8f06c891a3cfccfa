"""Shell commands of the documentation, tried without a shell."""

import re
import sqlite3
import sys
import tomllib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from code_blocks import ROOT

from assume_rl import cli


def run_command(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit code of a command."""
    assert words[0] in COMMANDS, f"'{words[0]}' cannot be tried: skip the block, with a reason"
    return COMMANDS[words[0]](list(words[1:]), monkeypatch)


def _assume_rl(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["assume-rl", *arguments])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _python(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Only look whether there is such an example, and another test that runs it."""
    script = Path(arguments[0])
    assert script.parent == Path("examples")
    assert script.is_file()
    tests = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    assert any(script.stem in text for text in tests)
    return 0


def _sqlite3(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    file, query = arguments
    assert Path(file).is_file()
    with closing(sqlite3.connect(file)) as database:
        assert database.execute(query).fetchall(), f"no rows: {query}"
    return 0


def _pip(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Only look whether the extras exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert arguments[0] == "install"
    for extras in re.findall(r"assume-rl\[(.+?)\]", " ".join(arguments)):
        assert set(extras.split(",")) <= project["optional-dependencies"].keys()
    return 0


def _make(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Only look whether the target exists."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return 0 if re.search(rf"^{arguments[0]}:", makefile, flags=re.MULTILINE) else 2


COMMANDS: dict[str, Callable[[list[str], pytest.MonkeyPatch], int]] = {
    "assume-rl": _assume_rl,
    "make": _make,
    "pip": _pip,
    "python": _python,
    "sqlite3": _sqlite3,
}
