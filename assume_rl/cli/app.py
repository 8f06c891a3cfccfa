"""The command line's application; commands register with it.

Modules that hold commands load only what declares these, so that help, the version and completion
are there at once; the body of a command loads what it needs.
"""

import re
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from assume_rl.errors import nearest

CHOICE = re.compile(r"'(?P<given>.*)' is not one of (?P<valid>'.*')\.")
"""What Typer says of an argument that is none of its choices."""


class _Commands(TyperGroup):
    """Commands whose messages name the nearest choice, or the key of a setting."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted(self.commands)

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
        if args and args[0] not in self.commands:
            ctx.fail(f"There is no command '{args[0]}'; {nearest(args[0], self.commands)}")
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
