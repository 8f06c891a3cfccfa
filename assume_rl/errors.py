"""Errors that are the user's to mend.

::

    AssumeRlError            one clear message, exit code 2, no traceback
    ├── ScenarioError        a scenario folder, its configuration or its tables
    ├── PolicyError          a policy file or folder
    ├── ConfigurationError   an argument, a learning setting, a device
    │   └── SettingError     a setting of a study case, of which it has the key
    ├── ContractError        a bidder, a rule, ... that returned what it must not
    └── ResultsError         a database URL or an output folder
"""

import difflib
from collections.abc import Callable, Iterable


class AssumeRlError(Exception):
    """Base of all errors that carry one message for the user."""


class ScenarioError(AssumeRlError):
    """A scenario folder cannot be understood; `problems` lists everything that is wrong."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class PolicyError(AssumeRlError):
    """A policy file or folder is missing, damaged, unsafe or does not fit."""


class ConfigurationError(AssumeRlError, ValueError):
    """An argument or setting is not valid."""


class SettingError(ConfigurationError):
    """A setting is not valid, or does not fit the others.

    :param key: parts by dots, such as `learning_config.gamma`
    :param what: is wrong
    """

    def __init__(self, key: str, what: str) -> None:
        self.key, self.what = key, what
        super().__init__(f"{key}: {what}")


class ContractError(AssumeRlError):
    """A part of a simulation returned a value that its contract does not allow.

    :param function: that returned it
    :param what: it returned, and what it should have
    """

    def __init__(self, function: Callable[..., object], what: str) -> None:
        self.function = function
        name = getattr(function, "__qualname__", type(function).__name__)
        super().__init__(f"{name} returned {what}")


class ResultsError(AssumeRlError):
    """Results cannot be written to or read from where the user asked."""


def uninstalled(needed_by: str, package: str, extra: str) -> str:
    """Return the message of a package that is missing, and how to install it.

    :param needed_by: what needs it
    :param package: its name
    :param extra: of this package, that brings it
    """
    return f"{needed_by} needs {package}, which is not installed: {install(extra)}"


def install(extra: str) -> str:
    """Return the command that installs an extra of this package."""
    return f"pip install 'assume-rl[{extra}]'"


def check_parts(sort: str, names: Iterable[str], valid: Iterable[str]) -> None:
    """Raise `ConfigurationError` unless parts of some names are registered.

    :param sort: of parts, for the message
    :param names: that were given
    :param valid: names of all of the sort
    """
    known = set(valid)
    for name in names:
        if name not in known:
            raise ConfigurationError(f"unknown {sort} '{name}'; {nearest_part(name, known)}")


MOST_SUGGESTED = 3
"""Names that end alike and are suggested together; of more, the closest by spelling is."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return the end of a message that suggests the choices closest to `name`.

    >>> nearest("gama", ["gamma", "tau"])
    "did you mean 'gamma'?"
    >>> nearest("ppo", ["ippo", "mappo", "vpg"])
    "did you mean 'ippo' or 'mappo'?"
    """
    choices = sorted(set(valid))
    close = closest(name, choices)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    return "valid: " + ", ".join(choices)


def closest(name: str, valid: Iterable[str]) -> list[str]:
    """Return the choices closest to `name`, whatever their case; none if no one is close.

    >>> closest("CO2", ["co2", "coal"]), closest("gas", ["hard coal", "natural gas"])
    (['co2'], ['natural gas'])
    """
    plain, folded = name.casefold(), {own.casefold(): own for own in sorted(valid, reverse=True)}
    if plain in folded:
        return [folded[plain]]
    found = [own for own in folded if plain and own.endswith(plain)]
    words = [own for own in found if own.removesuffix(plain)[-1] in "_. "]
    if len(words) == 1:
        found = words
    elif not 1 < len(found) <= MOST_SUGGESTED:
        found = difflib.get_close_matches(plain, folded, n=1, cutoff=0.6)
    return sorted(folded[own] for own in found)


def nearest_part(name: str, valid: Iterable[str]) -> str:
    """Return the end of a sentence on a part that is not registered, perhaps that of a plug-in.

    >>> nearest_part("pay_as_capped", ["pay_as_bid"])
    "did you mean 'pay_as_bid'? (or load its plug-in: --plugin FILE)"
    """
    return f"{nearest(name, valid)} (or load its plug-in: --plugin FILE)"
