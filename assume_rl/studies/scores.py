"""The values of one metric in a study database, by design and seed."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from assume_rl.errors import ConfigurationError, ResultsError, nearest
from assume_rl.evaluation.gap import NO_SHARE, SHARE, is_undefined
from assume_rl.results.study_reading import read
from assume_rl.studies.place import Asked


@dataclass(frozen=True)
class DesignValues:
    """The results of the runs of a design."""

    design: str
    values: Mapping[int, float]  # by seed
    run_ids: Mapping[int, str]  # by seed, of `values`
    missing: Mapping[int, str]  # seeds without a value, and why
    parameters: Mapping[str, object]  # what differs between designs, as in `runs`


def metric_values(
    database: str,
    metric: str,
    step: str | None = None,
    *,
    study: str | None = None,
    asked: Sequence[Asked] | None = None,
) -> tuple[str, tuple[DesignValues, ...]]:
    """Return the step that the metric is from, and its values in finished runs.

    :param step: may be left out where only one step has the metric
    :param study: may be left out where the database holds only one
    :param asked: the runs that count; None: all
    :raises ConfigurationError: no such metric, step or study; or two runs of a design and seed
    """
    table = read(database, "runs")
    if "run_id" not in table.columns:
        raise ResultsError("the database is not a study's, but that of a single experiment")
    runs = table if study is None and asked is not None else _of_study(table, study)
    wanted = _all(runs) if asked is None else asked
    _check_unique(wanted)
    states: dict[str, str] = dict(zip(runs["run_id"], runs["state"], strict=True))
    metrics = read(database, "metrics")
    metrics = metrics[metrics["run_id"].isin([run.id for run in wanted])]
    gaps = _without_share(metrics) if metric == SHARE else frozenset()
    if gaps and SHARE not in set(metrics["name"]):
        raise ResultsError(f"no run has a metric '{SHARE}': {NO_SHARE}")
    step, found = _of_step(metrics, metric, step)
    unshared = frozenset(run for run, name in gaps if name == step)
    figures = zip(found["run_id"], found["value"], strict=True)
    values = {run: float(value) for run, value in figures if states.get(run) == "finished"}
    every = {run.seed for run in wanted} if asked is None else set()
    designs = dict.fromkeys(run.design for run in wanted)
    parameters = _parameters(runs)
    return step, tuple(
        _design(name, wanted, every, states, values, unshared, parameters) for name in designs
    )


def index_of(baseline: str, values: Sequence[DesignValues]) -> int:
    """Return the place of a design among others; `ConfigurationError` if it is none of them."""
    names = [one.design for one in values]
    if baseline not in names:
        raise ConfigurationError(f"there is no design '{baseline}'; {nearest(baseline, names)}")
    return names.index(baseline)


def _without_share(metrics: pd.DataFrame) -> frozenset[tuple[str, str]]:
    """Return the (run id, step) that know their gap to the best response, but have no share."""
    return frozenset(
        (str(run), str(step))
        for (run, step), own in metrics.groupby(["run_id", "step"])
        if is_undefined(dict(zip(own["name"], own["value"], strict=True)))
    )


def _of_study(runs: pd.DataFrame, study: str | None) -> pd.DataFrame:
    names = sorted(runs["study"].unique())
    if study is None and len(names) > 1:
        raise ConfigurationError(
            f"the database holds several studies: {', '.join(names)}; name one"
        )
    if study is not None and study not in names:
        raise ConfigurationError(f"the database holds no study '{study}'; {nearest(study, names)}")
    return runs if study is None else runs[runs["study"] == study]


def _all(runs: pd.DataFrame) -> tuple[Asked, ...]:
    """Return all runs as if they had been asked for, by design and seed."""
    if runs.empty:
        raise ResultsError("the study has no runs yet")
    rows = runs.sort_values(["design", "seed"])[["run_id", "design", "seed"]]
    return tuple(Asked(i, design, int(seed)) for i, design, seed in rows.to_numpy())


def _check_unique(asked: Sequence[Asked]) -> None:
    first: dict[tuple[str, int], str] = {}
    for run in asked:
        other = first.setdefault((run.design, run.seed), run.id)
        if other != run.id:
            raise ConfigurationError(
                f"two runs of design '{run.design}' have seed {run.seed}: {other} and {run.id}; "
                "name the study folder, which knows those asked for last, or drop the old ones"
            )


def _of_step(metrics: pd.DataFrame, metric: str, step: str | None) -> tuple[str, pd.DataFrame]:
    """Return the step and its rows of the metric."""
    if metrics.empty:
        raise ResultsError("no run of the study has finished yet")
    steps = sorted(metrics["step"].unique())
    if step is not None and step not in steps:
        raise ConfigurationError(f"no run has a step '{step}'; {nearest(step, steps)}")
    within = metrics if step is None else metrics[metrics["step"] == step]
    found = within[within["name"] == metric]
    if found.empty:
        place = "" if step is None else f" of step '{step}'"
        raise ConfigurationError(
            f"there is no metric '{metric}'{place}; {nearest(metric, within['name'])}"
        )
    having = sorted(found["step"].unique())
    if len(having) > 1:
        raise ConfigurationError(
            f"the steps {', '.join(having)} have a metric '{metric}'; name one of them"
        )
    return having[0], found


def _design(
    design: str,
    wanted: Sequence[Asked],
    every: set[int],
    states: Mapping[str, str],
    values: Mapping[str, float],
    unshared: frozenset[str],
    parameters: Mapping[str, Mapping[str, object]],
) -> DesignValues:
    """Return the values of one design.

    :param wanted: the runs that count, of all designs
    :param every: seeds that the design should have beside those of `wanted`
    :param states: by run id
    :param values: by run id
    :param unshared: ids of the runs whose share of the best response has no meaning
    :param parameters: what each run's design differs from the others in, by run id
    """
    own = {run.seed: run.id for run in wanted if run.design == design}
    ids = {seed: run for seed, run in own.items() if math.isfinite(values.get(run, math.nan))}
    missing = {
        seed: _why(own.get(seed), states, unshared)
        for seed in sorted((every | set(own)) - set(ids))
    }
    differs = next((parameters[run] for run in ids.values()), {})
    by_seed = {seed: values[run] for seed, run in ids.items()}
    return DesignValues(design, by_seed, ids, missing, differs)


def _parameters(runs: pd.DataFrame) -> dict[str, Mapping[str, object]]:
    """Return the parameters that distinguish each run's design, by run id."""
    pairs = zip(runs["run_id"], runs["parameters"], strict=True)
    return {run: json.loads(text) if text else {} for run, text in pairs}


def _why(run: str | None, states: Mapping[str, str], unshared: frozenset[str]) -> str:
    """Return why a run gives no value."""
    if run is None:
        return "not run"
    state = states.get(run, "not in the database")
    if state != "finished":
        return state
    return f"no value: {NO_SHARE}" if run in unshared else "no value"
