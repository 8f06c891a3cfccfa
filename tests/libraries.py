"""Libraries that few tests need: imported by the process that runs these, not by all that collect.

Every worker imports every test module, and some libraries take seconds.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest


@dataclass(frozen=True)
class Later:
    """A module that is imported when something in it is first used; it is patched by its name."""

    _name: str

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # pytest looks for marks of its own in all that it collects
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)


def needs(package: str, reason: str) -> pytest.MarkDecorator:
    """Skips tests where a package is not installed.

    :param package: its name, without those of modules in it
    :param reason: what the tests do with it, or the extra that installs it
    """
    return pytest.mark.skipif(find_spec(package) is None, reason=reason)
