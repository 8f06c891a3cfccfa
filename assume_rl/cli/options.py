"""Options that several commands have."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from assume_rl.cli import checked, completion


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


Folder = Annotated[
    Path,
    typer.Argument(
        metavar="SCENARIO",
        help="Scenario folder (with a config.yaml).",
        autocompletion=completion.scenario_folders,
        callback=checked.scenario_folder,
    ),
]
Case = Annotated[
    str | None,
    typer.Option(
        "--case",
        metavar="NAME",
        help="Study case; the first by default.",
        autocompletion=completion.study_cases,
    ),
]
Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="FILE",
        help="Load a plug-in: a Python file, or the name of an entry point; repeatable. It is code "
        "that runs.",
        callback=checked.plugins,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting, e.g. learning_config.gamma=0.9; repeatable. Relative paths "
        "(..._path=, policies.<unit>=) start at the scenario folder.",
        autocompletion=completion.settings,
        callback=checked.assignments,
    ),
]
Strict = Annotated[bool, typer.Option("--strict", metavar="", help="Unknown columns are errors.")]


def _policies(text: str) -> Any:
    """Return the option that names a policy folder."""
    return typer.Option(
        "--policies",
        metavar="DIR",
        help=text,
        autocompletion=completion.policy_folders,
        callback=checked.policies,
    )


def _database(file: str) -> Any:
    """Return the option that names a database; by default results go to a file in `--out`."""
    return typer.Option(
        "--db",
        metavar="URL",
        help=f"SQLAlchemy URL; {file} in --out by default.",
        callback=checked.database,
    )


POLICIES = (
    "Policy folder, in our layout or ASSUME's, or the output folder of a training, whose last "
    "policies are meant"
)
Policies = Annotated[
    Path | None, _policies(f"{POLICIES}; by default those that the scenario names.")
]
FirstPolicies = Annotated[
    Path | None, _policies(f"Policies that the training starts from. {POLICIES}.")
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", metavar="N", help="Seed; the study case's by default.", callback=checked.seed
    ),
]
DeviceOption = Annotated[
    Device | None,
    typer.Option(
        "--device",
        help="Where networks, replay and, on the batch engine, markets live; by default "
        "learning_config.device.",
    ),
]
PlayDevice = Annotated[
    Device | None,
    typer.Option(
        "--device",
        help="Policies act on the CPU, whatever is named; cuda where there is none is refused.",
    ),
]
EngineOption = Annotated[
    Engine,
    typer.Option(
        "--engine",
        help="The shell that plays the market: agents that exchange messages, or whole markets as "
        "tensors (batch); results are the same. auto: agents, but for trainings batch where it "
        "supports the scenario.",
    ),
]
Seeds = Annotated[
    int | None,
    typer.Option(
        "--seeds",
        min=1,
        metavar="N",
        help="Number of seeds to train side by side: --seed, --seed + 1, ...",
    ),
]
Database = Annotated[str | None, _database("results.db")]
Csv = Annotated[
    Path | None,
    typer.Option("--csv", metavar="DIR", help="Folder that all tables are exported to as CSV."),
]
Tables = Annotated[
    str | None,
    typer.Option(
        "--tables",
        metavar="NAMES",
        help="Result tables to store, e.g. market_meta,kpis; all by default. runs and the tables "
        "that describe units are always stored.",
        autocompletion=completion.some_of(completion.RESULT_TABLES),
        callback=checked.tables,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Output folder; runs/<scenario>_<case> by default."),
]
EvaluationOut = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Output folder; runs/<scenario>_<case>_evaluation by default."
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        metavar="",
        help="Replace a run in --out, in --db, copies of policies, and other files in --csv.",
    ),
]
OverwriteFiles = Annotated[
    bool,
    typer.Option("--overwrite", metavar="", help="Replace files too that assume-rl did not write."),
]
Formulas = Annotated[
    bool,
    typer.Option(
        "--formulas",
        metavar="",
        help="Leave text in CSV files as it is that begins with =, +, - or @; by default it gets "
        "an apostrophe in front, so that spreadsheet programs run no formula.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        metavar="",
        help="Resume the interrupted training in --out; the results are those of an "
        "uninterrupted one.",
    ),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        metavar="NAME",
        help="Follow the training in a tracker too: tensorboard; repeatable.",
        callback=checked.trackers,
    ),
]
RolloutWorkers = Annotated[
    int | None,
    typer.Option(
        "--rollout-workers",
        min=1,
        metavar="N",
        help="Processes on a Ray cluster that play the episodes of training; results are the same.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="ADDRESS",
        help="Ray cluster, e.g. auto; one on this machine by default.",
    ),
]
StudySet = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the file, or a setting of all its runs; repeatable.",
        callback=checked.assignments,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", metavar="", help="Print what is to do and what it would cost; run nothing."
    ),
]
Workers = Annotated[
    int, typer.Option("--workers", min=1, metavar="N", help="Processes, a thread each.")
]
TrainingsOfEach = Annotated[
    int,
    typer.Option(
        "--seeds", min=1, metavar="N", help="Seeds that each is trained with: 1, 2, ..., N."
    ),
]
Page = Annotated[
    Path | None,
    typer.Option(
        "--page",
        metavar="FILE",
        help="Page that gets the tables; a .json file beside it has what they show.",
    ),
]
StudyFolder = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Study folder; by default that of the file, or studies/<name>."
    ),
]
StudyDatabase = Annotated[str | None, _database("study.db")]
BestResponse = Annotated[
    bool,
    typer.Option(
        "--best-response",
        metavar="",
        help="Work out what each learner could have earned alone, however long it takes; else only "
        "where that takes about a minute at most.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", metavar="", help="Print JSON, for programs, instead of text.")
]
Quiet = Annotated[bool, typer.Option("--quiet", metavar="", help="Print errors only.")]
