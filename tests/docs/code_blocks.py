"""Code blocks of the documentation, and how they are tried.

A page's blocks run one after the other, in a folder of their own that has `scenarios` and
`examples` in it. Lines of comment right before a block say what the reader is spared:

    <!-- test: given a training -->             something that the reader has: see given.py
    <!-- test: add --case tiny -->              more arguments for its `assume-rl` commands
    <!-- test: shorten -->                      trainings, of a study too, as short as they can be
    <!-- test: replace seeds: 10 by seeds: 2 -->  other text in the block
    <!-- test: exact -->                        the command prints what is printed below it
    <!-- test: fails -->                        its command ends with this message, exit code 2
    <!-- test: slow -->                         without --run-slow, its trainings are only checked,
                                               its other commands and Python left out
    <!-- test: skip because it needs a GPU -->  it cannot be tried here

Without --run-slow, trainings whose folder the page does not name again are only checked anyway.

A block with a title (```yaml title="mine/config.yaml") is written to that file first.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(
    r"(?P<notes>(?:^<!-- test: .*? -->\n+)*)"
    r"^```(?P<language>[a-z]+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)
_NOTE = re.compile(
    r"<!-- test: (given|add|shorten|replace|exact|fails|slow|skip because)\b ?(.*?) -->"
)


@dataclass(frozen=True)
class Block:
    """One block of code."""

    page: Path
    line: int
    language: str
    title: str | None
    text: str
    notes: tuple[tuple[str, str], ...]  # (given | add | ..., what follows)

    def noted(self, kind: str) -> list[str]:
        """What the notes of one kind say."""
        return [what for name, what in self.notes if name == kind]

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """One command of a shell block."""

    words: tuple[str, ...]
    output: str  # what the page prints below it


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that name a language."""
    text = page.read_text(encoding="utf-8")
    return [_block(page, text, match) for match in _BLOCK.finditer(text)]


def _block(page: Path, text: str, match: re.Match[str]) -> Block:
    lines = match["notes"].strip().splitlines()
    found = [_NOTE.fullmatch(line) for line in lines if line]
    line = text.count("\n", 0, match.start("language")) + 1
    assert all(found), f"{page.relative_to(ROOT)}:{line}: no such note in {lines}"
    notes = tuple((note[1], note[2]) for note in found if note)
    content = match["text"]
    for kind, what in notes:
        if kind == "replace":
            old, _, new = what.partition(" by ")
            assert old in content, f"{page.relative_to(ROOT)}:{line}: '{old}' is not in the block"
            content = content.replace(old, new)
    return Block(page, line, match["language"], match["title"], content, notes)


def commands(block: Block) -> Iterator[Command]:
    """Commands of a shell block: lines behind `$`, or all of them if there is no such line."""
    text = block.text.replace("\\\n", " ")
    if block.language == "bash":
        yield from (Command(tuple(words), "") for words in _split(text.splitlines()))
        return
    _, *parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    for part in parts:
        line, _, output = part.partition("\n")
        yield from (Command(tuple(words), output) for words in _split([line]))


def _split(lines: list[str]) -> Iterator[list[str]]:
    split = (shlex.split(line, comments=True) for line in lines)
    return (words for words in split if words)
