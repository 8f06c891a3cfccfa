"""`assume-rl list`: what scenarios can be made of."""

import json
from collections.abc import Collection
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assume_rl.cli import completion
from assume_rl.cli.app import app
from assume_rl.cli.options import Json, Plugins
from assume_rl.errors import ConfigurationError, nearest_part

if TYPE_CHECKING:
    from assume_rl.scenario.plugins.catalogue import Parameter, Part


class Sort(StrEnum):
    """What there is."""

    technologies = "technology"
    unit_kinds = "unit-kind"
    bidders = "bidder"
    portfolio_strategies = "portfolio-strategy"
    rules = "rule"
    forecasts = "forecast"
    algorithms = "algorithm"
    critics = "critic"
    actors = "actor"
    schedules = "schedule"
    observers = "observer"


@app.command("list")
def list_parts(
    sort: Annotated[
        Sort | None, typer.Argument(metavar="KIND", help="Kind of parts to print; all by default.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Part to print; all of the kind by default.",
            autocompletion=completion.parts,
        ),
    ] = None,
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """Print unit kinds, bidders, strategies of operators, rules, ..., with their parameters."""
    from assume_rl.learning.config import SETTINGS

    light = {Sort.algorithms: tuple(SETTINGS), Sort.rules: completion.RULES}
    if name is not None and sort in light and not plugins:  # which may have parts of their own
        _check_part(name, light[sort])

    from assume_rl.scenario.plugins import load_plugins
    from assume_rl.scenario.plugins.catalogue import catalogue

    load_plugins(plugins or ())
    parts = [part for part in catalogue() if sort is None or part.sort in _shown(sort)]
    if name is not None:
        parts = _called(name, parts)
    if as_json:
        content = {"parts": [asdict(part) for part in parts], "entry_points": _entry_points()}
        typer.echo(json.dumps(content, indent=2, default=_plain))
        return
    if not parts:
        typer.echo("none; plug-ins may have some")
    _print(parts)


def _called(name: str, parts: "list[Part]") -> "list[Part]":
    """Return the part of a name.

    :raises ConfigurationError: there is none
    """
    from assume_rl.scenario.plugins.catalogue import COMMON

    own = {part.name: part for part in parts if part.sort != COMMON}
    _check_part(name, own)
    return [own[name]]


def _check_part(name: str, own: Collection[str]) -> None:
    """Raise `ConfigurationError` unless a part has one of some names."""
    if name not in own:
        hint = f"; {nearest_part(name, own)}" if own else ", nor anything else; load a plug-in"
        raise ConfigurationError(f"there is no '{name}'{hint}")


def _shown(sort: Sort) -> tuple[str, ...]:
    """Return the sorts of the catalogue that an argument asks for."""
    from assume_rl.scenario.plugins.catalogue import COMMON

    found = sort.value.replace("-", " ")
    return (COMMON, found) if sort is Sort.algorithms else (found,)


def _entry_points() -> list[dict[str, Any]]:
    """Return the plug-ins of installed packages, which are loaded only where they are named."""
    from assume_rl.scenario.found_plugins import installed_plugins

    return [
        {
            "name": point.name,
            "package": point.dist.name if point.dist else None,
            "version": point.dist.version if point.dist else None,
        }
        for point in installed_plugins()
    ]


def _print(parts: "list[Part]") -> None:
    for part in parts:
        typer.echo(_title(part))
        for parameter in part.parameters:
            typer.echo(f"    {_line(parameter)}")
    for point in _entry_points():
        name, package = point["name"], f"{point['package']} {point['version']}"
        typer.echo(f"plug-in {name} (installed with {package}; --plugin {name} loads it)")


def _title(part: "Part") -> str:
    """Return what a part is, where it is from, how far it can be relied on, who published it."""
    from assume_rl.scenario.plugins.catalogue import COMMON

    if part.sort == COMMON:
        return f"{part.name}, whatever the algorithm ({part.source})"
    status = f", {part.status}" if part.status else ""
    paper = f": {part.paper}" if part.paper else ""
    return f"{part.sort} {part.name} ({part.source}{status}){paper}"


def _line(parameter: "Parameter") -> str:
    default = "" if parameter.required else f" = {_written(parameter.default)}"
    return f"{parameter.name}: {parameter.type}{default}"


def _written(value: Any) -> str:
    """Return a value as a file has it."""
    return value if isinstance(value, str) else json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    """Return what JSON can hold of a value that it does not know."""
    from pydantic import BaseModel

    return value.model_dump() if isinstance(value, BaseModel) else str(value)
