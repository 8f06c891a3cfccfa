"""Checks of arguments before anything heavy is loaded: what the command would say much later."""

from pathlib import Path

import typer

from assume_rl.cli.assignments import settings
from assume_rl.errors import ScenarioError


def scenario_folder(context: typer.Context, folder: Path) -> Path:
    """Return a folder that holds study cases, the one that `--case` names among them.

    :raises ScenarioError: it does not
    """
    from assume_rl.scenario.config.cases import CONFIG_FILE, read_cases, unknown_case

    cases, case = read_cases(folder), context.params.get("case")  # options are read before
    if case is not None and case not in cases:
        raise ScenarioError(f"{CONFIG_FILE}: {unknown_case(case, cases)}")
    return folder


def assignments(texts: list[str] | None) -> list[str] | None:
    """Return texts that all are assignments, no two of the same key.

    :raises ConfigurationError: see `settings`
    """
    settings(texts or [])
    return texts
