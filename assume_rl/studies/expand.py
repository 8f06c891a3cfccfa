"""A study file as the runs that it asks for, all of them checked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assume_rl.errors import AssumeRlError, ConfigurationError, ScenarioError
from assume_rl.scenario.read import Reader
from assume_rl.scenario.types import Scenario
from assume_rl.studies.cells import Cell, cells
from assume_rl.studies.checks import Checks
from assume_rl.studies.identity import Digests, run_id, scenario_identity, step_identity
from assume_rl.studies.labels import labels, parameter_keys, parameters
from assume_rl.studies.limits import MOST_RUNS
from assume_rl.studies.plans import StepPlan, plan_steps
from assume_rl.studies.reading import places
from assume_rl.studies.schema import StudyFile
from assume_rl.studies.types import Run, Step


@dataclass(frozen=True)
class Loaded:
    """A scenario, and the identity of everything that its results depend on."""

    scenario: Scenario
    identity: Mapping[str, Any]


def expand(
    file: StudyFile,
    base: Path,
    name: str,
    plugins: Sequence[str | Path] = (),
    most: int = MOST_RUNS,
) -> tuple[Run, ...]:
    """Return a run for every cell and seed.

    :param base: where relative paths start.
    :param name: label of a study with a single cell.
    :param plugins: to load beside those that study cases name.
    :param most: runs that may be asked for.
    :raises ConfigurationError: something cannot be run; the sentence starts with the key.
    """
    reader, found_places = Reader(), places(file, base)
    seeds = file.seeds if isinstance(file.seeds, int) else len(file.seeds)
    runs_wanted = len(found_places) * file.designs * seeds
    if runs_wanted > most:
        raise ConfigurationError(
            f"asks for {runs_wanted:,} runs, more than {most:,}; allow them by --most-runs"
        )
    found = cells(file, found_places)
    names, keys = labels(found, name), parameter_keys(found)
    expansion = _Expansion(file, base, reader, plugins)
    runs: dict[str, Run] = {}
    for cell, label in zip(found, names, strict=True):
        for run in expansion.runs(cell, label, found, keys):
            if run.id in runs:
                raise ConfigurationError(
                    f"the designs '{runs[run.id].design}' and '{label}' are the same: "
                    "they differ only in settings that no result depends on"
                )
            runs[run.id] = run
    return tuple(runs.values())


class _Expansion:
    """The common state of the cells of a study."""

    def __init__(
        self, file: StudyFile, base: Path, reader: Reader, plugins: Sequence[str | Path]
    ) -> None:
        self._file = file
        self._base = base
        self._reader = reader
        self._plugins = plugins
        self._plans = plan_steps(file, base)
        self._trainings = [plan.name for plan in self._plans if plan.kind == "train"]
        self._checks = Checks(file.engine)
        self._digests = Digests()

    def runs(self, cell: Cell, label: str, found: list[Cell], keys: Iterable[str]) -> Iterable[Run]:
        """Yield the runs of a cell, one per seed."""
        steps = [plan.step(cell, self._file, self._base) for plan in self._plans]
        loaded: dict[str, Loaded] = {}  # steps of a run often have the same settings
        parts = [
            self._load(cell, label, plan, step, loaded)
            for plan, step in zip(self._plans, steps, strict=True)
        ]
        pairs = list(zip(steps, parts, strict=True))
        identity = [
            step_identity(step, part.identity, self._trainings, self._digests)
            for step, part in pairs
        ]
        first = parts[0].scenario
        trains = [part.scenario for step, part in pairs if step.kind == "train"]
        differs = parameters(cell, found, keys, first)
        for seed in self._seeds(cell, [part.scenario for part in parts]):
            yield Run(
                id=run_id(identity, seed, self._file.engine),
                design=label,
                parameters=differs,
                seed=seed,
                steps=tuple(replace(s, plugins=part.scenario.plugins) for s, part in pairs),
                engine=self._file.engine,
                device=self._file.device or (*trains, first)[0].learning.device,
            )

    def _load(
        self, cell: Cell, label: str, plan: StepPlan, step: Step, loaded: dict[str, Loaded]
    ) -> Loaded:
        """Return the scenario of a step, checked to be possible."""
        key = repr((step.case, step.settings))
        try:
            if key not in loaded:
                scenario = self._reader.load(
                    step.scenario,
                    step.case,
                    overrides=step.settings,
                    plugins=self._plugins,
                )
                loaded[key] = Loaded(scenario, scenario_identity(scenario, self._digests))
        except ScenarioError as error:
            problems = [
                _placed(problem, self._file, cell, label, plan) for problem in error.problems
            ]
            raise ConfigurationError("\n".join(problems)) from None
        try:
            trained = plan.training is not None
            self._checks.check(step, loaded[key].scenario, trained=trained)
        except AssumeRlError as error:
            problem = f"{plan.where}: {error} (design '{label}')"
            if str(error).startswith("override "):
                problem = _placed(str(error), self._file, cell, label, plan)
            raise ConfigurationError(problem) from None
        return loaded[key]

    def _seeds(self, cell: Cell, scenarios: Sequence[Scenario]) -> Iterable[int]:
        """Return the seeds of a cell, each for all its steps."""
        listed = not isinstance(self._file.seeds, int)
        if listed and any(scenario.overridden("seed") for scenario in scenarios):
            raise ConfigurationError(
                "seeds: is a list, but settings give a seed too; leave one of them out"
            )
        if not isinstance(self._file.seeds, int):
            return self._file.seeds
        first, *others = (scenario.config.seed for scenario in scenarios)
        if any(other != first for other in others):
            raise ConfigurationError("seeds: steps of a run have one in common, not several")
        if first is None:
            raise ConfigurationError(
                f"seeds: the case '{cell.case}' has none of its own (seed: null); list them"
            )
        return range(first, first + self._file.seeds)


def _placed(problem: str, file: StudyFile, cell: Cell, label: str, plan: StepPlan) -> str:
    """Return a problem of a scenario with the place in the study file that causes it."""
    where, _, what = problem.partition(": ")
    if not where.startswith("override "):
        place = (
            f"{plan.where}.case: " if plan.case is not None and "unknown study case" in what else ""
        )
        return f"{place}{problem} (scenario '{cell.folder.name}')"
    key = where.removeprefix("override ")
    return f"{_origin(key, file, cell, plan)}.{key}: {what} (design '{label}')"


def _origin(key: str, file: StudyFile, cell: Cell, plan: StepPlan) -> str:
    """Return the section of the study file that sets `key`, or a part of it."""
    drawn = file.random.keys if file.random else {}
    design = cell.design.set if cell.design else {}
    sections: dict[str, Mapping[str, object]] = {
        f"{plan.where}.set": plan.set,
        "grid": file.grid,
        "zip": file.zip,
        "random.keys": drawn,
        f"list, {cell.design.name if cell.design else ''}, set": design,
    }
    for section, keys in sections.items():
        if any(f"{key}.".startswith(f"{k}.") or k.startswith(f"{key}.") for k in keys):
            return section
    return "set"
