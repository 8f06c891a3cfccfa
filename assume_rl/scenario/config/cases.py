"""Find the study cases of a scenario folder, as they are written.

No heavy library is loaded for it, so that a wrong folder or study case is answered at once.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from assume_rl.errors import ScenarioError, nearest
from assume_rl.scenario.config.yaml_file import read_yaml
from assume_rl.scenario.text_file import is_there

CONFIG_FILE = "config.yaml"
"""File of a scenario folder that holds its study cases."""


def read_cases(folder: Path) -> dict[str, Any]:
    """Return the study cases of a folder by name, as they are written.

    :raises ScenarioError: there is no such folder, or no file that holds study cases.
    """
    if not (is_there(folder) and folder.is_dir()):
        raise ScenarioError(f"{folder}: is not a folder{_nearest_folder(folder)}")
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise ScenarioError(f"{CONFIG_FILE}: is missing in {folder}{_scenarios_in(folder)}")
    content = read_yaml(path)
    if not isinstance(content, dict) or not content:
        raise ScenarioError(f"{CONFIG_FILE}: must map study-case names to settings")
    return {str(name): settings for name, settings in content.items()}


def unknown_case(name: str, cases: Iterable[str]) -> str:
    """Return the sentence on a study case that is none of those of a folder."""
    return f"unknown study case '{name}'; {nearest(name, cases)}"


def _nearest_folder(path: Path) -> str:
    """Return the end of a sentence that names a similar folder or the nearest that exists."""
    found = Path(path.anchor)
    for part in path.relative_to(path.anchor).parts:
        if is_there(found / part) and (found / part).is_dir():
            found /= part
            continue
        there = [] if is_there(found / part) else [p.name for p in found.iterdir() if p.is_dir()]
        close = difflib.get_close_matches(part, there, n=1)
        if not close:
            return "" if found == Path(path.anchor) else f"; '{found}' is the nearest that exists"
        found /= close[0]
    return f"; did you mean '{found}'?"


def _scenarios_in(folder: Path) -> str:
    """Return the end of a sentence on a folder that is no scenario: those in it, or its kind."""
    inside = sorted(own.name for own in folder.glob("*/") if (own / CONFIG_FILE).is_file())
    if inside:
        return f"; it has the scenarios {', '.join(inside)}"
    results = any((folder / name).is_file() for name in ("manifest.json", "study.json"))
    return ", which holds results or policies: name the folder of the scenario" if results else ""
