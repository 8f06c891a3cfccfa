"""Plug-ins: files and entry points that register unit kinds, bidders, rules, algorithms, ..."""

from assume_rl.scenario.plugins.loading import (
    blame,
    found_plugin,
    is_file,
    load_plugins,
    load_same,
    plugins_with,
    registered,
    unload_plugins,
)
from assume_rl.scenario.plugins.registry import Registry
from assume_rl.scenario.types import Plugin

__all__ = [
    "Plugin",
    "Registry",
    "blame",
    "found_plugin",
    "is_file",
    "load_plugins",
    "load_same",
    "plugins_with",
    "registered",
    "unload_plugins",
]
