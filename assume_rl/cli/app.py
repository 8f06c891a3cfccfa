"""The command line's application; commands register with it."""

import typer

app = typer.Typer(
    help="Agent-based electricity-market simulation with learning bidders.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
