"""Checks of arguments before anything heavy is loaded: what the command would say much later.

Each calls what the command calls later too, so that a sentence stands in one place.
"""

from pathlib import Path
from typing import Any

import typer

from assume_rl.cli.assignments import settings
from assume_rl.errors import ConfigurationError, ScenarioError


def scenario(folder: Path, case: str | None) -> Any:
    """Return the settings of a study case of a folder as they are written.

    :param folder: that holds study cases
    :param case: name of one; None: the first
    :raises ScenarioError: there is none
    """
    from assume_rl.scenario.config.cases import CONFIG_FILE, read_cases, unknown_case

    cases = read_cases(folder)
    if case is not None and case not in cases:
        raise ScenarioError(f"{CONFIG_FILE}: {unknown_case(case, cases)}")
    return cases[case] if case is not None else next(iter(cases.values()))


def scenario_folder(context: typer.Context, folder: Path) -> Path:
    """Return a folder that holds study cases, the one that `--case` names among them.

    :raises ScenarioError: it does not
    """
    scenario(folder, context.params.get("case"))  # options are read before
    return folder


def assignments(texts: list[str] | None) -> list[str] | None:
    """Return texts that all are assignments, no two of the same key.

    :raises ConfigurationError: see `settings`
    """
    settings(texts or [])
    return texts


def plugins(names: list[str] | None) -> list[str] | None:
    """Return names of plug-ins that are there; their code does not run yet.

    :raises ConfigurationError: one is missing
    """
    from assume_rl.scenario.found_plugins import found_plugin, whole_name

    for name in names or ():
        found_plugin(whole_name(name))
    return names


def policies(folder: Path | None) -> Path | None:
    """Return a folder that holds policies; None if none was named.

    :raises PolicyError: it holds none
    """
    if folder is not None:
        from assume_rl.experiments.policy_folder import check_policies

        check_policies(folder)
    return folder


def text_file(path: Path | None) -> Path | None:
    """Return the path of a file that is there; `ConfigurationError` if it is not, or is no file."""
    from assume_rl.scenario.text_file import read_named

    if path is not None and not path.is_file():
        read_named(path)  # which says what it is instead
    return path


def sets_of_policies(folders: list[Path]) -> list[Path]:
    """Return folders that all hold policies; `PolicyError` if one does not."""
    for folder in folders:
        policies(folder)
    return folders


def seed(number: int | None) -> int | None:
    """Return a seed that databases can hold; `ConfigurationError` if they cannot."""
    from assume_rl.seeds import check_seed

    if number is not None:
        check_seed(number)
    return number


def tables(names: str | None) -> str | None:
    """Return names of result tables that may be chosen, separated by commas.

    :raises ResultsError: there is no such table, or it cannot be left out
    """
    if names is not None:
        from assume_rl.results.tables import chosen_tables

        chosen_tables(names.split(","))
    return names


def database(url: str | None) -> str | None:
    """Return the URL of a database that keeps results; `ResultsError` if it is none."""
    if url is not None:
        from assume_rl.results.database import check_kept

        check_kept(url)
    return url


def trackers(names: list[str] | None) -> list[str] | None:
    """Return names of trackers that there are; `ConfigurationError` if there is none of a name."""
    if names:
        from assume_rl.results.tracking import check_trackers

        check_trackers(names)
    return names


def listed(option: str, text: str) -> list[str]:
    """Return the names that commas part; `ConfigurationError` if there are none.

    :param option: that has them
    :param text: its value
    """
    found = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not found:
        raise ConfigurationError(f"{option}: '{text}' names nothing; separate names by commas")
    return found
