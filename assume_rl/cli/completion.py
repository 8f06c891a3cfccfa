"""What shells complete arguments with: folders that hold what a command reads, and study cases.

Nothing is loaded for it but this, and few folders are looked into, so that a key press is answered
at once.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import typer

CONFIG = "config.yaml"
MANIFEST = "manifest.json"
STUDY = "study.json"

CASE = re.compile(r"""^(?P<quote>["']?)(?P<name>[^\s#"'\[\]{}][^#"':]*)(?P=quote):(?:\s|$)""", re.M)
"""A study case: a key that begins a line."""

Completer = Callable[[str], list[str]]


def folders_with(*files: str) -> Completer:
    """Return a completer of folders, one or two levels below, that hold one of some files."""

    def complete(incomplete: str) -> list[str]:
        return sorted(set(_folders(incomplete, files)))

    return complete


def _folders(incomplete: str, files: tuple[str, ...]) -> Iterator[str]:
    """Yield folders whose path begins with what was typed."""
    given, _, start = incomplete.rpartition("/")
    root = f"{given}/" if given or incomplete.startswith("/") else ""
    for name in files:
        for pattern in (f"*/{name}", f"*/*/{name}"):
            for found in Path(root or ".").glob(pattern):
                folder = found.parent.relative_to(Path(root or ".")).as_posix()
                if folder.startswith(start) and not folder.startswith("."):
                    yield root + folder


scenario_folders = folders_with(CONFIG)
policy_folders = folders_with(MANIFEST)
results_folders = folders_with(MANIFEST, STUDY)
study_folders = folders_with(STUDY)


def study_cases(context: typer.Context, incomplete: str) -> list[str]:
    """Return the study cases of the scenario folder among the words that were typed before."""
    # A last option that has no value yet ends parsing: words before it are left in `args` then.
    words = [context.params.get("scenario"), *context.args]
    texts = (_read(Path(word) / CONFIG) for word in words if word)
    names = [found["name"].strip() for text in texts for found in CASE.finditer(text)]
    return [name for name in names if name.startswith(incomplete)]


def _read(file: Path) -> str:
    """Return what a file holds; nothing where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
