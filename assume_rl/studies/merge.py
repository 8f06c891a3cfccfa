"""The content of a study or tune file: YAML, with included files, mappings as dotted keys."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from assume_rl.errors import AssumeRlError, ConfigurationError, nearest
from assume_rl.scenario.config.keys import flatten
from assume_rl.scenario.config.yaml_file import read_value, read_yaml
from assume_rl.scenario.text_file import is_there
from assume_rl.studies.elsewhere import check_free

SETTINGS = ("set", "grid", "zip")
"""Sections whose mappings are settings of scenarios, whichever way they are nested."""

SPACE = "space"
"""Section of a tune file that maps settings to laws, likewise."""

VARIED = {
    "list": "designs with a name each",
    "grid": "keys with lists of values",
    "zip": "keys with lists of values",
    "random": "count and keys",
    "random.keys": "keys with laws",
}
"""Sections that make designs, and what belongs there: one left empty would make none, silently."""


def read_content(
    path: Path, above: tuple[Path, ...] = (), *, kind: str = "study"
) -> dict[str, Any]:
    """Return the keys of the file at `path`, over those of the files that it includes.

    :param above: files that include this one.
    :param kind: of file that it is, as messages name it; those that it includes are study files.
    :raises ConfigurationError: a file is missing, not YAML, or includes itself; or a section that
        makes designs is empty.
    """
    if not is_there(path):
        raise ConfigurationError(_missing(path, above, kind))
    here = path.resolve()
    if here in above:
        chain = " includes ".join(file.name for file in (*above[above.index(here) :], here))
        raise ConfigurationError(f"{path.name}, include: goes in a circle: {chain}")
    if path.is_dir():
        raise ConfigurationError(_missing(path, above, kind))
    try:
        content = read_yaml(path)
    except AssumeRlError as error:
        where = f"{above[-1].name}, include: " if above else ""
        raise ConfigurationError(f"{where}{error}") from None
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{path.name}: must map keys to values, as docs/batch.md explains")
    _check_filled(content, path.name)
    own = normal(content, path.name)
    merged: dict[str, Any] = {}
    for name in _names(own.pop("include", []), path.name):
        merged = merge(merged, read_content(path.parent / name, (*above, here)))
    return merge(merged, own)


def _check_filled(content: Mapping[Any, Any], file: str) -> None:
    """Raise `ConfigurationError` if a section that makes designs is there, but empty."""
    draws = content.get("random")
    inner = draws if isinstance(draws, Mapping) else {}
    found = {**content, **{f"random.{key}": value for key, value in inner.items()}}
    for section, wanted in VARIED.items():
        if section in found and found[section] in (None, {}, []):
            raise ConfigurationError(
                f"{file}, {section}: is empty; give it {wanted} or leave it out"
            )


def normal(content: Mapping[str, Any], file: str) -> dict[str, Any]:
    """Return `content` without empty keys, and with settings by dotted key."""
    found = {key: value for key, value in content.items() if value is not None}
    for key in SETTINGS:
        if isinstance(found.get(key), Mapping):
            found[key] = _dotted(f"{file}, {key}", found[key], _never)
    if isinstance(found.get(SPACE), Mapping):
        found[SPACE] = _dotted(f"{file}, {SPACE}", found[SPACE], _is_law)
    draws = found.get("random")
    if isinstance(draws, Mapping) and isinstance(draws.get("keys"), Mapping):
        keys = _dotted(f"{file}, random.keys", draws["keys"], _is_law)
        found["random"] = {**draws, "keys": keys}
    return found


def merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of both; those of `top` win, settings one by one."""
    merged = {**base, **top}
    for key in (*SETTINGS, SPACE):
        merged |= _both(key, base, top)
    draws = _both("random", base, top)
    if draws:
        draws["random"] |= _both("keys", base["random"], top["random"])
    return merged | draws


def _both(key: str, base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merged entries of a mapping that both have; nothing unless both do."""
    old, new = base.get(key), top.get(key)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return {key: {**old, **new}}
    return {}


def assigned(
    content: Mapping[str, Any], overrides: Mapping[str, str], keys: Iterable[str]
) -> dict[str, Any]:
    """Return `content` with `--set` applied: keys of the file itself, then settings of all runs.

    :param keys: of the file.
    :raises ConfigurationError: a value is not YAML, or the setting is not the same in all runs.
    """
    found, known = dict(content), set(keys)
    for key, text in sorted(overrides.items(), key=lambda item: item[0] not in known):
        try:
            value = read_value(text)
        except ValueError as error:
            raise ConfigurationError(f"--set {key}: {error}") from None
        if key in known:
            found.pop(key, None)
            found |= normal({key: value}, "--set")
            continue
        check_free(found, key, value)
        own = found.get("set", {})
        if isinstance(own, Mapping):  # else it is refused later
            found["set"] = {**own, **flatten(key, value)}
    return found


def flat(value: Any) -> Any:
    """Return a mapping of settings by dotted key; the model checks other values.

    :raises ValueError: a key is written twice, in two ways.
    """
    if value is None:
        return {}
    return _leaves(value, _never) if isinstance(value, Mapping) else value


def _dotted(where: str, value: Mapping[str, Any], stop: Callable[[Any], bool]) -> dict[str, Any]:
    try:
        return _leaves(value, stop)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def _leaves(value: Mapping[str, Any], stop: Callable[[Any], bool]) -> dict[str, Any]:
    """Return the leaves by dotted key; a mapping for which `stop` is true is a leaf."""
    found: dict[str, Any] = {}
    for key, part in value.items():
        deeper = isinstance(part, Mapping) and part and not stop(part)
        leaves = _leaves(part, stop) if deeper else {"": part}
        for rest, leaf in leaves.items():
            name = f"{key}.{rest}" if rest else str(key)
            if name in found:
                raise ValueError(f"the key '{name}' is written twice")
            found[name] = leaf
    return found


def _never(_: Any) -> bool:
    return False


def _is_law(value: Any) -> bool:
    """Return whether a mapping is the law of a draw, which is the innermost mapping."""
    return not any(isinstance(part, Mapping) for part in value.values())


def _names(value: Any, file: str) -> list[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"{file}, include: must be the name of a file, or a list of names")
    return names


def _missing(path: Path, above: tuple[Path, ...], kind: str) -> str:
    where = f"{above[-1].name}, include: " if above else ""
    if is_there(path) and path.is_dir():
        return f"{where}'{path}' is a folder, not a {kind} file (YAML)"
    folder = path.parent
    files = [file.name for file in folder.glob("*.y*ml")] if folder.is_dir() else []
    hint = f"; {nearest(path.name, files)}" if files else ""
    return f"{where}there is no {kind} file '{path}'{hint}"
