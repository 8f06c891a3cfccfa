"""Find plug-ins by name, files or entry points of installed packages; their code does not run.

Nothing heavy is loaded for it, so that a wrong name is answered at once.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from assume_rl.errors import ConfigurationError, nearest

GROUP = "assume_rl.plugins"
"""Group of the entry points."""


@dataclass(frozen=True)
class Plugin:
    """A plug-in and its hash when it was loaded."""

    name: str  # absolute path of a file, or name of an entry point
    sha256: str  # of its content


def is_file(name: str) -> bool:
    """Return whether a plug-in's name is that of a file, not of an entry point."""
    return name.endswith(".py")


def whole_name(name: str | Path) -> str:
    """Return the name of a plug-in, that of a file as an absolute path."""
    return str(Path(name).resolve()) if is_file(str(name)) else str(name)


def found_plugin(name: str) -> Plugin:
    """Return a plug-in as it is now; its code does not run.

    :param name: absolute path of a file, or name of an entry point
    :raises ConfigurationError: it is missing, or cannot be read
    """
    if is_file(name):
        return Plugin(name, digest(content_of(name)))
    return installed_plugin(name, files_of(entry_point(name)))


def installed_plugin(name: str, files: Sequence[str]) -> Plugin:
    """Return the plug-in of an entry point, with the hash of its files."""
    return Plugin(name, digest(*map(content_of, files)))


def content_of(file: str) -> bytes:
    """Return the content of a plug-in's file; `ConfigurationError` if it cannot be read."""
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"plug-in '{shown_name(file)}': {error.strerror}") from None


def digest(*contents: bytes) -> str:
    """Return the hash of a file, or of the hashes of several."""
    digests = [hashlib.sha256(content) for content in contents]
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(one.digest() for one in digests)).hexdigest()


def installed_plugins() -> tuple[EntryPoint, ...]:
    """Return the entry points of installed packages; their code does not run."""
    return tuple(sorted(entry_points(group=GROUP), key=lambda point: point.name))


def entry_point(name: str) -> EntryPoint:
    """Return the entry point of a plug-in; `ConfigurationError` if no package has it."""
    found = {point.name: point for point in installed_plugins()}
    if name not in found:
        hint = f"; {nearest(name, found)}" if found else ""
        raise ConfigurationError(
            f"plug-in '{name}': no installed package has an entry point of this name in the group "
            f"'{GROUP}' (the name of a file ends in .py){hint}"
        )
    return found[name]


def files_of(point: EntryPoint) -> Sequence[str]:
    """Return the Python files of the package or module that an entry point is in."""
    spec = find_spec(point.module.partition(".")[0])
    if spec is not None and spec.submodule_search_locations is not None:  # with or without origin
        folders = (Path(folder) for folder in spec.submodule_search_locations)
        return sorted(str(file) for folder in folders for file in folder.rglob("*.py"))
    if spec is None or spec.origin is None:
        raise ConfigurationError(f"plug-in '{point.name}': there is no module '{point.module}'")
    return [spec.origin]


def shown_name(name: str) -> str:
    """Return a path as people write it: relative to the working directory where it is below."""
    path = Path(name)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else name
