"""The jobs of executors: runs to do, those that train alike together."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from assume_rl.errors import AssumeRlError, ConfigurationError
from assume_rl.experiments.engine_choice import choose_engine
from assume_rl.scenario.compile.compiled import compile_scenario
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.types import Scenario
from assume_rl.studies.types import Run, Step

MOST = 8  # seeds side by side: more bring little on a CPU and take memory each


@dataclass(frozen=True)
class Job:
    """Runs that one process does, equal but for their seeds."""

    study: str
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Outcome:
    """The result of one run; `busy`: another process is at it."""

    run: Run
    state: Literal["finished", "failed", "busy"]
    error: str | None = None  # one line
    passing: bool = False  # the error is not of the run's settings


@dataclass(frozen=True)
class Report:
    """The results of a job."""

    job: Job
    outcomes: tuple[Outcome, ...]
    died: str | None = None  # why nothing came back, if nothing did


def scenario_of(step: Step) -> Scenario:
    """Read the study case of a step, in whatever process, with the plug-ins that it needs.

    :raises ConfigurationError: a plug-in is not what it was when the study was read.
    """
    scenario = load_scenario(
        step.scenario, step.case, overrides=step.settings, plugins=step.plugin_names
    )
    for plugin in step.plugins:
        if plugin not in scenario.plugins:
            raise ConfigurationError(
                f"plug-in '{plugin.name}' has changed since the study was read; start the study "
                "again"
            )
    return scenario


def jobs_of(study: str, runs: Sequence[Run], workers: int) -> Iterator[Job]:
    """Yield jobs that hold each run once, in the order of `runs` unless seeds train together."""
    cells: dict[str, list[Run]] = {}
    for run in runs:
        cells.setdefault(_cell(run), []).append(run)
    trainings = sum(len(cell) for cell in cells.values() if trains_alike(cell[0]))
    most = stack_size(trainings, workers)
    for cell in cells.values():
        size = most if len(cell) > 1 and most > 1 and _stackable(cell[0]) else 1
        for part in _parts(cell, size):
            yield Job(study, tuple(part))


def stack_size(trainings: int, workers: int) -> int:
    """Return the number of seeds per job: two jobs or more per worker, at most `MOST` seeds."""
    return max(1, min(MOST, trainings // (2 * workers)))


def trains_alike(run: Run, number: int = 0) -> bool:
    """Return whether a step of this run is a training that starts alike with every seed."""
    step = run.steps[number]
    return step.kind == "train" and step.policies not in {s.name for s in run.steps[:number]}


def _cell(run: Run) -> str:
    """Return a key of all that runs of one job have in common: everything but their seed."""
    steps = [{**vars(step), "settings": dict(step.settings)} for step in run.steps]
    return json.dumps([steps, run.engine, run.device], sort_keys=True, default=str)


def _stackable(run: Run) -> bool:
    """Return whether the batch engine supports the training that this run begins with."""
    if not trains_alike(run):
        return False
    step = run.steps[0]
    try:
        scenario = scenario_of(step)
        return choose_engine(run.engine, compile_scenario(scenario), default="batch")[0] == "batch"
    except AssumeRlError:
        return False  # the run will tell


def _parts(runs: Sequence[Run], size: int) -> Iterator[Sequence[Run]]:
    """Yield the fewest parts of at most `size` runs, as equal in size as possible."""
    count = -(-len(runs) // size)
    for k in range(count):
        yield runs[k * len(runs) // count : (k + 1) * len(runs) // count]
