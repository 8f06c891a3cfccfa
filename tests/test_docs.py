"""README's commands and Python run as printed, on the smallest case; links in the docs lead on."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from assume_rl import cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SKIPPED = {".venv", "runs", "build", "node_modules"}
PAGES = sorted(
    page for page in ROOT.rglob("*.md") if not SKIPPED & set(page.relative_to(ROOT).parts)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An empty folder with the repository's scenarios and examples in it."""
    place = tmp_path_factory.mktemp("readme")
    for name in ("scenarios", "examples"):
        (place / name).symlink_to(ROOT / name)
    return place


def commands() -> list[str]:
    return re.findall(r"^\$ assume-rl (.+)$", README, flags=re.MULTILINE)


def on_tiny(command: str) -> list[str]:
    """The arguments, with the smallest case and an output folder that does not depend on it."""
    arguments = shlex.split(command)
    if "--case" in arguments:
        arguments[arguments.index("--case") + 1] = "tiny"
    else:
        arguments += ["--case", "tiny"]
    if arguments[0] == "train":
        arguments += ["--out", "runs/single_learner_base"]
    return arguments


def test_every_command_runs(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for command in commands():
        monkeypatch.setattr(sys, "argv", ["assume-rl", *on_tiny(command)])
        code: object = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        assert not code, (command, capsys.readouterr().err)
    assert {c.split()[0] for c in commands()} == {"validate", "train", "evaluate", "run"}


@pytest.mark.parametrize(
    ("page", "needs"),
    [
        ("README.md", ()),
        ("docs/batch-shell.md", ()),
        ("docs/environments.md", ("pettingzoo", "torchrl", "gymnasium")),
    ],
)
def test_every_python_block_runs(page, needs, folder, monkeypatch):
    for library in needs:
        pytest.importorskip(library, reason=f"needs the extra '{library}'")
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), names)
        names.pop("database", None)


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: there is no {target.relative_to(ROOT)}"
        if anchor:
            assert anchor in anchors(target), f"{link}: no such heading"
