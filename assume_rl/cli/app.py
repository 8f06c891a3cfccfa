"""The command line's application; commands register with it."""

import re
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from assume_rl.errors import nearest

COMMANDS = {
    "batch": ("batch", "Do all runs of a study that are not finished."),
    "bench": ("bench", "Compare algorithms, and policies among each other."),
    "compare": ("compare", "Compare the designs of a study."),
    "evaluate": ("single", "Let finished policies act without exploration and score them."),
    "export": ("export", "Write the tables of a run or a study to files."),
    "list": ("list", "Print unit kinds, bidders, strategies of operators, rules, ..."),
    "policies": ("policies", "Look into policies, check, compare and export them."),
    "report": ("report", "Write one HTML file with the figures of a run or a study."),
    "run": ("single", "Run a study case without training."),
    "schema": ("schema", "Print the JSON schema of a file."),
    "train": ("single", "Train the learning bidders."),
    "tune": ("tune", "Search the settings that make a figure best."),
    "validate": ("single", "Check a scenario folder."),
}
"""Module of each command, and what `assume-rl --help` says of it without loading that."""

CHOICE = re.compile(r"'(?P<given>.*)' is not one of (?P<valid>'.*')\.")
"""What Typer says of an argument that is none of its choices."""


class _Commands(TyperGroup):
    """Commands whose messages name the nearest choice, or the key of a setting.

    Those whose modules are not loaded are there for `--help`: with their names and nothing else.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, loaded or not."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, or what stands for it."""
        found = super().get_command(ctx, cmd_name)
        if found is None and cmd_name in COMMANDS:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1])
        return found

    def invoke(self, ctx: Any) -> Any:
        """Return what the command returns; mend the message where its arguments are wrong."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if isinstance(error, typer.BadParameter):
                error.message = choice_message(error.message)
            elif hasattr(error, "possibilities"):  # there is no such option
                _name_setting(error)
            elif "unexpected extra argument" in getattr(error, "message", ""):
                _name_policies(error)
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that arguments begin with; name the nearest where there is none."""
        if args and args[0] not in COMMANDS:
            ctx.fail(f"There is no command '{args[0]}'; {nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


def choice_message(message: str) -> str:
    """Return Typer's message without the type of the error, and with the nearest choice.

    >>> choice_message("Value error, 'rules' is not one of 'rule', 'bidder'.")
    "'rules' is not one of 'rule', 'bidder'; did you mean 'rule'?"
    """
    plain = message.removeprefix("Value error, ")
    found = CHOICE.fullmatch(plain)
    hint = nearest(found["given"], re.findall(r"'(.*?)'", found["valid"])) if found else ""
    return f"{plain.removesuffix('.')}; {hint}" if hint.startswith("did you mean") else plain


def _name_setting(error: Any) -> None:
    """Say how a setting is changed that was given as an option."""
    from assume_rl.learning.config import learning_keys

    key = error.option_name.removeprefix("--").replace("-", "_")
    meant = [own for own in learning_keys() if f"_{own}".endswith(f"_{key}")]
    if meant and _takes(error, "--set"):
        error.message += f"; it is a setting: --set learning_config.{min(meant, key=len)}=..."
        error.possibilities = None


def _name_policies(error: Any) -> None:
    """Say how policies are named, which may be the argument that was too many."""
    if _takes(error, "--policies"):
        error.message += "; policies are named with --policies FOLDER, study cases with --case"


def _takes(error: Any, option: str) -> bool:
    """Return whether the command that was called with wrong arguments has an option."""
    return any(option in parameter.opts for parameter in error.ctx.command.params)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    """Print the version of the package and end, if that was asked."""
    if asked:
        typer.echo(f"assume-rl {version('assume-rl')}")
        raise typer.Exit


@app.callback()
def commands(
    asked: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Agent-based electricity-market simulation with learning bidders."""


def load_commands(*names: str) -> None:
    """Let the modules of commands register them; of all commands where none is named."""
    for name in names or COMMANDS:
        import_module(f"assume_rl.cli.{COMMANDS[name][0]}")
