"""The command line's application; commands register with it."""

import re
from typing import Any

import typer
from typer.core import TyperGroup

from assume_rl.errors import nearest
from assume_rl.learning.config import learning_keys

CHOICE = re.compile(r"'(?P<given>.*)' is not one of (?P<valid>'.*')\.")
"""What Typer says of an argument that is none of its choices."""


class _Commands(TyperGroup):
    """Commands whose messages name the nearest choice, or the key of a setting."""

    def invoke(self, ctx: Any) -> Any:
        """Return what the command returns; mend the message where its arguments are wrong."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if isinstance(error, typer.BadParameter):
                error.message = choice_message(error.message)
            elif hasattr(error, "possibilities"):  # there is no such option
                _name_setting(error)
            raise


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
    key = error.option_name.removeprefix("--").replace("-", "_")
    takes_settings = any("--set" in parameter.opts for parameter in error.ctx.command.params)
    if takes_settings and key in learning_keys():
        error.message += f"; it is a setting: --set learning_config.{key}=..."
        error.possibilities = None


app = typer.Typer(
    cls=_Commands,
    help="Agent-based electricity-market simulation with learning bidders.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
