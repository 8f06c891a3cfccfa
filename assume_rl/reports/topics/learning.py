"""Learning curves: a line per design with a band over its runs, and what profits compare with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from assume_rl.evaluation.gap import PROFIT_GAP
from assume_rl.evaluation.statistics import curve_band
from assume_rl.reports.source.source import Source
from assume_rl.reports.style import (
    DASHES,
    HEIGHT,
    HOVER,
    PALETTE,
    Trace,
    band_between,
    figure,
    line_looks,
    marked,
    text,
)
from assume_rl.reports.thin import LIMIT, evenly
from assume_rl.reports.topics.base import Scope
from assume_rl.reports.types import Chart, Figure, Item, Omitted

QUANTITIES = {  # by column: name of the axis, and what it is
    "profit": ("profit (EUR)", "Profit of all learned bidders"),
    "reward": ("reward", "Reward, summed over the calendar, mean over the agents"),
    "regret": ("regret (EUR)", "Regret of all learned bidders"),
    "exploitability": ("exploitability (EUR)", "The most that one learner could gain alone"),
    "movement": (
        "change of actions",
        "How far actions on fixed observations have moved since the evaluation before, on average",
    ),
}
ALONE = 10  # runs of a design that are drawn each on its own, thin, beside their mean
RESAMPLES = 1_000
DRAWN = len(PALETTE) * len(DASHES)  # designs with looks of their own
NAMED = 3  # designs whose levels are drawn beside their curves
BEST, AT_COST = "exact best response", "bids at marginal cost"
Kind = tuple[str, str, pd.DataFrame]  # when, what is counted, rows


@dataclass(frozen=True)
class Level:
    """A profit that a curve compares with, EUR."""

    name: str
    design: str
    value: float


def learning_items(scope: Scope) -> Iterator[Item]:
    """Yield charts of evaluations and of training, from `metrics.jsonl` or a study's `episodes`."""
    source = scope.source
    if source.curves.empty:
        reason = "no training was recorded (no lines in metrics.jsonl, no rows in episodes)"
        yield Omitted("Learning curves", source.missing(reason))
        return
    counted, known = "number of the evaluation", source.curves
    # A study database does not say when evaluations came.
    if not source.is_study and not known["evaluation"].all():
        counted, known = "training episodes done", _by_training(known)
    designs = {run.run_id: run.design or source.title for run in source.runs}
    curves = known.assign(design=known["run_id"].map(designs))
    steps = list(dict.fromkeys(curves["step"]))
    for step in steps:
        own = curves[curves["step"] == step]
        where = f", step {step}" if len(steps) > 1 else ""
        learned = own["evaluation"].astype(bool)
        kinds: list[Kind] = [
            ("in evaluations", counted, own[learned]),
            ("while training", "number of the episode", own[~learned]),
        ]
        drawn = []
        for when, what, rows in kinds:
            if rows.empty:
                yield Omitted(f"Learning curves {when}{where}", "there were no such episodes")
            elif rows["episode"].nunique() == 1:
                yield Omitted(f"Learning curves {when}{where}", "one episode makes no curve")
            else:
                drawn.append((when, what, rows))
        found = levels(scope, step)
        for quantity in QUANTITIES:
            beside = found if quantity == "profit" else []
            for number, kind in enumerate(drawn):
                yield from _chart(quantity, kind, where, beside, explained=number == 0)


def levels(scope: Scope, step: str) -> list[Level]:
    """Return profits of the exact best response and of bids at cost, means over a design's runs.

    Of a design with a single learner; several cannot all have their best responses at once. The
    exact best response is that to the other orders of the last evaluation, and so are bids at cost.
    """
    best = best_profits(scope.source, step)
    at_cost = {
        market.run_id: market.learners_at_cost
        for market in scope.markets
        if market.recorded.step == step
    }
    designs: dict[str, list[str]] = {}
    for run in scope.source.runs:
        designs.setdefault(run.design or scope.source.title, []).append(run.run_id)
    found = []
    for design, runs in designs.items():
        for name, values in ((BEST, best), (AT_COST, at_cost)):
            known = [v for run in runs if (v := values.get(run)) is not None]
            if known:
                found.append(Level(name, design, float(np.mean(known))))
    return found


def best_profits(source: Source, step: str) -> dict[str, float]:
    """Return by run the profit (EUR) of the exact best response of its only learner."""
    own = source.metrics[source.metrics["step"] == step]
    wide = own[own["name"].isin(["profit", PROFIT_GAP])].pivot_table(
        index="run_id", columns="name", values="value", aggfunc="first"
    )
    if not {"profit", PROFIT_GAP} <= set(wide.columns):
        return {}
    total = (wide["profit"] + wide[PROFIT_GAP]).dropna()
    return {str(run): float(value) for run, value in total.items()}


def _by_training(curves: pd.DataFrame) -> pd.DataFrame:
    """Return evaluations by how many lines of training come before them; `curves`: as written.

    Of evaluations between which nothing was trained, the last one counts.
    """
    learned = curves["evaluation"].astype(bool)
    done = (~learned).groupby([curves["run_id"], curves["step"]]).cumsum()
    placed = curves.assign(episode=curves["episode"].mask(learned, done))
    return placed.drop_duplicates(["run_id", "step", "evaluation", "episode"], keep="last")


def _chart(
    quantity: str, kind: Kind, where: str, found: Sequence[Level], *, explained: bool
) -> Iterator[Chart]:
    """Yield the chart of a quantity, if it was recorded."""
    when, counted, rows = kind
    axis, meaning = QUANTITIES[quantity]
    values = rows.assign(value=rows[quantity].astype(float)).dropna(subset="value")
    designs = list(dict.fromkeys(values["design"]))
    curves = values[values["design"].isin(designs[:DRAWN])]
    if curves["episode"].nunique() < 2:
        return
    rest = f" The first {DRAWN} of {len(designs)} designs are drawn."
    more = rest if len(designs) > DRAWN else ""
    beside = found if len(designs) <= NAMED else []
    said = _explained(beside) if explained else ""
    yield Chart(
        f"{quantity.capitalize()} {when}{where}",
        learning_curves(curves, counted, axis, beside),
        f"{meaning}. {_bands(curves)}{said}{_thinned(curves)}{more}",
        tuple(dict.fromkeys(curves["run_id"])),
        f"{quantity}-{when}{where}",
    )


def _explained(found: Sequence[Level]) -> str:
    """Return what the levels are."""
    said = {
        BEST: f" Dashed, {BEST}: the most that the learner could earn against the other orders of "
        "the last evaluation, with the bids that are best by what is rewarded.",
        AT_COST: f" Dotted, {AT_COST}: the same auctions cleared again, learners asking for their "
        "cost for the power that they offered; start costs left out.",
    }
    return "".join(said[name] for name in dict.fromkeys(level.name for level in found))


def _thinned(curves: pd.DataFrame) -> str:
    """Return what is said of episodes that are not drawn."""
    found = curves.groupby("design")["episode"].nunique()
    limit, most = points_each(len(found)), int(found.max())
    if most <= limit:
        return ""
    return f" Thinned out: {limit:,} of {most:,} episodes are drawn, evenly apart."


def _bands(curves: pd.DataFrame) -> str:
    runs = curves.groupby("design")["run_id"].nunique()
    if runs.max() == 1:
        return "One run per line, so nothing can be said of how much seeds differ."
    many = f", single runs thin (up to {ALONE} a design)" if runs.min() <= ALONE else ""
    return (
        f"Interquartile mean over {_span(runs)} runs of a design; the band is its point-wise 95 % "
        f"bootstrap interval{many}. Where runs ended early, later points rest on fewer of them."
    )


def _span(runs: pd.Series) -> str:
    low, high = int(runs.min()), int(runs.max())
    return str(low) if low == high else f"{low} to {high}"


def learning_curves(curves: pd.DataFrame, x: str, y: str, beside: Sequence[Level] = ()) -> Figure:
    """Draw the IQM over a design's runs with its 95 % interval, point-wise.

    :param curves: `run_id`, `design`, `episode`, `value`, one kind of episodes only
    :param x: name of the axis of episodes
    :param y: name of the axis of values
    :param beside: profits to compare with
    """
    designs = list(dict.fromkeys(curves["design"]))
    looks = line_looks(designs)
    limit = points_each(len(designs))
    traces: list[Trace] = []
    for design in designs:
        own = curves[curves["design"] == design]
        table = own.pivot(index="run_id", columns="episode", values="value")
        table = table.iloc[:, evenly(table.shape[1], limit)]
        traces += _design(design, table, looks[design])
    ends = [int(curves["episode"].min()), int(curves["episode"].max())]
    traces += [
        _level(level, ends, looks[level.design], alone=len(designs) == 1)
        for level in beside
        if level.design in looks
    ]
    room = 12 * max(0, len(designs) - 8)  # for their names
    axis = {"tickformat": ",d", "dtick": 1 if ends[1] <= 20 else None}
    return figure(traces, x=x, y=y, xaxis=axis, height=HEIGHT + room)


def points_each(designs: int) -> int:
    """Return how many points of a line are drawn at most: each has a band of two more."""
    return max(2, LIMIT // (3 * designs))


def _level(level: Level, ends: Sequence[int], look: Trace, *, alone: bool) -> Trace:
    """Return a line across the figure; of several designs in the colour of its own."""
    dash = "dash" if level.name == BEST else "dot"
    of_design = "" if alone else f", {text(level.design)}"
    colour = (PALETTE[2] if level.name == BEST else PALETTE[3]) if alone else look["color"]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": level.name + of_design,
        "showlegend": alone,  # else the caption says what dashes and dots are
        "x": list(ends),
        "y": [level.value] * 2,
        "line": {"color": colour, "dash": dash, "width": 2},
        "hovertemplate": f"{level.name}{of_design}: %{{y:,.0f}} EUR<br>"
        "run_id: see the table of runs<extra></extra>",
    }


def _design(design: str, table: pd.DataFrame, look: Trace) -> list[Trace]:
    """Return the lines of one design.

    :param table: a row per run, a column per episode
    """
    group = {"type": "scatter", "legendgroup": text(design), "name": text(design)}
    points = {"mode": "lines+markers" if table.shape[1] <= 60 else "lines", "marker": {"size": 5}}
    if len(table) == 1:
        line = {"x": list(table.columns), "y": table.iloc[0].to_numpy(), "line": look}
        hover = {"hovertemplate": "%{x}: %{y:.4g}" + HOVER, **marked(str(table.index[0]))}
        return [group | points | line | hover]
    band = curve_band(table.to_numpy(), seed=0, resamples=RESAMPLES)
    edges = band_between(list(table.columns), band.low, band.high, look["color"])
    thin = [_alone(group, run_id, row, look) for run_id, row in table.iterrows()]
    return [
        *(group | edge for edge in edges),
        *(thin if len(table) <= ALONE else ()),
        group
        | points
        | {
            "x": list(table.columns),
            "y": band.estimate,
            "line": look,
            "customdata": np.stack([band.runs, band.low, band.high], axis=-1),
            "hovertemplate": (
                "%{x}: %{y:.4g}, IQM of %{customdata[0]} runs<br>"
                "%{customdata[1]:.4g} to %{customdata[2]:.4g}<br>run_id: see the table of runs"
            ),
        },
    ]


def _alone(group: Trace, run_id: object, row: pd.Series, look: Trace) -> Trace:
    return (
        group
        | {"mode": "lines", "x": list(row.index), "y": row.to_numpy(), "opacity": 0.35}
        | {"line": look | {"width": 1}, "showlegend": False}
        | {"hovertemplate": "%{x}: %{y:.4g}" + HOVER, **marked(str(run_id))}
    )
