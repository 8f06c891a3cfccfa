"""`assume-rl`: the command line."""

import errno
import sys
from importlib import import_module

from rich.console import Console

from assume_rl.cli.app import app
from assume_rl.errors import AssumeRlError

__all__ = ["app", "main"]

COMMANDS = (
    "batch",
    "bench",
    "clear",
    "compare",
    "export",
    "init",
    "list",
    "policies",
    "report",
    "schema",
    "single",
    "tune",
)
"""Modules that register commands."""

for _name in COMMANDS:
    import_module(f"assume_rl.cli.{_name}")


def main() -> None:
    """Run the command line; end with one message and exit code 2 for what the user can mend."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app(prog_name="assume-rl")
    except Exception as error:
        told = _blame(error) or _of_path(error)
        if told is None and not isinstance(error, AssumeRlError):
            raise
        errors.print(told or str(error), markup=False)
        sys.exit(2)


def _blame(error: Exception) -> str | None:
    """Return the sentence that names the plug-in to blame, if any; what loads them may be heavy."""
    loading = sys.modules.get("assume_rl.scenario.plugins.loading")
    return None if loading is None else loading.blame(error)


def _of_path(error: Exception) -> str | None:
    """Return what is wrong with a path that no file system takes; None if it is something else."""
    if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        return f"'{error.filename}': {error.strerror}"
    loop = isinstance(error, RuntimeError) and str(error).startswith("Symlink loop")
    return str(error) if loop else None  # from Path.resolve
