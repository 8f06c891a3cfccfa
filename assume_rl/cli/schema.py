"""`assume-rl schema`: what may stand in a file, for editors."""

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from assume_rl.cli.app import app
from assume_rl.cli.options import Plugins


class Format(StrEnum):
    """Files that there is a schema of."""

    study = "study"
    scenario = "scenario"
    tune = "tune"


@app.command()
def schema(
    file: Annotated[
        Format,
        typer.Argument(
            metavar="KIND",
            help="Study file, config.yaml of a scenario folder, or tune file.",
        ),
    ],
    plugins: Plugins = None,
) -> None:
    """Print the JSON schema of a file, with which editors check and complete it."""
    from assume_rl.scenario.plugins import load_plugins

    load_plugins(plugins or ())
    typer.echo(json.dumps(json_schema(file), indent=2))


def json_schema(file: Format) -> dict[str, Any]:
    """Return the JSON schema of a file."""
    from pydantic import TypeAdapter

    from assume_rl.scenario.config.schema import StudyCase
    from assume_rl.studies.schema import StudyFile
    from assume_rl.studies.tuning.schema import TuneFile

    if file is Format.study:
        return StudyFile.model_json_schema()
    if file is Format.tune:
        return TuneFile.model_json_schema()
    return TypeAdapter(dict[str, StudyCase]).json_schema()
