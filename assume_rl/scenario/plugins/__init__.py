"""Plug-ins: files and entry points that register unit kinds, bidders and rules."""

from assume_rl.scenario.plugins.loading import (
    Plugin,
    blame,
    found_plugin,
    is_file,
    load_plugins,
    unload_plugins,
)
from assume_rl.scenario.plugins.registry import Registry

__all__ = [
    "Plugin",
    "Registry",
    "blame",
    "found_plugin",
    "is_file",
    "load_plugins",
    "unload_plugins",
]
