"""Reference pages, written from the code that they describe."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy import Table
from typer.cli import get_docs_for_click

import assume_rl
from assume_rl.cli import app
from assume_rl.core.bidding import BIDDERS, OPERATORS, entries
from assume_rl.core.clearing import RULES
from assume_rl.learning.config import learning_keys
from assume_rl.results.study_tables import study_metadata
from assume_rl.results.tables import FAMILIES, metadata
from assume_rl.scenario.compile.capabilities import (
    NO_LADDER,
    OTHER_KIND,
    Capability,
    capabilities,
    pairs,
    untraded,
)
from assume_rl.scenario.config.schema import PRODUCT_TYPES, Market, Product, StudyCase
from assume_rl.scenario.plain_types import field_type
from assume_rl.scenario.plugins.registry import ANY_CONTEXT
from assume_rl.studies.schema import StudyFile
from assume_rl.studies.sections import Design, Draws, Law, ScenarioFolder, StepOptions
from assume_rl.studies.tuning.schema import Objective, Pruner, Sampler, TuneFile

SECTIONS: dict[str, Mapping[str, FieldInfo]] = {
    "config.yaml: a study case": StudyCase.model_fields,
    "markets_config: a market": Market.model_fields,
    "products: what an auction sells": Product.model_fields,
    **{
        f"bidding_strategy_params of {name}": entry.Params.model_fields
        for name, entry in entries().items()
        if entry.Params.model_fields
    },
    "learning_config": learning_keys(),
    "A study file": StudyFile.model_fields,
    "scenarios of a study file": ScenarioFolder.model_fields,
    "list: a design": Design.model_fields,
    "random: designs drawn at random": Draws.model_fields,
    "random.keys: how to draw a value": Law.model_fields,
    "steps: a step that is not as usual": StepOptions.model_fields,
    "A tune file": TuneFile.model_fields,
    "objective of a tune file": Objective.model_fields,
    "sampler of a tune file": Sampler.model_fields,
    "pruner of a tune file": Pruner.model_fields,
}
"""Heading and keys of every section of a configuration file."""


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
        "Every key of a scenario's `config.yaml`, of a study file and of a tune file, from the",
        "models that read them. What they mean together: [scenario format](../scenario-format.md),",
        "[batches](../batch.md), [tuning](../how-to/tune.md).",
    ]
    for title, fields in SECTIONS.items():
        lines += ["", f"## {title}", "", *_head("key", "type", "default", "meaning")]
        lines += [_row(name, field) for name, field in fields.items()]
    return "\n".join(lines) + "\n"


def _row(name: str, field: FieldInfo) -> str:
    meaning = escape(" ".join((field.description or "").split()))
    kind = field_type(field, quote="`")
    return f"| `{name}` | {kind} | {_default(field)} | {_cell(meaning)} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value in ((), {}) or isinstance(value, BaseModel):
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{', '.join(map(str, value)) if isinstance(value, tuple) else value}`"


DATABASES = (
    ("A run: results.db", "results", metadata()),
    ("A study: study.db", "study-database", study_metadata()),
)


def tables() -> str:
    """Every result table and column, with its unit of measure."""
    lines = [
        "# Result tables",
        "",
        "Power is MW, sale > 0; prices EUR/MWh; money EUR; times UTC.",
    ]
    for title, page, own in DATABASES:
        lines += ["", f"## {title}", "", f"See [{page}](../{page}.md)."]
        for table in own.tables.values():
            lines += ["", f"### {table.name}", "", *_head("column", "type", "meaning")]
            lines += _columns(table)
    return "\n".join(lines) + "\n"


def capability_table() -> str:
    """Return a table of what each unit kind can bid with, in which markets and on which shell."""
    table = list(capabilities(ANY_CONTEXT))
    untold = [name for name in PRODUCT_TYPES if untraded(name) is not None]
    lines = [
        "# What goes together",
        "",
        "Every unit kind with every bidder that it can have, by what a market trades and how it "
        "clears; on both shells, or a reason why not. A "
        "combination that is not here is refused: the bidder is not for that kind of unit, or does "
        "not trade that.",
        "",
        *_head("unit kind", "bidder", "product type", *(f"`{rule}`" for rule in RULES)),
        *_markets(table),
        "",
        "Learners of several markets train together if these open at the same times. No bidder "
        f"trades {_names(untold)} yet, so that markets of these product types are refused.",
        "",
        "## Reward curves",
        "",
        "What [smooth fictitious play](../algorithms/fictitious-play.md), "
        "[mirror descent](../algorithms/mirror-descent.md) and "
        "[regret matching](../algorithms/regret-matching.md) learn from. `known`: "
        "where there is one market whose products are equally long, of plants without ramps and "
        "start costs. [Actor-critic on reward curves](../algorithms/curve-actor-critic.md) learns "
        "from them where ramps, start costs or storages tie auctions of one product together, too. "
        "All bidders that are not here choose no rungs of a ladder.",
        "",
        *_head("unit kind", "bidder", "product type", *(f"`{rule}`" for rule in RULES)),
        *_curves(table),
        "",
        "## Strategies of operators",
        "",
        "What an operator's [strategy](../scenario-format.md#unit_operators) makes of the bidders "
        "of its units. `as without it`: wherever the bidder works; "
        "anything else says why the strategy is refused.",
        "",
        *_head("bidder", *(f"`{name}`" for name in OPERATORS)),
        *_strategies(table),
        "",
        "## A unit in several markets",
        "",
        "A unit may have another bidder in each market, but not these together:",
        "",
        *_head("unit kind", "bidder", "with", "why not"),
        *_pairs(),
    ]
    return "\n".join(lines) + "\n"


def _markets(table: Iterable[Capability]) -> Iterator[str]:
    """Rows of unit kind, bidder and product type; a column per rule."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    trades = {name: entry.create(ANY_CONTEXT, {}).product_types for name, entry in BIDDERS.items()}
    for one in table:
        here = one.product_type in trades[one.bidder]
        if here and one.refused != OTHER_KIND and one.strategy is None:
            rows.setdefault((one.kind, one.bidder, one.product_type), []).append(
                one.refused or "works"
            )
    for (kind, bidder, product_type), cells in rows.items():
        yield f"| {kind} | `{bidder}` | {product_type} | {' | '.join(map(_cell, cells))} |"


def _curves(table: Iterable[Capability]) -> Iterator[str]:
    """Rows of bidders on a ladder; a column per rule."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for one in table:
        if one.refused is None and one.strategy is None and one.no_curves != NO_LADDER:
            cell = one.no_curves or "known"
            rows.setdefault((one.kind, one.bidder, one.product_type), []).append(cell)
    for (kind, bidder, product_type), cells in rows.items():
        yield f"| {kind} | `{bidder}` | {product_type} | {' | '.join(map(_cell, cells))} |"


def _strategies(table: Iterable[Capability]) -> Iterator[str]:
    """Rows of bidders, and a column per strategy of operators: reasons beyond those without it."""
    alone = {_place(one) for one in table if one.strategy is None and one.refused is None}
    reasons: dict[tuple[str, str], dict[str, None]] = {}
    for one in table:
        if one.strategy is not None:
            found = reasons.setdefault((one.bidder, one.strategy), {})
            if one.refused is not None and _place(one) in alone:
                found[one.refused] = None
    for bidder in BIDDERS:
        cells = ["; ".join(reasons[bidder, name]) or "as without it" for name in OPERATORS]
        yield f"| `{bidder}` | {' | '.join(map(_cell, cells))} |"


def _place(one: Capability) -> tuple[str, str, str, str]:
    return one.kind, one.bidder, one.product_type, one.rule


def _pairs() -> Iterator[str]:
    """Rows of bidders that no unit can have at the same time."""
    for pair in pairs(ANY_CONTEXT):
        if pair.refused is not None:
            names = f"`{pair.bidder}` | `{pair.other}`"
            yield f"| {pair.kind} | {names} | {_cell(pair.refused)} |"


def _names(names: Iterable[str]) -> str:
    *rest, last = (f"`{name}`" for name in names)
    return f"{', '.join(rest)} or {last}" if rest else last


def _columns(table: Table) -> Iterator[str]:
    for column in table.columns:
        kind = column.type.__visit_name__.lower().removeprefix("big_")
        yield f"| `{column.name}` | {kind} | {_cell(column.comment or '')} |"
    if table.name in FAMILIES:
        # As it is written, a class of signs would be taken for a link.
        pattern = FAMILIES[table.name].pattern.replace("|", "&#124;").replace("[", "&#91;")
        yield f"| <code>{pattern}</code> | float | as many as the run needs |"


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
    "reference/capabilities.md": capability_table,
    "reference/tables.md": tables,
    "reference/python.md": python_names,
}
"""What writes each page of the site that is not in `docs/`."""
