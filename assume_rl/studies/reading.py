"""Read the keys of a study file or a tune file, and check what needs no scenario.

Nothing heavy is loaded for it, so that most mistakes in a file are answered at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from assume_rl.errors import AssumeRlError, ConfigurationError, ScenarioError, nearest
from assume_rl.scenario.config.cases import read_cases
from assume_rl.scenario.found_plugins import found_plugin, is_file, whole_name
from assume_rl.scenario.problems import Location, explain
from assume_rl.studies.merge import assigned, read_content
from assume_rl.studies.schema import StudyKeys

Keys = TypeVar("Keys", bound=StudyKeys)


@dataclass(frozen=True)
class Written(Generic[Keys]):
    """A study file or a tune file as it was written.

    :param path: of the file
    :param content: of the file and of those that it includes, with `--set` applied
    :param keys: the same, validated
    """

    path: Path
    content: Mapping[str, Any]
    keys: Keys

    @property
    def name(self) -> str:
        """Return the name of the study."""
        return self.keys.name or self.path.stem

    @property
    def base(self) -> Path:
        """Return the folder that relative paths start at."""
        return self.path.resolve().parent

    @property
    def plugins(self) -> list[str]:
        """Return the plug-ins that it names, those of files as whole paths."""
        return [str(self.base / own) if is_file(own) else own for own in self.keys.plugins]

    @property
    def folder(self) -> Path:
        """Return where results go."""
        return Path(self.keys.out) if self.keys.out else Path("studies") / self.name


def read_keys(
    path: str | Path,
    overrides: Mapping[str, str],
    model: type[Keys],
    plugins: Sequence[str | Path] = (),
) -> Written[Keys]:
    """Return the keys of the file at `path`; its scenario folders, cases and plug-ins are there.

    :param overrides: a key of the file, or else a setting of all runs, to text that is read as
        YAML
    :param model: of study files or tune files
    :param plugins: files and entry points to load beside those that the file names
    :raises ConfigurationError: with file and key
    """
    source = Path(path)
    content = assigned(read_content(source, kind=model.kind), overrides, model.model_fields)
    written = Written(source, content, _validated(content, source.name, model))
    for plugin in plugins:
        found_plugin(whole_name(plugin))
    with in_file(source.name):
        _check_folder_name(written.keys, written.name)
        with at_key("plugins"):
            for plugin in written.plugins:
                found_plugin(whole_name(plugin))
        places(written.keys, written.base)
    return written


@contextmanager
def in_file(name: str) -> Iterator[None]:
    """Prefix every line of errors with the name of the file."""
    try:
        yield
    except ConfigurationError as error:
        lines = (f"{name}, {line}" for line in str(error).splitlines())
        raise ConfigurationError("\n".join(lines)) from None


@contextmanager
def at_key(key: str) -> Iterator[None]:
    """Prefix errors with the key of the file."""
    try:
        yield
    except AssumeRlError as error:
        raise ConfigurationError(f"{key}: {error}") from None


def places(keys: StudyKeys, base: Path) -> list[tuple[Path, str]]:
    """Return the scenario folders, absolute, and cases.

    :param keys: of a study file or a tune file
    :param base: where relative paths start
    :raises ConfigurationError: there is no such folder or case, or one is there twice
    """
    found: list[tuple[Path, str]] = []
    for place in keys.scenarios:
        folder = (base / place.folder).resolve()
        try:
            there = list(read_cases(folder))
        except ScenarioError as error:
            raise ConfigurationError(f"scenarios: {error}") from None
        for case in place.cases or keys.cases or there[:1]:
            if case not in there:
                raise ConfigurationError(
                    f"cases: '{place.folder}' has no study case '{case}'; {nearest(case, there)}"
                )
            if (folder, case) in found:
                raise ConfigurationError(f"scenarios: '{place.folder}', {case} is there twice")
            found.append((folder, case))
    return found


def _validated(content: Mapping[str, object], file: str, model: type[Keys]) -> Keys:
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


def _check_folder_name(keys: StudyKeys, name: str) -> None:
    """Raise `ConfigurationError` unless the name of a study may be that of its folder."""
    if keys.out is None and (not name.strip(". ") or {"/", "\\"} & set(name)):
        raise ConfigurationError(f"name: '{name}' is not the name of a folder")
    if keys.out is None and len(name.encode()) > 255:
        raise ConfigurationError("name: is too long for the name of a folder")
