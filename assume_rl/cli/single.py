"""`assume-rl validate`, `run`, `train`, `evaluate`: one scenario folder at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from rich.console import Console

from assume_rl.cli.app import app
from assume_rl.cli.options import (
    Address,
    BestResponse,
    Case,
    Csv,
    Database,
    DeviceOption,
    Engine,
    EngineOption,
    EvaluationOut,
    FirstPolicies,
    Folder,
    Out,
    Overwrite,
    PlayDevice,
    Plugins,
    Policies,
    Quiet,
    Resume,
    RolloutWorkers,
    Seed,
    Seeds,
    Set,
    Strict,
    Tables,
    Track,
)

if TYPE_CHECKING:
    from assume_rl.experiments.engines import EngineName
    from assume_rl.experiments.train import TrainResult


class TrainOptions(TypedDict):
    """Options that one training and one of several seeds share."""

    policies: Path | None
    device: str | None
    engine: "EngineName"
    db: str | None
    csv: Path | None
    out: Path | None
    overwrite: bool
    resume: bool
    track: Sequence[str]
    rollout_workers: int | None
    address: str | None


@app.command()
def validate(
    scenario: Folder,
    case: Case = None,
    overrides: Set = None,
    plugins: Plugins = None,
    strict: Strict = False,
) -> None:
    """Check a scenario folder: print what was understood, or every problem at once."""
    from assume_rl.cli.console import load
    from assume_rl.cli.output import print_summary
    from assume_rl.experiments.train_task import check_training
    from assume_rl.scenario.compile.compiled import compile_scenario
    from assume_rl.scenario.describe import describe

    loaded = load(scenario, case, overrides, strict, plugins=plugins)
    compiled = compile_scenario(loaded)
    check_training(compiled)
    print_summary(Console(), describe(compiled))


@app.command()
def run(
    scenario: Folder,
    case: Case = None,
    engine: EngineOption = Engine.auto,
    policies: Policies = None,
    seed: Seed = None,
    device: PlayDevice = None,
    overrides: Set = None,
    plugins: Plugins = None,
    db: Database = None,
    csv: Csv = None,
    out: Out = None,
    overwrite: Overwrite = False,
    tables: Tables = None,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Run a study case without training; learning bidders act on finished policies."""
    from assume_rl.cli.console import console_of, load, watching
    from assume_rl.cli.output import print_kpis, print_warnings
    from assume_rl.experiments.run import run as run_case

    loaded = load(scenario, case, overrides, strict, device, plugins=plugins)
    console = console_of(loaded, quiet)
    with watching(console, quiet) as observer:
        result = run_case(
            loaded,
            policies=policies,
            seed=seed,
            engine=engine.value,
            db=db,
            csv=csv,
            out=out,
            overwrite=overwrite,
            tables=None if tables is None else tables.split(","),
            observer=observer,
        )
    print_kpis(console, result)
    found_later = result.warnings[len(loaded.warnings) :]
    print_warnings(Console(stderr=True, quiet=quiet), found_later)


@app.command()
def train(
    scenario: Folder,
    case: Case = None,
    engine: EngineOption = Engine.auto,
    policies: FirstPolicies = None,
    seed: Seed = None,
    seeds: Seeds = None,
    device: DeviceOption = None,
    overrides: Set = None,
    plugins: Plugins = None,
    db: Database = None,
    csv: Csv = None,
    out: Out = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
    track: Track = None,
    rollout_workers: RolloutWorkers = None,
    address: Address = None,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Train the learning bidders, keep the best policies, record a run on the last ones."""
    from assume_rl.cli.console import console_of, load, watching
    from assume_rl.cli.output import print_given, print_training, print_trainings
    from assume_rl.episodes.draws import draw_seed
    from assume_rl.episodes.plan import device_in_words
    from assume_rl.experiments.together import meeting
    from assume_rl.experiments.train import train as run_training
    from assume_rl.experiments.train import train_seeds as run_trainings
    from assume_rl.experiments.train_task import training_warnings

    with meeting() as processes:
        quiet = quiet or processes.rank > 0  # the first process speaks for all
        plugins = plugins or (_recorded(scenario, case, overrides, out) if resume else None)
        loaded = load(scenario, case, overrides, strict, device, plugins=plugins)
        console = console_of(loaded, quiet, training_warnings(loaded, engine.value))
        settings = TrainOptions(
            policies=policies,
            device=device,
            engine=engine.value,
            db=db,
            csv=csv,
            out=out,
            overwrite=overwrite,
            resume=resume,
            track=track or (),
            rollout_workers=rollout_workers,
            address=address,
        )
        if resume and not (out or Path("runs") / loaded.simulation_id).exists():
            console.print("there is nothing to resume: the training starts")
        print_given(console, loaded)
        first = draw_seed(loaded, seed)
        results: tuple[TrainResult, ...]
        with watching(console, quiet) as observer:
            if seeds is None:
                results = (run_training(loaded, seed=first, observer=observer, **settings),)
            else:
                chosen = range(first, first + seeds)
                results = run_trainings(loaded, seeds=chosen, observer=observer, **settings)
        console.print(f"device: {device_in_words(device or loaded.learning.device)}")
        if seeds is None:
            print_training(console, results[0])
        else:
            print_trainings(console, results)


def _recorded(folder: Path, case: Case, overrides: Set, out: Out) -> list[str]:
    """Plug-ins of the training that is to be resumed."""
    from assume_rl.cli.assignments import settings
    from assume_rl.scenario.read import simulation_id
    from assume_rl.studies.recorded_plugins import recorded_plugins

    changes = settings(overrides or [])
    place = out or Path("runs") / simulation_id(folder, case, overrides=changes)
    return list(recorded_plugins(place))


@app.command()
def evaluate(
    scenario: Folder,
    case: Case = None,
    engine: EngineOption = Engine.auto,
    policies: Policies = None,
    seed: Seed = None,
    device: PlayDevice = None,
    overrides: Set = None,
    plugins: Plugins = None,
    db: Database = None,
    csv: Csv = None,
    out: EvaluationOut = None,
    overwrite: Overwrite = False,
    best_response: BestResponse = False,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Let finished policies act without exploration and score them."""
    from assume_rl.cli.console import console_of, load, watching
    from assume_rl.cli.output import print_evaluation
    from assume_rl.experiments.evaluate import evaluate as run_evaluation

    loaded = load(scenario, case, overrides, strict, device, plugins=plugins)
    console = console_of(loaded, quiet)
    with watching(console, quiet) as observer:
        result = run_evaluation(
            loaded,
            policies=policies,
            seed=seed,
            engine=engine.value,
            db=db,
            csv=csv,
            out=out,
            overwrite=overwrite,
            best_response=best_response,
            observer=observer,
        )
    print_evaluation(console, result)
