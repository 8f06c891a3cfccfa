"""Paths of the files of a study case."""

from pathlib import Path

from assume_rl.scenario.config.cases import CONFIG_FILE
from assume_rl.scenario.config.schema import StudyCase
from assume_rl.scenario.problems import Problems, similar
from assume_rl.scenario.text_file import is_there


def required_file(folder: Path, config: StudyCase, key: str) -> Path:
    """Return the path of a required file; the usual one where the study case switches it off.

    :param folder: of the scenario
    :param config: study case that may name the file
    :param key: key of the study case for this file
    """
    return folder / (config.file(key) or f"{key}.csv")


def optional_file(folder: Path, config: StudyCase, key: str, problems: Problems) -> Path | None:
    """Return the path of an optional file, or None if it does not exist.

    :param folder: of the scenario
    :param config: study case that may name the file, or switch it off
    :param key: key of the study case for this file
    :param problems: a file that the study case names, but that does not exist, is noted here
    """
    file = config.file(key)
    if file is None:
        return None
    path = folder / file
    if is_there(path):
        return path
    if key in config.model_fields_set:
        missing = f"the file, named by {key} in {CONFIG_FILE}, is missing in {folder}"
        problems.error(file, missing + similar(path))
    return None
