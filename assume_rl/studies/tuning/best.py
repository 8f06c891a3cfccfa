"""The results of a tuning beside its runs: a study file of the best setting, a table of trials."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from assume_rl.results.files import replace_text
from assume_rl.results.spreadsheets import plain_frame
from assume_rl.scenario.found_plugins import is_file
from assume_rl.scenario.write import as_yaml
from assume_rl.studies.plans import is_path
from assume_rl.studies.tuning.types import Trial, Tuning

BEST = "best.yaml"
TRIALS = "trials.csv"
ELSEWHERE = ("name", "include", "database", "out", "plugins")
"""Keys of a tune file that a study file of its best setting does not take over as they are."""


def write_best(tuning: Tuning, best: Trial) -> Path:
    """Write a study file that does the runs of a trial again; `ResultsError` if that fails."""
    path = tuning.folder / BEST
    replace_text(path, _heading(tuning, best) + as_yaml(best_study(tuning, best)).decode())
    return path


def best_study(tuning: Tuning, best: Trial) -> dict[str, Any]:
    """Return the keys of a study file in the tuning's folder that does a trial's runs again."""
    kept = {key: value for key, value in tuning.content.items() if key not in ELSEWHERE}
    moved = _moved({**kept, "set": {**kept.get("set", {}), **best.values}}, tuning)
    plugins = {"plugins": _plugins(tuning)} if tuning.plugins else {}
    return {"name": f"{tuning.name}_best", **plugins, **moved}


def write_trials(tuning: Tuning, trials: Sequence[Trial]) -> None:
    """Write a row per trial; `ResultsError` if that fails."""
    metric = tuning.asked.objective.metric
    rows = [
        {
            "trial": trial.number,
            "state": trial.state,
            metric: trial.value,
            "seconds": trial.seconds,
            **trial.values,
        }
        for trial in trials
    ]
    replace_text(tuning.folder / TRIALS, plain_frame(pd.DataFrame(rows)).to_csv(index=False))


def _heading(tuning: Tuning, best: Trial) -> str:
    seeds = ", ".join(str(run.seed) for run in tuning.first)
    metric = tuning.asked.objective.metric
    trial = f"trial {best.number} of {tuning.name}"
    return f"# {metric} {best.value!r}, mean over seeds {seeds}: {trial}\n"


def _plugins(tuning: Tuning) -> list[str]:
    """Return the plug-ins of the file and of the command, files from the tuning's folder on."""
    folder = tuning.folder.resolve()
    return [
        Path(os.path.relpath(Path(name).resolve(), folder)).as_posix() if is_file(name) else name
        for name in dict.fromkeys(map(str, tuning.plugins))
    ]


def _moved(content: dict[str, Any], tuning: Tuning) -> dict[str, Any]:
    """Return the keys of a file in the tuning's folder with all paths starting there."""

    def path(value: str) -> str:
        return Path(os.path.relpath(tuning.base / value, tuning.folder.resolve())).as_posix()

    def scenario(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {**value, "folder": path(value["folder"])}
        return path(value)

    def settings(values: Mapping[str, Any]) -> dict[str, Any]:
        moved = {k: isinstance(v, str) and is_path(k) for k, v in values.items()}
        return {key: path(value) if moved[key] else value for key, value in values.items()}

    def options(values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        found = dict(values)
        if isinstance(found.get("set"), Mapping):
            found["set"] = settings(found["set"])
        policies = found.get("policies")
        if policies is not None and policies not in trainings and (tuning.base / policies).is_dir():
            found["policies"] = path(policies)
        return found

    def step(value: Any) -> Any:
        return {k: options(v) for k, v in value.items()} if isinstance(value, Mapping) else value

    trainings = {one.name for one in tuning.first[0].steps if one.kind == "train"}
    moves: Mapping[str, Any] = {
        "scenarios": scenario,
        "steps": step,
    }
    found = dict(content)
    for key, move in moves.items():
        if key in found:
            value = found[key]
            found[key] = [move(one) for one in value] if isinstance(value, list) else move(value)
    return {**found, "set": settings(found["set"])}
