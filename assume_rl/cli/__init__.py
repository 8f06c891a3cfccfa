"""`assume-rl`: the command line."""

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

        blamed = blame(error)
        if blamed is None and not isinstance(error, AssumeRlError):
            raise
        errors.print(blamed or str(error), markup=False)
        sys.exit(2)
