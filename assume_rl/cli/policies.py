"""`assume-rl policies`: finished policies as things of their own."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from assume_rl.cli import checked, completion
from assume_rl.cli.app import app
from assume_rl.cli.options import POLICIES, Case, Json, OverwriteFiles, Plugins, Set
from assume_rl.errors import ConfigurationError

policies = typer.Typer(
    help="Look into policies, check, compare and export them.", no_args_is_help=True
)
app.add_typer(policies, name="policies")

Saved = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        help=f"{POLICIES}.",
        autocompletion=completion.policy_folders,
        callback=checked.policies,
    ),
]


class Form(StrEnum):
    """Forms of exported policies."""

    onnx = "onnx"
    light = "light"


@policies.command()
def inspect(
    folder: Saved,
    as_json: Json = False,
    plugins: Plugins = None,
) -> None:
    """Print what policies are: networks, observations, scales, and where they are from."""
    from assume_rl.cli.policies_tables import print_described
    from assume_rl.experiments.policies_on_disk.described import described
    from assume_rl.scenario.plugins import load_plugins

    load_plugins(plugins or ())
    found = described(folder)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    print_described(Console(), found)


@policies.command()
def verify(
    folder: Saved,
    scenario: Annotated[
        Path | None,
        typer.Option(
            "--scenario",
            metavar="SCENARIO",
            help="Scenario folder whose units are to act by them.",
            autocompletion=completion.scenario_folders,
        ),
    ] = None,
    case: Case = None,
    overrides: Set = None,
    plugins: Plugins = None,
) -> None:
    """Check files, hashes and numbers and, with a scenario, whether its units can act by them.

    Exit code 0: all is well; 2: something is wrong, each on a line.
    """
    if scenario is None and (case or overrides):
        raise ConfigurationError("--case and --set need a --scenario")
    if scenario is not None:
        checked.scenario(scenario, case)

    from assume_rl.cli.console import load
    from assume_rl.cli.policies_tables import print_verified
    from assume_rl.experiments.policies_on_disk.verified import verified
    from assume_rl.scenario.plugins import load_plugins

    load_plugins(plugins or ())
    loaded = None if scenario is None else load(scenario, case, overrides, False, plugins=plugins)
    found = verified(folder, loaded)
    print_verified(Console(), found)
    if found.problems:
        raise typer.Exit(2)


@policies.command()
def diff(first: Saved, second: Saved, plugins: Plugins = None) -> None:
    """Compare two sets of policies: settings, networks, weights, actions on fixed observations.

    Exit code 0: equal; 1: not equal; 2: one cannot be read.
    """
    from assume_rl.cli.policies_tables import print_differences
    from assume_rl.experiments.policies_on_disk.differences import differences
    from assume_rl.experiments.policies_on_disk.saved import saved_policies
    from assume_rl.scenario.plugins import load_plugins

    load_plugins(plugins or ())
    found = differences(saved_policies(first), saved_policies(second))
    print_differences(Console(), found)
    if not found.equal:
        raise typer.Exit(1)


@policies.command()
def export(
    folder: Saved,
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="onnx: a graph per policy, for any runtime; light: arrays and a page of Python "
            "that needs numpy and safetensors only.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Folder; exports of the same names are replaced."
        ),
    ],
    overwrite: OverwriteFiles = False,
    plugins: Plugins = None,
) -> None:
    """Write policies in a form that others can act by; each is checked to act the same."""
    from assume_rl.experiments.policies_on_disk.exported import check_apart, write_exported
    from assume_rl.experiments.policies_on_disk.light import light_files
    from assume_rl.experiments.policies_on_disk.onnx_file import onnx_files
    from assume_rl.experiments.policies_on_disk.saved import saved_policies
    from assume_rl.scenario.plugins import load_plugins

    load_plugins(plugins or ())
    check_apart(out, folder)
    found = saved_policies(folder)
    files = onnx_files(found) if form is Form.onnx else light_files(found)
    console = Console(highlight=False, soft_wrap=True)
    write_exported(out, files, overwrite=overwrite)
    for name in files:
        console.print(str(out / name), markup=False)
    drawing = [policy.name for policy in found if policy.actor.mixed]
    if drawing:
        names = f"{', '.join(drawing[:3])}{', ...' if len(drawing) > 3 else ''}"
        console.print(
            f"{len(drawing)} of them ({names}) give probabilities: who bids draws a rung by these",
            markup=False,
        )
