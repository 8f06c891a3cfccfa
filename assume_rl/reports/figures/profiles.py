"""Performance profiles: whole distributions of designs side by side.

Source: Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice".
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from assume_rl.evaluation.statistics import performance_profile
from assume_rl.reports.style import (
    HEIGHT,
    Trace,
    band_between,
    figure,
    line_looks,
    text,
)
from assume_rl.reports.thin import evenly
from assume_rl.reports.types import Figure

POINTS = 200  # thresholds at most
MARGIN = 0.02  # of the range, left of the lowest value


def performance_profiles(values: Mapping[str, Sequence[float]], name: str) -> Figure:
    """Share of a design's runs above each threshold, with its 95 % interval, point-wise.

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
    """The values themselves, where shares change, and one below them all."""
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
