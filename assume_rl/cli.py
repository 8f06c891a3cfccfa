"""`assume-rl`: validate, run, train and evaluate scenario folders."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypedDict

import typer
from rich.console import Console

from assume_rl.cli_output import (
    LineObserver,
    ProgressObserver,
    print_evaluation,
    print_kpis,
    print_summary,
    print_training,
    print_trainings,
    print_warnings,
)
from assume_rl.episodes.draws import draw_seed
from assume_rl.episodes.learning_plan import pick_device
from assume_rl.errors import AssumeRlError, ConfigurationError
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.evaluate import evaluate as run_evaluation
from assume_rl.experiments.observer import Observer, Silent
from assume_rl.experiments.run import run as run_case
from assume_rl.experiments.train import train as run_training
from assume_rl.experiments.train import train_seeds as run_trainings
from assume_rl.experiments.train_task import training_warnings
from assume_rl.scenario.compile import compile_scenario
from assume_rl.scenario.describe import describe
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario

app = typer.Typer(
    help="Agent-based electricity-market simulation with learning bidders.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class TrainOptions(TypedDict):
    """What one training and one of several seeds are told alike."""

    policies: Path | None
    device: str | None
    engine: EngineName
    db: str | None
    csv: Path | None
    out: Path | None
    overwrite: bool


class Device(StrEnum):
    """Where networks live."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Engine(StrEnum):
    """Which shell plays the market."""

    auto = "auto"
    agents = "agents"
    batch = "batch"


Folder = Annotated[Path, typer.Argument(help="Scenario folder (with a config.yaml).")]
Case = Annotated[str | None, typer.Option("--case", help="Study case; the first by default.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change a setting, e.g. learning_config.gamma=0.9; repeatable. Relative paths "
        "(..._path=, policies.<unit>=) start at the scenario folder.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Unknown columns are errors.")]
Policies = Annotated[
    Path | None, typer.Option("--policies", help="Policy folder, in our layout or ASSUME's.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed; the study case's by default.")]
DeviceOption = Annotated[
    Device | None,
    typer.Option(
        "--device",
        help="Where networks train, learning_config.device by default; acting is on the CPU.",
    ),
]
EngineOption = Annotated[
    Engine,
    typer.Option(
        "--engine",
        help="The shell that plays the market: agents that exchange messages, or whole markets as "
        "tensors (batch). auto: train on batch where it supports the scenario, else agents.",
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option(
        "--seeds", min=1, help="Train so many seeds side by side: --seed, --seed + 1, ..."
    ),
]
Database = Annotated[
    str | None, typer.Option("--db", help="SQLAlchemy URL; results.db in --out by default.")
]
Csv = Annotated[Path | None, typer.Option("--csv", help="Export all tables to this folder.")]
Out = Annotated[Path | None, typer.Option("--out", help="Output folder.")]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace a run in --out, in --db, and copies of policies."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors only.")]


@app.command()
def validate(
    scenario: Folder, case: Case = None, overrides: Set = None, strict: Strict = False
) -> None:
    """Check a scenario folder: print what was understood, or every problem at once."""
    loaded = _load(scenario, case, overrides, strict)
    print_summary(Console(), describe(compile_scenario(loaded)))


@app.command()
def run(
    scenario: Folder,
    case: Case = None,
    engine: EngineOption = Engine.auto,
    policies: Policies = None,
    seed: Seed = None,
    device: DeviceOption = None,
    overrides: Set = None,
    db: Database = None,
    csv: Csv = None,
    out: Out = None,
    overwrite: Overwrite = False,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Run a study case without training; learning bidders act on finished policies."""
    loaded = _load(scenario, case, overrides, strict, device)
    console = _console(loaded, quiet)
    with _observer(console, quiet) as observer:
        result = run_case(
            loaded,
            policies=policies,
            seed=seed,
            engine=engine.value,
            db=db,
            csv=csv,
            out=out,
            overwrite=overwrite,
            observer=observer,
        )
    print_kpis(console, result)


@app.command()
def train(
    scenario: Folder,
    case: Case = None,
    engine: EngineOption = Engine.auto,
    policies: Policies = None,
    seed: Seed = None,
    seeds: Seeds = None,
    device: DeviceOption = None,
    overrides: Set = None,
    db: Database = None,
    csv: Csv = None,
    out: Out = None,
    overwrite: Overwrite = False,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Train the learning bidders, keep the best policies, record a run on the last ones."""
    loaded = _load(scenario, case, overrides, strict, device)
    console = _console(loaded, quiet, training_warnings(loaded, engine.value))
    settings = TrainOptions(
        policies=policies,
        device=device,
        engine=engine.value,
        db=db,
        csv=csv,
        out=out,
        overwrite=overwrite,
    )
    with _observer(console, quiet) as observer:
        if seeds is None:
            print_training(console, run_training(loaded, seed=seed, observer=observer, **settings))
            return
        first = draw_seed(loaded, seed)
        results = run_trainings(
            loaded, seeds=range(first, first + seeds), observer=observer, **settings
        )
    print_trainings(console, results)


@app.command()
def evaluate(
    scenario: Folder,
    case: Case = None,
    engine: EngineOption = Engine.auto,
    policies: Policies = None,
    seed: Seed = None,
    device: DeviceOption = None,
    overrides: Set = None,
    db: Database = None,
    csv: Csv = None,
    out: Out = None,
    overwrite: Overwrite = False,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Let finished policies act without exploration and score them."""
    loaded = _load(scenario, case, overrides, strict, device)
    console = _console(loaded, quiet)
    with _observer(console, quiet) as observer:
        result = run_evaluation(
            loaded,
            policies=policies,
            seed=seed,
            engine=engine.value,
            db=db,
            csv=csv,
            out=out,
            overwrite=overwrite,
            observer=observer,
        )
    print_evaluation(console, result)


def _load(
    folder: Path,
    case: str | None,
    overrides: list[str] | None,
    strict: bool,
    device: Device | None = None,
) -> Scenario:
    if device is Device.cuda:
        pick_device("cuda")
    return load_scenario(folder, case, overrides=_settings(overrides or []), strict=strict)


def _settings(assignments: list[str]) -> dict[str, str]:
    """`key=value` texts as a mapping; values are read as YAML later."""
    settings = {}
    for text in assignments:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise ConfigurationError(
                f"--set {text}: expected key=value, e.g. learning_config.gamma=0.9"
            )
        settings[key.strip()] = value
    return settings


def _console(scenario: Scenario, quiet: bool, warnings: tuple[str, ...] = ()) -> Console:
    console = Console(quiet=quiet)
    print_warnings(Console(stderr=True, quiet=quiet), (*scenario.warnings, *warnings))
    return console


@contextmanager
def _observer(console: Console, quiet: bool) -> Iterator[Observer]:
    """The observer that suits the terminal; Ctrl-C ends the program with exit code 130."""
    try:
        if quiet:
            yield Silent()
        elif console.is_terminal:
            with ProgressObserver(console) as progress:
                yield progress
        else:
            yield LineObserver(console)
    except KeyboardInterrupt:
        text = "interrupted; finished batches of results and the policies so far are saved"
        Console(stderr=True, soft_wrap=True).print(text)
        raise typer.Exit(130) from None


def main() -> None:
    """Entry point: one message and exit code 2 for what the user can mend."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app()
    except AssumeRlError as error:
        errors.print(str(error), markup=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
