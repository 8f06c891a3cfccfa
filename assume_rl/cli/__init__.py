"""`assume-rl`: the command line."""

import errno
import sys

from rich.console import Console

from assume_rl.cli.app import COMMANDS, app, load_commands
from assume_rl.errors import AssumeRlError

__all__ = ["app", "load_commands", "main"]


def main() -> None:
    """Entry point: one message and exit code 2 for what the user can mend."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    if sys.argv[1:] and sys.argv[1] in COMMANDS:
        load_commands(sys.argv[1])  # others need libraries that this one does not
    try:
        app()
    except Exception as error:
        from assume_rl.scenario.plugins import blame

        told = blame(error) or _of_path(error)
        if told is None and not isinstance(error, AssumeRlError):
            raise
        errors.print(told or str(error), markup=False)
        sys.exit(2)


def _of_path(error: Exception) -> str | None:
    """Return what is wrong with a path that no file system takes; None if it is something else."""
    if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        return f"'{error.filename}': {error.strerror}"
    loop = isinstance(error, RuntimeError) and str(error).startswith("Symlink loop")
    return str(error) if loop else None  # from Path.resolve
