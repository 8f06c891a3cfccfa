"""Plug-ins: files and entry points that register unit kinds, bidders, rules, algorithms, ..."""

from assume_rl.scenario.plugins.loading import (
    blame,
    load_plugins,
    load_same,
    plugins_with,
    registered,
    unload_plugins,
)
from assume_rl.scenario.plugins.registry import Registry

__all__ = [
    "Registry",
    "blame",
    "load_plugins",
    "load_same",
    "plugins_with",
    "registered",
    "unload_plugins",
]
