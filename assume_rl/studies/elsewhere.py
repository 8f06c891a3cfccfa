"""Where a study file sets a key for some of its runs: there, `--set` would have no effect."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assume_rl.errors import ConfigurationError
from assume_rl.scenario.config.keys import flatten, overlap


def check_free(content: Mapping[str, Any], key: str, value: Any) -> None:
    """Raise `ConfigurationError` if some runs have their own value of the setting `key`.

    :param content: of a study file or a tune file; what is wrong with it is refused later.
    :param value: what `--set` wants.
    """
    wanted = flatten(key, value)
    for reason, settings in _places(content):
        leaves = [leaf for name, own in settings.items() for leaf in flatten(str(name), own)]
        if any(overlap(leaf, one) for leaf in leaves for one in wanted):
            raise ConfigurationError(f"--set {key}: {reason}")


def _places(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield why settings cannot be changed in a section, and the settings."""
    sections = {name: _mapping(content.get(name)) for name in ("grid", "zip")}
    sections["random.keys"] = _mapping(_mapping(content.get("random")).get("keys"))
    for section, keys in sections.items():
        advice = f"change that, e.g. --set '{section.split('.')[0]}={{}}'"
        names = dict.fromkeys(keys)  # their lists and laws are no settings
        yield f"the study file varies it, in {section}; {advice}", names
    space = dict.fromkeys(_mapping(content.get("space")))
    yield "the tune file searches it, in space; change that there", space
    for design in map(_mapping, _items(content.get("list"))):
        reason = f"the design '{design.get('name')}' of the list sets it itself; change that there"
        yield reason, _mapping(design.get("set"))
    for step in map(_mapping, _items(content.get("steps"))):
        for kind, options in step.items():
            name = _mapping(options).get("name") or kind
            reason = f"the step '{name}' sets it itself; change that there"
            yield reason, _mapping(_mapping(options).get("set"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]
