"""What was run: the table of runs, and key figures of few."""

from collections.abc import Collection, Iterator, Sequence

from assume_rl.experiments.metric_names import of_learner, unit_of
from assume_rl.reports.source.queries import held_markets
from assume_rl.reports.source.source import Source
from assume_rl.reports.topics.base import Scope
from assume_rl.reports.topics.mean_paid import mean_paid
from assume_rl.reports.types import Grid, Item, RunInfo

FIGURED = 8  # runs whose key figures stand side by side


def run_items(scope: Scope) -> Iterator[Item]:
    """Yield key figures where runs are few, a row for every run, and versions."""
    source = scope.source
    few = source.metrics["run_id"].nunique() <= FIGURED
    if few and not source.metrics.empty:
        held = {name for own in scope.markets for name in held_markets(own.recorded)}
        yield _figures(source, held)
    yield _runs(source)
    versions = list(dict.fromkeys(_versions(run) for run in source.runs if run.versions))
    if versions:
        yield Grid("Versions", ("what ran them",), [(each,) for each in versions])


def _versions(run: RunInfo) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(run.versions.items()))


def _runs(source: Source) -> Grid:
    """Return a row per run; columns in which no run has anything are left out."""
    keys = list(dict.fromkeys(key for run in source.runs for key in run.parameters))
    same = all(run.kind == ", ".join(run.steps) for run in source.runs)
    rows = [_row(run, keys) | ({"kind": None} if same else {}) for run in source.runs]
    kept = [name for name in rows[0] if any(row[name] not in (None, "") for row in rows)]
    return Grid(
        "All runs" if len(rows) > 1 else "Run",
        tuple(kept),
        [tuple(row[name] for name in kept) for row in rows],
        "Equal final hashes mean equal results.",
    )


def _row(run: RunInfo, keys: Sequence[str]) -> dict[str, object]:
    """Return cells by column."""
    return {
        "run id": run.run_id,
        "design": run.design,
        "seed": run.seed,
        "state": run.state,
        "steps": ", ".join(run.steps),
        "kind": run.kind,
        "scenario": run.scenario,
        "case": run.case,
        **{f"set {key}": run.parameters.get(key) for key in keys},
        "engine": run.engine,
        "device": run.device,
        "started": run.started,
        "seconds": run.seconds,
        "final hash": run.final_hash,
        "configuration hash": run.configuration_hash,
        "error": run.error,
    }


def _figures(source: Source, held: Collection[str]) -> Grid:
    """Return key figures: a row each, a column per run, in the order of the table of runs.

    :param source: of the runs
    :param held: markets of reserve that is held
    """
    metrics = source.metrics[~source.metrics["name"].map(of_learner).astype(bool)]
    wide = metrics.pivot_table(
        index=["step", "name"], columns="run_id", values="value", aggfunc="first", sort=False
    )
    runs = [run for run in source.runs if run.run_id in wide.columns]
    wide = wide[[run.run_id for run in runs]]
    rows = [
        (step, name, unit_of(name, held), *values)
        for (step, name), values in zip(wide.index, wide.to_numpy().tolist(), strict=True)
    ]
    with_step = any(row[0] for row in rows)
    columns = ("step", "figure", "unit", *map(_heading, runs))
    start = 0 if with_step else 1
    prices = any(name.startswith("avg_price[") for name in wide.index.get_level_values("name"))
    note = mean_paid(source).strip() if prices else ""
    return Grid("Key figures", columns[start:], [row[start:] for row in rows], note, by_row=True)


def _heading(run: RunInfo) -> str:
    """Return design and seed of a run, its id below."""
    seed = "" if run.seed is None else str(run.seed) if run.design else f"seed {run.seed}"
    return "\n".join(line for line in (f"{run.design}, {seed}".strip(", "), run.run_id) if line)
