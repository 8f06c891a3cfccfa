"""Load plug-ins by name: a file, or an entry point of an installed package.

A plug-in is a module with a function `register(registry)`. Loading it runs its code, so nothing is
loaded that was not named: by a command, a study case or a study.
"""

import sys
import traceback
from collections.abc import Collection, Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from inspect import unwrap
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from assume_rl.errors import AssumeRlError, ConfigurationError, ContractError
from assume_rl.scenario.found_plugins import (
    Plugin,
    content_of,
    digest,
    entry_point,
    files_of,
    installed_plugin,
    is_file,
    shown_name,
    whole_name,
)
from assume_rl.scenario.plugins.registry import Registry


@dataclass(frozen=True)
class _Loaded:
    plugin: Plugin
    files: frozenset[str]  # that its code is in
    registry: Registry


_LOADED: dict[str, _Loaded] = {}  # by name


def load_plugins(names: Iterable[str | Path]) -> tuple[Plugin, ...]:
    """Return the plug-ins of these names, loaded; one that is loaded already is left as it is.

    A file that has changed since is loaded anew.

    :param names: paths of files, relative to the working directory, and names of entry points
    :raises ConfigurationError: a plug-in is missing or broken; the sentence names file and line
    """
    return tuple(_load(name) for name in dict.fromkeys(map(whole_name, names)))


def load_same(plugins: Iterable[Plugin]) -> Plugin | None:
    """Load plug-ins in order; return the first one that has changed, None if none has.

    :raises ConfigurationError: one is missing or broken
    """
    for plugin in plugins:
        if load_plugins([plugin.name]) != (plugin,):
            return plugin
    return None


def plugins_with(parts: Set[tuple[str, str]]) -> tuple[Plugin, ...]:
    """Return the loaded plug-ins that registered any of some parts.

    :param parts: what each is, and its name, as in `registry.ORIGINS`
    """
    return tuple(one.plugin for one in _LOADED.values() if one.registry.parts & parts)


def registered(plugins: Collection[Plugin], sort: str) -> tuple[str, ...]:
    """Return the names of all parts of a sort that some plug-ins have registered."""
    own = [one.registry.parts for one in _LOADED.values() if one.plugin in plugins]
    return tuple(sorted(name for parts in own for kind, name in parts if kind == sort))


def unload_plugins() -> None:
    """Remove all that plug-ins have registered."""
    while _LOADED:
        _LOADED.popitem()[1].registry.withdraw()


def blame(error: BaseException) -> str | None:
    """Return the sentence that names the plug-in whose code raised an error, or caused it.

    None if none did, or if the plug-in itself says what the user can mend.
    """
    files = {file for loaded in _LOADED.values() for file in loaded.files}
    if isinstance(error, ContractError):
        return _place_of_function(error, files)
    sentence = None if isinstance(error, AssumeRlError) else _place_of_error(error, files)
    if sentence is None and error.__cause__ is not None:
        return blame(error.__cause__)
    return sentence


def _load(name: str) -> Plugin:
    if not is_file(name):
        return _load_entry_point(name)
    content = content_of(name)
    plugin = Plugin(name, digest(content))
    before = _LOADED.get(name)
    if before is not None and before.plugin == plugin:
        return plugin
    if before is not None:
        _LOADED.pop(name).registry.withdraw()
    with _errors_of(name, {name}):
        _register(plugin, _module(plugin, content), frozenset({name}))
    return plugin


def _module(plugin: Plugin, content: bytes) -> ModuleType:
    """Return the module that runs just the content that was hashed, not a compiled copy of it."""
    stem = Path(plugin.name).stem
    module = ModuleType(f"assume_rl_plugin_{plugin.sha256[:12]}_{stem}")
    module.__file__ = plugin.name
    sys.modules[module.__name__] = module  # dataclasses look for it
    try:
        exec(compile(content, plugin.name, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def _load_entry_point(name: str) -> Plugin:
    if name in _LOADED:
        return _LOADED[name].plugin
    point = entry_point(name)
    files = files_of(point)
    plugin = installed_plugin(name, files)
    with _errors_of(name, set(files)):
        _register(plugin, import_module(point.module), frozenset(files))
    return plugin


def _register(plugin: Plugin, module: ModuleType, files: frozenset[str]) -> None:
    """Register a module's parts: all of them, or none if one is refused."""
    register = getattr(module, "register", None)
    if not isinstance(register, FunctionType):
        raise ConfigurationError(f"{shown_name(plugin.name)}: has no function register(registry)")
    shown = shown_name(plugin.name)
    registry = Registry(shown if is_file(plugin.name) else f"the entry point '{shown}'")
    try:
        register(registry)
    except BaseException:
        registry.withdraw()
        raise
    if registry.is_empty:
        line = register.__code__.co_firstlineno
        raise ConfigurationError(f"{shown_name(plugin.name)}, line {line}: registers nothing")
    _LOADED[plugin.name] = _Loaded(plugin, files, registry)


@contextmanager
def _errors_of(name: str, files: set[str]) -> Iterator[None]:
    """Turn errors of a plug-in's code into a sentence with file and line."""
    try:
        yield
    except (Exception, SystemExit) as error:
        sentence = _place_of_function(error, files) if isinstance(error, ContractError) else None
        sentence = sentence or _place_of_error(error, files)
        if sentence is None and isinstance(error, AssumeRlError):
            raise
        raise ConfigurationError(sentence or f"plug-in '{shown_name(name)}': {error}") from None


def _place_of_error(error: BaseException, files: set[str]) -> str | None:
    """Return file, line and reason of an error, at the last line in one of some files."""
    if isinstance(error, SyntaxError) and error.filename in files:
        return f"{shown_name(error.filename)}, line {error.lineno}: {error.msg}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in files]
    if not frames:
        return None
    text = " ".join(str(error).split())
    if not isinstance(error, AssumeRlError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{shown_name(frames[-1].filename)}, line {frames[-1].lineno}: {text}"


def _place_of_function(error: ContractError, files: set[str]) -> str | None:
    """Return file, line and reason of a plug-in function's wrong result; None: not its own."""
    function: Any = error.function
    while isinstance(function, partial):
        function = function.func
    function = unwrap(getattr(function, "__func__", function))
    if not isinstance(function, FunctionType):  # an object that is called
        function = type(function).__call__
    code = getattr(function, "__code__", None)
    if code is None or code.co_filename not in files:
        return None
    return f"{shown_name(code.co_filename)}, line {code.co_firstlineno}: {error}"
