"""Where the files of a study case are."""

from pathlib import Path

from assume_rl.scenario.config.read import CONFIG_FILE
from assume_rl.scenario.config.schema import StudyCase
from assume_rl.scenario.problems import Problems


def required_file(folder: Path, config: StudyCase, key: str) -> Path:
    """Path of a required file; the usual name where the study case switches it off."""
    return folder / (config.file(key) or f"{key}.csv")


def optional_file(folder: Path, config: StudyCase, key: str, problems: Problems) -> Path | None:
    """Path of an optional file that exists; one that the study case names must exist."""
    file = config.file(key)
    if file is None:
        return None
    path = folder / file
    if path.is_file():
        return path
    if key in config.model_fields_set:
        problems.error(file, f"the file, named by {key} in {CONFIG_FILE}, is missing in {folder}")
    return None
