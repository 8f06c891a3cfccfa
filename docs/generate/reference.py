"""Reference pages, written from the code that they describe."""

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy import Table
from typer.cli import get_docs_for_click

import assume_rl
from assume_rl.cli import app
from assume_rl.learning.config import LearningConfig
from assume_rl.results.tables import FAMILIES, METADATA
from assume_rl.scenario.schema import Market, Product, StrategyParams, StudyCase

SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("A study case", StudyCase),
    ("markets_config: a market", Market),
    ("products: what an auction sells", Product),
    ("bidding_strategy_params", StrategyParams),
    ("learning_config", LearningConfig),
)


def command_line() -> str:
    """Every command and option, in typer's own words."""
    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="assume-rl")
    page = get_docs_for_click(obj=command, ctx=context, name="assume-rl", title="Command line")
    return escape(page)


def escape(markdown: str) -> str:
    """`markdown` whose `<names>` outside of code are no HTML."""
    parts = re.split(r"(```.*?```|`[^`\n]*`)", markdown, flags=re.DOTALL)
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]
    return "".join(parts)


def settings() -> str:
    """Every key of `config.yaml`, from the models that read it."""
    lines = [
        "# Settings",
        "",
        "Every key of a scenario's `config.yaml`, from the models that read it. What files and",
        "tables mean beside them: [scenario format](../scenario-format.md).",
    ]
    for title, model in SECTIONS:
        lines += ["", f"## {title}", "", *_head("key", "type", "default", "meaning")]
        lines += [_row(name, field) for name, field in model.model_fields.items()]
    return "\n".join(lines) + "\n"


def _row(name: str, field: FieldInfo) -> str:
    meaning = escape(" ".join((field.description or "").split()))
    return f"| `{name}` | {_kind(field.annotation)} | {_default(field)} | {_cell(meaning)} |"


def _kind(annotation: Any) -> str:
    text = annotation.__name__ if inspect.isclass(annotation) else str(annotation)
    text = re.sub(r"\b(?:typing|datetime|[a-z_.]+\.schema)\.", "", text)
    return f"`{_cell(text)}`"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value in ((), {}) or isinstance(value, BaseModel):
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def tables() -> str:
    """Every result table and column, with its unit of measure."""
    lines = [
        "# Result tables",
        "",
        "Columns of the tables of an output folder's `results.db`. How they are written:",
        "[results](../results.md). Power is MW, sale > 0; prices EUR/MWh; money EUR; times UTC.",
    ]
    for table in METADATA.tables.values():
        lines += ["", f"## {table.name}", "", *_head("column", "type", "meaning")]
        lines += _columns(table)
    return "\n".join(lines) + "\n"


def _columns(table: Table) -> Iterator[str]:
    for column in table.columns:
        kind = column.type.__visit_name__.lower()
        yield f"| `{column.name}` | {kind} | {_cell(column.comment or '')} |"
    if table.name in FAMILIES:
        yield f"| `{_cell(FAMILIES[table.name].pattern)}` | float | as many as the run needs |"


def python_names() -> str:
    """Every public name of the package, for mkdocstrings to fill in."""
    names = sorted(assume_rl.__all__, key=str.casefold)
    functions = [name for name in names if inspect.isfunction(getattr(assume_rl, name))]
    errors = [name for name in names if name.endswith("Error")]
    rest = [name for name in names if name not in (*functions, *errors)]
    lines = ["# Python", "", "What `import assume_rl` offers."]
    for title, group in (("Functions", functions), ("Classes", rest), ("Errors", errors)):
        lines += ["", f"## {title}", *_blocks(group)]
    return "\n".join(lines) + "\n"


def _blocks(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield from ("", f"::: assume_rl.{name}")


def _head(*titles: str) -> tuple[str, str]:
    return f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES = {
    "reference/command-line.md": command_line,
    "reference/settings.md": settings,
    "reference/tables.md": tables,
    "reference/python.md": python_names,
}
"""What writes each page of the site that is not in `docs/`."""
