"""Market power through time."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assume_rl.evaluation.market_power import RSI_SCREEN
from assume_rl.reports.style import (
    GREY,
    HOVER,
    PALETTE,
    Trace,
    figure,
    line_looks,
    marked,
    text,
)
from assume_rl.reports.thin import LIMIT, evenly, extremes
from assume_rl.reports.types import Figure

DRAWN = len(PALETTE)  # operators, those with the lowest index
POINTS = LIMIT // DRAWN  # of each


def residual_supply(index: Mapping[str, NDArray[np.float64]], run_id: str) -> Figure:
    """Residual supply index sorted from the lowest up, a line per operator.

    :param index: by operator, `(delivery,)`; infinite where there is no demand, not drawn.
    """
    finite = {name: np.sort(values[np.isfinite(values)]) for name, values in index.items()}
    lowest = sorted((n for n in finite if len(finite[n])), key=lambda n: finite[n][0])[:DRAWN]
    looks = line_looks(lowest)
    traces: list[Trace] = []
    for name in lowest:
        values = finite[name]
        kept = evenly(len(values), POINTS)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": text(name),
                "x": 100 * (kept + 1) / len(values),
                "y": values[kept],
                "line": looks[name],
                "hovertemplate": "%{fullData.name}<br>at most %{y:.3f} in %{x:.1f} %" + HOVER,
                **marked(run_id),
            }
        )
    for level, what in ((1.0, "pivotal below 1"), (RSI_SCREEN, f"screen {RSI_SCREEN}")):
        traces.append(_level(level, what))
    return figure(traces, x="share of deliveries (%)", y="residual supply index")


def lerner_through_time(start: pd.Series, lerner: NDArray[np.float64], run_id: str) -> Figure:
    """Lerner index of each delivery, weighted by what units sold; gaps where there is none."""
    kept = extremes(np.nan_to_num(lerner), LIMIT)
    trace = {
        "type": "scatter",
        "mode": "lines",
        "name": "Lerner index",
        "x": start.to_numpy()[kept],
        "y": lerner[kept],
        "line": {"color": PALETTE[0], "width": 2, "shape": "hv"},
        "hovertemplate": "%{x|%Y-%m-%d %H:%M}<br>%{y:.3f}" + HOVER,
        **marked(run_id),
    }
    return figure([trace], x="start of delivery (UTC)", y="Lerner index")


def _level(value: float, name: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [0, 100],
        "y": [value, value],
        "line": {"color": GREY, "dash": "dot" if value > 1 else "dash", "width": 1.5},
        "hoverinfo": "skip",
    }
