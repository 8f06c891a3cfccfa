"""The answer of several runs of the same: what they came to, and how much they differ."""

from collections.abc import Sequence

import numpy as np

from assume_rl.evaluation.statistics import bootstrap_interval
from assume_rl.experiments.metric_names import unit_of
from assume_rl.reports.page.cells import short
from assume_rl.reports.topics.answer.words import counted, subject
from assume_rl.reports.topics.base import Scope
from assume_rl.reports.topics.comparison import PROFITS
from assume_rl.reports.topics.learning import best_profits
from assume_rl.reports.types import Fact, Lead, RunInfo


def seeds_lead(scope: Scope, done: Sequence[RunInfo]) -> Lead:
    """Return what the runs came to, and how much they differ."""
    source = scope.source
    name = next((n for n in (*PROFITS, "reward") if (source.metrics["name"] == n).any()), None)
    first = f"{subject(done)}: {counted(len(done), 'run')} with seeds {_seeds(done)}."
    if name is None:
        return Lead((first,))
    own = source.metrics[source.metrics["name"] == name]
    values = own.groupby("run_id", sort=False)["value"].last()
    band = bootstrap_interval(values.to_numpy(dtype=float), seed=0)
    unit = unit_of(name)
    sentence = (
        f"{name.replace('_', ' ').capitalize()}: {short(band.estimate)} {unit} (interquartile mean "
        f"over {counted(len(values), 'run')}), 95 % interval {short(band.low)} to "
        f"{short(band.high)}; lowest {short(float(values.min()))}, highest "
        f"{short(float(values.max()))}."
    )
    few = (
        ("With fewer than five runs the interval is little more than lowest to highest.",)
        if len(values) < 5
        else ()
    )
    best = [v for r in done if (v := best_profits(source, r.steps[-1]).get(r.run_id)) is not None]
    most = (
        (f"The exact best response would earn {short(float(np.mean(best)))} EUR in the mean.",)
        if best and name == "profit"
        else ()
    )
    labels = {run.run_id: f"seed {run.seed}" for run in done}
    tiles = [
        Fact(labels.get(str(run), str(run)), short(float(v)), unit, name)
        for run, v in values.items()
    ]
    return Lead((sentence, first, *most, *few), tuple(tiles[:6]))


def _seeds(runs: Sequence[RunInfo]) -> str:
    seeds = [str(run.seed) for run in runs]
    return ", ".join(seeds[:6]) + (f" and {len(seeds) - 6} more" if len(seeds) > 6 else "")
