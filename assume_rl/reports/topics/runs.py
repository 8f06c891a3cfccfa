"""What was run: the table of runs, and key figures of few."""

from collections.abc import Sequence

from assume_rl.evaluation.gap import PROFIT_GAP
from assume_rl.experiments.evaluate import OF_LEARNER
from assume_rl.reports.source.source import Source
from assume_rl.reports.topics.mean_paid import mean_paid
from assume_rl.reports.types import Grid, RunInfo, Section

FIGURED = 8  # runs whose key figures stand side by side
UNITS = {
    "profit": "EUR",
    "regret": "EUR",
    PROFIT_GAP: "EUR",
    "avg_price": "EUR/MWh",
    "total_cost": "EUR",
    "total_volume": "MWh",
    "total_profit": "EUR",
    "pay_as_bid_surplus": "EUR",
    "nash_conv": "EUR",
    "nash_conv_error": "EUR",
    "exploitability": "EUR",
    "learner_profit": "EUR",
    "best_response_profit": "EUR",
    "best_response_gap": "EUR",
    "best_response_error": "EUR",
    "best_constant_profit": "EUR",
    "best_constant_bid": "EUR/MWh",
    "planned_profit": "EUR",
    "markup": "EUR/MWh",
    "consumer_payment": "EUR",
    "welfare": "EUR",
}


def runs_section(source: Source) -> Section:
    """Every run with what it was and came to, and the key figures where runs are few."""
    items = [_runs(source)]
    few = source.metrics["run_id"].nunique() <= FIGURED
    if few and not source.metrics.empty:
        items.append(_figures(source))
    return Section("Runs", tuple(items))


def axis_name(metric: str) -> str:
    """A metric with its unit of measure, e.g. `avg_price[EOM] (EUR/MWh)`."""
    unit = _unit(metric)
    return f"{metric} ({unit})" if unit else metric


def of_learner(metric: str) -> bool:
    """Return whether a metric is a figure of a single learner, which a table of its own has."""
    return metric.split("[", maxsplit=1)[0] in (*OF_LEARNER, "best_response_error")


def _unit(metric: str) -> str:
    return UNITS.get(metric.split("[", maxsplit=1)[0].rsplit(".", maxsplit=1)[-1], "")


def _runs(source: Source) -> Grid:
    """A row per run; columns in which no run has anything are left out."""
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
    """Cells by column."""
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
        "error": run.error,
    }


def _figures(source: Source) -> Grid:
    """Key figures: a row each, a column per run, in the order of the table of runs."""
    metrics = source.metrics[~source.metrics["name"].map(of_learner).astype(bool)]
    wide = metrics.pivot_table(
        index=["step", "name"], columns="run_id", values="value", aggfunc="first", sort=False
    )
    runs = [run for run in source.runs if run.run_id in wide.columns]
    wide = wide[[run.run_id for run in runs]]
    rows = [
        (step, name, _unit(name), *values)
        for (step, name), values in zip(wide.index, wide.to_numpy().tolist(), strict=True)
    ]
    with_step = any(row[0] for row in rows)
    columns = ("step", "figure", "unit", *map(_heading, runs))
    start = 0 if with_step else 1
    prices = any(name.startswith("avg_price[") for name in wide.index.get_level_values("name"))
    note = mean_paid(source).strip() if prices else ""
    return Grid("Key figures", columns[start:], [row[start:] for row in rows], note)


def _heading(run: RunInfo) -> str:
    """Design and seed of a run, its id below."""
    seed = "" if run.seed is None else str(run.seed) if run.design else f"seed {run.seed}"
    return "\n".join(line for line in (f"{run.design}, {seed}".strip(", "), run.run_id) if line)
