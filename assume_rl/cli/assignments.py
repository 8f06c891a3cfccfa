"""Texts `key=value` that change settings."""

from assume_rl.errors import ConfigurationError
from assume_rl.scenario.config.keys import overlap


def settings(assignments: list[str]) -> dict[str, str]:
    """Return `key=value` texts as a mapping; values are read as YAML later.

    :raises ConfigurationError: a text is no assignment, or a key is set twice, or with a part of it
    """
    settings: dict[str, str] = {}
    for text in assignments:
        name, sign, value = text.partition("=")
        key = name.strip()
        if not sign or not key:
            raise ConfigurationError(
                f"--set {text}: expected key=value, e.g. learning_config.gamma=0.9"
            )
        for other in settings:
            if overlap(key, other):
                also = "twice" if key == other else f"beside {other}"
                raise ConfigurationError(f"--set {key}: is set {also}; leave one of them out")
        settings[key] = value
    return settings
