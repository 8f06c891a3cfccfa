"""Reads a study file: `read_study`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from assume_rl.errors import ConfigurationError
from assume_rl.results.database import check_kept
from assume_rl.results.tracking import check_trackers
from assume_rl.scenario.plugins import load_plugins
from assume_rl.seeds import MOST_SEED
from assume_rl.studies.expand import expand
from assume_rl.studies.limits import MOST_RUNS
from assume_rl.studies.reading import Written, at_key, in_file, read_keys
from assume_rl.studies.schema import StudyFile
from assume_rl.studies.types import Run, Study


def read_study(
    path: str | Path,
    overrides: Mapping[str, str] = MappingProxyType({}),
    plugins: Sequence[str | Path] = (),
    most: int = MOST_RUNS,
) -> Study:
    """Return the study in the file at `path`; every cell is validated, nothing runs.

    :param overrides: a key of the study file (`seeds`), or else a setting of all runs
        (`learning_config.gamma`), to text that is read as YAML.
    :param plugins: files and entry points to load beside those that the study names.
    :param most: runs that it may ask for.
    :raises ConfigurationError: with file and key.
    """
    return study_of(read_keys(path, overrides, StudyFile, plugins), plugins, most)


def study_of(
    written: Written[StudyFile], plugins: Sequence[str | Path] = (), most: int = MOST_RUNS
) -> Study:
    """Return the study of a file that was read; see `read_study`."""
    file = written.keys
    load_plugins(plugins)
    with in_file(written.path.name):
        check_destinations(written)
        own = (*loaded_plugins(written), *plugins)
        runs = expand(file, written.base, written.name, own, most)
        check_seeds(runs)
    return Study(
        name=written.name,
        file=written.path.resolve(),
        runs=runs,
        folder=written.folder,
        database=file.database,
        track=file.track,
    )


def check_destinations(written: Written[Any]) -> None:
    """Raise `ConfigurationError` unless trackers and the database of a file can take results."""
    with at_key("track"):
        check_trackers(written.keys.track)
    with at_key("database"):
        if written.keys.database is not None:
            check_kept(written.keys.database)


def loaded_plugins(written: Written[Any]) -> list[str]:
    """Load the plug-ins that a file names and return their names, those of files as whole paths."""
    with at_key("plugins"):
        load_plugins(written.plugins)
    return written.plugins


def check_seeds(runs: Iterable[Run]) -> None:
    """Check seeds that start at the case's own; `StudyKeys.seeds` checks those in a list."""
    last = max(run.seed for run in runs)
    if last > MOST_SEED:
        raise ConfigurationError(f"seeds: the last one is {last}, but must be below 2**63")
