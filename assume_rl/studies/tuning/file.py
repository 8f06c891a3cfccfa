"""Reads a tune file: `read_tuning`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from assume_rl.errors import ConfigurationError, nearest
from assume_rl.experiments.metric_names import bare
from assume_rl.scenario.plugins import load_plugins
from assume_rl.studies.expand import expand
from assume_rl.studies.file import check_destinations, check_seeds, loaded_plugins
from assume_rl.studies.jobs import scenario_of
from assume_rl.studies.labels import Scalar, scalar
from assume_rl.studies.reading import Written, in_file, read_keys
from assume_rl.studies.schema import StudyFile, StudyKeys
from assume_rl.studies.sections import Law
from assume_rl.studies.tuning.objective import KIN
from assume_rl.studies.tuning.schema import TuneFile
from assume_rl.studies.tuning.types import Budget, Tuning, timeout_of
from assume_rl.studies.types import Run

EPISODES = "learning_config.training_episodes"


def read_tuning(
    path: str | Path,
    overrides: Mapping[str, str] = MappingProxyType({}),
    plugins: Sequence[str | Path] = (),
) -> Tuning:
    """Return everything that the tune file at `path` asks for; the ends of its space are checked.

    :param overrides: a key of the file (`trials`), or else a setting of all trials, to text that
        is read as YAML.
    :param plugins: files and entry points to load beside those that the file names.
    :raises ConfigurationError: with file and key.
    """
    return tuning_of(read_keys(path, overrides, TuneFile, plugins), plugins)


def tuning_of(written: Written[TuneFile], plugins: Sequence[str | Path] = ()) -> Tuning:
    """Return what a file asks for that was read; see `read_tuning`."""
    file, content = written.keys, written.content
    load_plugins(plugins)
    shared = {key: content[key] for key in StudyKeys.model_fields if key in content}
    shared.setdefault("steps", ["train"])
    with in_file(written.path.name):
        check_destinations(written)
        own = (*loaded_plugins(written), *plugins)
        first = _checked(file, shared, written.base, own)
        _check_objective(file, first)
        budget = _budget(file, first)
    return Tuning(
        name=written.name,
        file=written.path.resolve(),
        asked=file,
        content=shared,
        plugins=own,
        first=first,
        budget=budget,
        folder=written.folder,
        database=file.database,
    )


def runs_of(tuning: Tuning, number: int, values: Mapping[str, Any]) -> tuple[Run, ...]:
    """Return the runs of a trial, one per seed.

    :param number: of the trial
    :param values: of the space, by dotted key
    :raises ConfigurationError: they cannot be run, such as settings that do not go together
    """
    designs = [{"name": f"trial {number}", "set": dict(values)}]
    file = StudyFile.model_validate({**tuning.content, "list": designs})
    try:
        found = expand(file, tuning.base, tuning.name, tuning.plugins)
    except ConfigurationError as error:
        raise ConfigurationError(_of_space(str(error))) from None
    return tuple(replace(run, parameters=_parameters(values)) for run in found)


def _parameters(values: Mapping[str, Any]) -> dict[str, Scalar]:
    return {key: scalar(value) for key, value in values.items()}


def _checked(
    file: TuneFile, shared: Mapping[str, Any], base: Path, plugins: Sequence[str | Path]
) -> tuple[Run, ...]:
    """Return the runs of the first values of all laws; each law's other ends are tried too."""
    places = sum(len(place.cases or file.cases or ("first",)) for place in file.scenarios)
    if places > 1:
        raise ConfigurationError(f"scenarios: a tuning has one scenario and case, not {places}")
    ends = {key: _ends(law) for key, law in file.space.items()}
    first = {key: values[0] for key, values in ends.items()}
    designs = [{"name": "the first values", "set": first}]
    designs += [
        {"name": f"{key}={value}", "set": {**first, key: value}}
        for key, values in ends.items()
        for value in values[1:]
    ]
    try:
        runs = expand(StudyFile.model_validate({**shared, "list": designs}), base, "trial", plugins)
    except ConfigurationError as error:
        raise ConfigurationError(_of_space(str(error))) from None
    check_seeds(runs)
    return tuple(run for run in runs if run.design == "the first values")


def _ends(law: Law) -> tuple[Any, ...]:
    return law.choice or law.bounds or ()


def _of_space(problems: str) -> str:
    """Return problems of a design in the space's values, at their places in the tune file."""
    return "\n".join(_placed(line) for line in problems.splitlines())


def _placed(problem: str) -> str:
    return re.sub(r"^list, .*?, set\.", "space.", problem)


def _check_objective(file: TuneFile, runs: Sequence[Run]) -> None:
    """Raise `ConfigurationError` unless its step exists, and pruning has a metric to read."""
    steps = [step.name for step in runs[0].steps]
    wanted = file.objective.step
    if wanted is not None and wanted not in steps:
        raise ConfigurationError(
            f"objective.step: there is no step '{wanted}'; {nearest(wanted, steps)}"
        )
    if file.pruner.name == "none":
        return
    if runs[0].steps[0].kind != "train":
        raise ConfigurationError("pruner: only trainings are pruned, but the first step is none")
    if file.pruner.by is None and bare(file.objective.metric) not in KIN:
        figures = ", ".join(dict.fromkeys(KIN.values()))
        raise ConfigurationError(
            f"pruner.by: evaluations during a training do not know '{file.objective.metric}'; "
            f"name the figure to compare trials by: {figures}"
        )


def _budget(file: TuneFile, runs: Sequence[Run]) -> Budget:
    return Budget(
        file.trials, len(runs), _episodes(file.space.get(EPISODES), runs[0]), timeout_of(file)
    )


def _episodes(law: Law | None, run: Run) -> tuple[int, int]:
    """Return the least and the greatest number of training episodes of a run."""
    found: Iterable[float]
    trainings = [step for step in run.steps if step.kind == "train"]
    own = [scenario_of(step).learning.training_episodes for step in trainings]
    if law is None or not trainings:
        return sum(own), sum(own)
    found = law.bounds or law.choice or ()
    return len(own) * int(min(found)), len(own) * int(max(found))
