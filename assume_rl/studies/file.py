"""Reads a study file: `read_study`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from assume_rl.errors import AssumeRlError, ConfigurationError
from assume_rl.keyed import MOST_SEED
from assume_rl.results.database import create_engine
from assume_rl.results.tracking import check_trackers
from assume_rl.scenario.plugins import is_file, load_plugins
from assume_rl.scenario.problems import Location, explain
from assume_rl.studies.expand import expand
from assume_rl.studies.merge import assigned, read_content
from assume_rl.studies.schema import StudyFile
from assume_rl.studies.types import Run, Study


def read_study(
    path: str | Path,
    overrides: Mapping[str, str] = MappingProxyType({}),
    plugins: Sequence[str | Path] = (),
) -> Study:
    """Everything that the study file at `path` asks for; every cell is validated, nothing runs.

    :param overrides: a key of the study file (`seeds`), or else a setting of all runs
        (`learning_config.gamma`), to text that is read as YAML.
    :param plugins: files and entry points to load beside those that the study names.
    :raises ConfigurationError: with file and key.
    """
    source = Path(path)
    content = assigned(read_content(source), overrides, StudyFile.model_fields)
    file = _validated(content, source.name)
    name = file.name or source.stem
    load_plugins(plugins)
    try:
        _check_names(file, name)
        base = source.resolve().parent
        own = [str(base / plugin) if is_file(plugin) else plugin for plugin in file.plugins]
        with _at("plugins"):
            load_plugins(own)
        runs = expand(file, base, name, (*own, *plugins))
        _check_seeds(runs)
    except ConfigurationError as error:
        lines = (f"{source.name}, {line}" for line in str(error).splitlines())
        raise ConfigurationError("\n".join(lines)) from None
    return Study(
        name=name,
        file=source.resolve(),
        runs=runs,
        folder=Path(file.out) if file.out else Path("studies") / name,
        database=file.database,
        track=file.track,
    )


def _validated(content: Mapping[str, object], file: str) -> StudyFile:
    try:
        return StudyFile.model_validate(content)
    except ValidationError as error:
        found = explain(error, StudyFile)
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


def _check_names(file: StudyFile, name: str) -> None:
    """What names things that are not in the study file."""
    if file.out is None and (not name.strip(". ") or {"/", "\\"} & set(name)):
        raise ConfigurationError(f"name: '{name}' is not the name of a folder")
    with _at("track"):
        check_trackers(file.track)
    with _at("database"):
        create_engine(file.database or "sqlite://").dispose()


def _check_seeds(runs: Iterable[Run]) -> None:
    """Seeds that start at the case's own; see `StudyFile.seeds` for those that are listed."""
    last = max(run.seed for run in runs)
    if last > MOST_SEED:
        raise ConfigurationError(f"seeds: the last one is {last}, but must be below 2**63")


@contextmanager
def _at(key: str) -> Iterator[None]:
    """Errors name the key of the study file."""
    try:
        yield
    except AssumeRlError as error:
        raise ConfigurationError(f"{key}: {error}") from None
