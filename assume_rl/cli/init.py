"""`assume-rl init`: a scenario to start one's own from."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer
from rich.console import Console

from assume_rl.cli.app import app


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder that is not there yet, or empty.")
    ],
) -> None:
    """Write a small scenario with comments, to start one's own from; nothing is overwritten."""
    from assume_rl.scenario.starter import write_starter

    console = Console(highlight=False, soft_wrap=True)
    for path in write_starter(folder):
        console.print(str(path), markup=False)
    place = quote(str(folder))
    console.print(f"next: assume-rl validate {place}, assume-rl train {place}", markup=False)
