"""Reads a study file: `read_study`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from pydantic import ValidationError

from assume_rl.errors import AssumeRlError, ConfigurationError
from assume_rl.keyed import MOST_SEED
from assume_rl.results.database import check_kept
from assume_rl.results.tracking import check_trackers
from assume_rl.scenario.plugins import is_file, load_plugins
from assume_rl.scenario.problems import Location, explain
from assume_rl.studies.expand import expand
from assume_rl.studies.limits import MOST_RUNS
from assume_rl.studies.merge import assigned, read_content
from assume_rl.studies.schema import StudyFile, StudyKeys
from assume_rl.studies.types import Run, Study

File = TypeVar("File", bound=StudyKeys)


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
    source = Path(path)
    content = assigned(read_content(source), overrides, StudyFile.model_fields)
    file = validated(content, source.name, StudyFile)
    name = file.name or source.stem
    load_plugins(plugins)
    with in_file(source.name):
        base = source.resolve().parent
        check_names(file, name)
        runs = expand(file, base, name, (*loaded_plugins(file, base), *plugins), most)
        check_seeds(runs)
    return Study(
        name=name,
        file=source.resolve(),
        runs=runs,
        folder=Path(file.out) if file.out else Path("studies") / name,
        database=file.database,
        track=file.track,
    )


@contextmanager
def in_file(name: str) -> Iterator[None]:
    """Prefix every line of errors with the name of the file."""
    try:
        yield
    except ConfigurationError as error:
        lines = (f"{name}, {line}" for line in str(error).splitlines())
        raise ConfigurationError("\n".join(lines)) from None


def validated(content: Mapping[str, object], file: str, model: type[File]) -> File:
    """Return the content of a file as its model; `ConfigurationError` with file and key.

    :param content: keys of the file and of those that it includes
    :param file: its name
    :param model: of study files or tune files
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = explain(error, model)
    # A list whose only item is wrong is not empty.
    problems = [
        (".".join(map(str, place)), what)
        for kind, place, what in found
        if kind != "too_short" or not any(_inside(other, place) for _, other, _ in found)
    ]
    lines = (f"{file}, {key}: {what}" if key else f"{file}: {what}" for key, what in problems)
    raise ConfigurationError("\n".join(lines))


def _inside(place: Location, other: Location) -> bool:
    return len(place) > len(other) and place[: len(other)] == other


def check_names(file: StudyKeys, name: str) -> None:
    """Raise `ConfigurationError` unless names used outside of the file are valid there."""
    if file.out is None and (not name.strip(". ") or {"/", "\\"} & set(name)):
        raise ConfigurationError(f"name: '{name}' is not the name of a folder")
    if file.out is None and len(name.encode()) > 255:
        raise ConfigurationError("name: is too long for the name of a folder")
    with _at("track"):
        check_trackers(file.track)
    with _at("database"):
        if file.database is not None:
            check_kept(file.database)


def loaded_plugins(file: StudyKeys, base: Path) -> list[str]:
    """Load the plug-ins of a file and return their names, those of files as whole paths."""
    own = [str(base / plugin) if is_file(plugin) else plugin for plugin in file.plugins]
    with _at("plugins"):
        load_plugins(own)
    return own


def check_seeds(runs: Iterable[Run]) -> None:
    """Check seeds that start at the case's own; `StudyKeys.seeds` checks those in a list."""
    last = max(run.seed for run in runs)
    if last > MOST_SEED:
        raise ConfigurationError(f"seeds: the last one is {last}, but must be below 2**63")


@contextmanager
def _at(key: str) -> Iterator[None]:
    """Prefix errors with the key of the study file."""
    try:
        yield
    except AssumeRlError as error:
        raise ConfigurationError(f"{key}: {error}") from None
