"""Learning curves: a line per design, with a band over its runs."""

import numpy as np
import pandas as pd

from assume_rl.evaluation.statistics import curve_band
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
from assume_rl.reports.types import Figure

ALONE = 10  # runs of a design that are drawn each on its own, thin, beside their mean
RESAMPLES = 1_000
DRAWN = len(PALETTE) * len(DASHES)  # designs that can be told apart


def learning_curves(curves: pd.DataFrame, x: str, y: str) -> Figure:
    """IQM over a design's runs with its 95 % interval, point-wise.

    :param curves: `run_id`, `design`, `episode`, `value`, one kind of episodes only.
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
    few = curves["episode"].max() <= 20
    room = 12 * max(0, len(designs) - 8)  # for their names
    axis = {"tickformat": ",d", "dtick": 1 if few else None}
    return figure(traces, x=x, y=y, xaxis=axis, height=HEIGHT + room)


def points_each(designs: int) -> int:
    """How many points of a line are drawn at most: each has a band of two more."""
    return max(2, LIMIT // (3 * designs))


def _design(design: str, table: pd.DataFrame, look: Trace) -> list[Trace]:
    """Lines of one design; `table`: a row per run, a column per episode."""
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
