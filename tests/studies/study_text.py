"""Study files for tests, written next to a link to the repository's scenarios."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from assume_rl.errors import ConfigurationError
from assume_rl.studies.file import read_study
from assume_rl.studies.types import Study

SCENARIOS = Path(__file__).parents[2] / "scenarios"
TINY = "scenarios: {folder: scenarios/single_learner, cases: tiny}\n"


def write(folder: Path, text: str, name: str = "study.yaml") -> Path:
    """The path of a study file with this text."""
    if not (folder / "scenarios").exists():
        (folder / "scenarios").symlink_to(SCENARIOS)
    path = folder / name
    path.write_text(dedent(text))
    return path


def study(folder: Path, text: str, overrides: Mapping[str, str] | None = None) -> Study:
    """The study that a text asks for; of a tiny case, if it names no scenario."""
    whole = dedent(text) if "scenarios:" in text else TINY + dedent(text)
    return read_study(write(folder, whole), overrides or {})


def refused(folder: Path, text: str, overrides: Mapping[str, str] | None = None) -> str:
    """What is wrong with a study file."""
    with pytest.raises(ConfigurationError) as raised:
        study(folder, text, overrides)
    return str(raised.value)
