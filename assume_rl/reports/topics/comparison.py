"""Designs of a study compared, metric by metric."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assume_rl.errors import AssumeRlError
from assume_rl.evaluation.statistics import performance_profile
from assume_rl.experiments.metric_names import axis_name, of_learner, of_policies
from assume_rl.reports.page.cells import short
from assume_rl.reports.source.source import Source
from assume_rl.reports.style import (
    HEIGHT,
    PALETTE,
    Trace,
    band_between,
    figure,
    line_looks,
    names_axis,
    text,
)
from assume_rl.reports.thin import evenly
from assume_rl.reports.topics.base import Scope
from assume_rl.reports.topics.learning import DRAWN as LINES
from assume_rl.reports.topics.mean_paid import mean_paid
from assume_rl.reports.types import Chart, Figure, Grid, Item, Omitted
from assume_rl.studies.comparison import Comparison, compare

COLUMNS = ("metric", "design", "runs", "IQM", "low", "high", "median", "lowest", "highest")
SAME = 1e-9  # relative; sums may differ in their last digits
METRICS = (
    *("profit", "total_profit", "reward", "avg_price", "consumer_payment", "total_cost"),
    "welfare",
)
"""Figures that say most, those first that say more."""
EXPLAINED = (
    "Diamonds: interquartile mean over the finished runs of a design, with its 95 % bootstrap "
    "interval; circles: each run. Differences with paired tests are on the first screen, for any "
    "metric and baseline: assume-rl compare STUDY --metric METRIC --baseline DESIGN."
)
PROFITS = ("profit", "total_profit")  # of learned bidders or, where there are none, of all sellers
DRAWN = 60  # designs
POINTS = 200  # thresholds of a profile at most
MARGIN = 0.02  # of the range, left of the lowest value


def comparison_items(scope: Scope) -> Iterator[Item]:
    """Yield a chart for each metric that a study has, step by step, and a table of all."""
    source = scope.source
    if not source.is_study:
        return
    if source.metrics.empty:
        yield Omitted("Comparison of designs", source.missing("no figures are stored"))
        return
    chosen = compared_metrics(source)
    names = {name for _, name in chosen}
    profit = next((name for name in PROFITS if name in names), None)
    for step in dict.fromkeys(step for step, _ in chosen):
        rows: list[tuple[object, ...]] = []
        for name in (name for where, name in chosen if where == step):
            yield from _metric(source, step, name, name == profit, rows)
        if rows:
            yield Grid(
                f"All metrics, step {step}",
                COLUMNS,
                rows,
                "IQM: interquartile mean over finished runs; low and high: its 95 % bootstrap "
                "interval.",
                by_row=True,
            )


def compared_metrics(source: Source) -> list[tuple[str, str]]:
    """Return step and name of the metrics that are compared, evaluations first."""
    pairs = source.metrics[["step", "name"]].drop_duplicates().itertuples(index=False, name=None)
    order = list(dict.fromkeys(step for run in source.runs for step in run.steps))
    chosen = [(s, name) for s, name in pairs if not of_policies(name) and not of_learner(name)]
    return sorted(chosen, key=lambda pair: (-order.index(pair[0]), rank(pair[1])))


def rank(metric: str) -> int:
    """Return the place of a metric among those that say most."""
    figure = metric.split("[", maxsplit=1)[0]
    return METRICS.index(figure) if figure in METRICS else len(METRICS)


def _metric(
    source: Source, step: str, name: str, profiled: bool, rows: list[tuple[object, ...]]
) -> Iterator[Item]:
    """Yield the charts of a metric; its rows are added to those of the table."""
    where = f", step {step}" if source.metrics["step"].nunique() > 1 else ""
    title = f"{name}{where}"
    try:
        found = compare(source.database or "", name, step=step, asked=source.asked)
    except AssumeRlError as error:
        yield Omitted(title, str(error))
        return
    values = [value for one in found.designs for value in one.runs.values.values()]
    if values and math.isclose(min(values), max(values), rel_tol=SAME):
        what = "equal in all runs" if len(values) > 1 else "only one run has it"
        yield Omitted(f"{axis_name(name)}{where}", f"{what}: {short(values[0])}")
        return
    count = len(found.designs)
    many = f" The first {DRAWN} of {count} designs are drawn." if count > DRAWN else ""
    notes = "".join(f" {note[0].upper()}{note[1:]}." for note in found.notes)
    yield Chart(
        title,
        designs_compared(_table(found), axis_name(name)),
        f"{many}{_price_note(source, name)}{notes}".strip(),
        tuple(run_id for one in found.designs for run_id in one.runs.run_ids.values()),
        f"compare-{step}-{name}",
    )
    rows += [
        (
            *(name, one.design, len(one.runs.values)),
            *(one.iqm.estimate, one.iqm.low, one.iqm.high),
            *(one.median, one.lowest, one.highest),
        )
        for one in found.designs
    ]
    if profiled:
        yield _profile(found, where)


def _price_note(source: Source, name: str) -> str:
    """Return what is said of a mean of prices, `avg_price[MARKET]`."""
    figure, _, market = name.rstrip("]").partition("[")
    return mean_paid(source, market) if figure == "avg_price" else ""


def _profile(found: Comparison, where: str) -> Chart:
    """Return performance profiles of the designs that have values."""
    known = [one for one in found.designs if one.runs.values]
    drawn = known[:LINES]
    few = [one.design for one in drawn if len(one.runs.values) == 1]
    many = f" The first {LINES} of {len(known)} designs are drawn." if len(known) > LINES else ""
    return Chart(
        f"Performance profile of {found.metric}{where}",
        performance_profiles(
            {one.design: list(one.runs.values.values()) for one in drawn}, axis_name(found.metric)
        ),
        "Share of a design's finished runs whose value is above each threshold; the band is its "
        "point-wise 95 % bootstrap interval"
        + (", which one run alone does not have" if few else "")
        + f". A line above another one everywhere is better throughout.{many}",
        tuple(run_id for one in drawn for run_id in one.runs.run_ids.values()),
        f"profile-{found.step}-{found.metric}",
    )


def _table(found: Comparison) -> pd.DataFrame:
    """Return what is drawn of each design."""
    return pd.DataFrame(
        {
            "design": [one.design for one in found.designs],
            "iqm": [one.iqm.estimate for one in found.designs],
            "iqm_low": [one.iqm.low for one in found.designs],
            "iqm_high": [one.iqm.high for one in found.designs],
            "values": [
                {one.runs.run_ids[seed]: value for seed, value in one.runs.values.items()}
                for one in found.designs
            ],
        }
    )


def designs_compared(table: pd.DataFrame, name: str) -> Figure:
    """Draw the IQM of a metric with its interval, a line per design, and a dot per run.

    :param table: `design`, `iqm`, `iqm_low`, `iqm_high`, and `values` (by run id, a mapping).
    """
    shown = table.head(DRAWN)
    names = [text(design) for design in shown["design"]]
    runs = [
        (design, run_id, value)
        for design, values in zip(names, shown["values"], strict=True)
        for run_id, value in values.items()
    ]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "name": "single runs",
        "x": [value for _, _, value in runs],
        "y": [design for design, _, _ in runs],
        "customdata": [text(run_id) for _, run_id, _ in runs],
        "marker": {"size": 7, "color": PALETTE[3], "symbol": "circle-open"},
        "hovertemplate": "%{y}<br>%{x:.6g}<br>run_id %{customdata}",
    }
    estimates = {
        "type": "scatter",
        "mode": "markers",
        "name": "interquartile mean, 95 % interval",
        "x": shown["iqm"],
        "y": names,
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": shown["iqm_high"] - shown["iqm"],
            "arrayminus": shown["iqm"] - shown["iqm_low"],
            "thickness": 2,
        },
        "customdata": shown[["iqm_low", "iqm_high"]],
        "marker": {"size": 10, "color": PALETTE[0], "symbol": "diamond"},
        "hovertemplate": (
            "%{y}<br>IQM %{x:.6g}<br>%{customdata[0]:.6g} to %{customdata[1]:.6g}<br>run_id: see "
            "the table below"
        ),
    }
    return figure(
        [estimates, dots],
        x=name,
        y="",
        height=140 + 30 * max(2, len(names)),
        yaxis=names_axis(list(shown["design"])),
    )


def performance_profiles(values: Mapping[str, Sequence[float]], name: str) -> Figure:
    """Draw the share of a design's runs above each threshold, with its 95 % interval, point-wise.

    Source: Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical
    precipice".

    :param values: by design, one per run; a design without any is not drawn.
    :param name: of the metric, for the axis.
    """
    known = {design: runs for design, runs in values.items() if runs}
    looks, limits = line_looks(list(known)), _thresholds(known)
    traces: list[Trace] = []
    for design, runs in known.items():
        traces += _design(design, runs, limits, looks[design])
    room = 12 * max(0, len(known) - 8)  # for their names
    axis = {"tickformat": ".0%", "range": [-0.03, 1.03]}
    return figure(traces, x=name, y="share of runs above", yaxis=axis, height=HEIGHT + room)


def _thresholds(values: Mapping[str, Sequence[float]]) -> NDArray[np.float64]:
    """Return the values themselves, where shares change, and one below them all."""
    found = np.unique(np.concatenate([np.asarray(runs) for runs in values.values()]))
    start = found[0] - MARGIN * (found[-1] - found[0])
    return np.concatenate([[start], found[evenly(len(found), POINTS)]])


def _design(
    design: str, runs: Sequence[float], limits: NDArray[np.float64], look: Trace
) -> list[Trace]:
    band = performance_profile(runs, limits, seed=0)
    # A share holds up to the next threshold, so lines and bands are steps.
    group = {"legendgroup": text(design), "name": text(design)}
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": limits,
        "y": band.estimate,
        "line": look | {"shape": "hv"},
        "customdata": np.stack([band.low, band.high], axis=-1),
        "hovertemplate": (
            "%{y:.0%} of " + f"{len(runs)} runs above " + "%{x:.6g}<br>"
            "%{customdata[0]:.0%} to %{customdata[1]:.0%}<br>run_id: see the table of runs"
        ),
    }
    if len(runs) == 1:
        return [group | line]
    edges = band_between(list(limits), band.low, band.high, look["color"])
    steps = [edge | {"line": edge["line"] | {"shape": "hv"}} for edge in edges]
    return [*(group | edge for edge in steps), group | line]
