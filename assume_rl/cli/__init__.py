"""`assume-rl`: the command line."""

import sys

from rich.console import Console

from assume_rl.cli import (  # noqa: F401 (each registers its commands)
    batch,
    bench,
    compare,
    export,
    list,
    report,
    schema,
    single,
)
from assume_rl.cli.app import app
from assume_rl.errors import AssumeRlError
from assume_rl.scenario.plugins import blame

__all__ = ["app", "main"]


def main() -> None:
    """Entry point: one message and exit code 2 for what the user can mend."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app()
    except Exception as error:
        blamed = blame(error)
        if blamed is None and not isinstance(error, AssumeRlError):
            raise
        errors.print(blamed or str(error), markup=False)
        sys.exit(2)
