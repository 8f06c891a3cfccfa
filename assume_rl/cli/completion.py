"""What shells complete arguments with: folders that hold what a command reads, and known names.

Nothing heavy is loaded for it, and few folders are looked into, so that a key press is answered at
once.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import typer

CONFIG = "config.yaml"
MANIFEST = "manifest.json"
STUDY = "study.json"

RULES = ("complex_clearing", "pay_as_bid", "pay_as_clear")
"""Keys of `core.clearing.RULES`, which are loaded with all that they need."""
TABLES = ("availability.", "demand.", "fuel_prices.", "fuel_prices.co2=", "units.")
"""Beginnings of keys that change tables."""
SECTIONS = ("learning_config.", "markets_config.")
"""Sections of a study case whose keys are completed one by one."""

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


def one_of(names: Iterable[str]) -> Completer:
    """Return a completer of names."""

    def complete(incomplete: str) -> list[str]:
        return sorted(name for name in names if name.startswith(incomplete))

    return complete


def algorithms(incomplete: str) -> list[str]:
    """Return names of algorithms, the last of several that commas part."""
    from assume_rl.learning.config import SETTINGS

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in one_of(SETTINGS)(last)]


def parts(context: typer.Context, incomplete: str) -> list[str]:
    """Return names of the sort of parts that was typed before."""
    sort = getattr(context.params.get("sort"), "value", None)
    known = {"algorithm": algorithms, "rule": one_of(RULES)}
    return known[sort](incomplete) if sort in known and "," not in incomplete else []


def settings(context: typer.Context, incomplete: str) -> list[str]:
    """Return keys of settings: of learning, and of the markets of the folder typed before."""
    from assume_rl.learning.config import learning_keys

    keys = [*TABLES, *SECTIONS] if "." not in incomplete else [*TABLES]
    keys += [f"learning_config.{key}=" for key in learning_keys() if "." in incomplete]
    keys += [f"markets_config.{key}" for key in _markets(context) if "." in incomplete]
    return one_of(dict.fromkeys(keys))(incomplete)


def _markets(context: typer.Context) -> Iterator[str]:
    """Yield the beginnings of keys of the markets of a scenario folder, and keys that they have."""
    from assume_rl.errors import ScenarioError
    from assume_rl.scenario.config.cases import read_cases

    for word in filter(None, (context.params.get("scenario"), *context.args)):
        if not (Path(word) / CONFIG).is_file():
            continue
        try:
            cases = read_cases(Path(word)).values()
        except ScenarioError:
            continue
        for case in cases:
            found = case.get("markets_config") if isinstance(case, dict) else None
            for name, market in found.items() if isinstance(found, dict) else ():
                yield f"{name}=null"
                yield from (
                    f"{name}.{key}=" for key in (market if isinstance(market, dict) else ())
                )


def _read(file: Path) -> str:
    """Return what a file holds; nothing where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
