"""Learning curves: a line per design, with a band over its runs."""

import numpy as np
import pandas as pd

from assume_rl.evaluation.statistics import Band, curve_band
from assume_rl.reports.figures.style import (
    DASHES,
    HEIGHT,
    HOVER,
    PALETTE,
    Trace,
    figure,
    line_looks,
    marked,
    text,
)
from assume_rl.reports.figures.thin import LIMIT, evenly
from assume_rl.reports.types import Figure

ALONE = 10  # so many runs of a design are drawn each on its own, thin, beside their mean
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
    thin = [_alone(group, run_id, row, look) for run_id, row in table.iterrows()]
    return [
        *_band(group, table, band, look),
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


def _band(group: Trace, table: pd.DataFrame, band: Band, look: Trace) -> list[Trace]:
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    common = group | edge | {"x": list(table.columns)}
    fill = {"fill": "tonexty", "fillcolor": _faint(look["color"])}
    return [common | {"y": band.high}, common | {"y": band.low} | fill]


def _alone(group: Trace, run_id: object, row: pd.Series, look: Trace) -> Trace:
    return (
        group
        | {"mode": "lines", "x": list(row.index), "y": row.to_numpy(), "opacity": 0.35}
        | {"line": look | {"width": 1}, "showlegend": False}
        | {"hovertemplate": "%{x}: %{y:.4g}" + HOVER, **marked(str(run_id))}
    )


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"
