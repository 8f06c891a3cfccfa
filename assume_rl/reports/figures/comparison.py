"""Designs of a study side by side."""

from collections.abc import Sequence

import pandas as pd

from assume_rl.reports.style import PALETTE, figure, names_axis, text
from assume_rl.reports.types import Figure

DRAWN = 60  # designs


def designs_compared(table: pd.DataFrame, name: str) -> Figure:
    """IQM of a metric with its interval, a line per design, and a dot per run.

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


def gaps_to_best(shares: Sequence[tuple[str, str, float]]) -> Figure:
    """Share of the exact best response's reward that each run missed, a dot per run.

    :param shares: design, run id and the share that was reached, 1: all of it.
    """
    shown = list(dict.fromkeys(design for design, _, _ in shares))[:DRAWN]
    drawn = [row for row in shares if row[0] in shown]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": [100 * (1 - share) for _, _, share in drawn],
        "y": [text(design) for design, _, _ in drawn],
        "customdata": [text(run_id) for _, run_id, _ in drawn],
        "marker": {"size": 10, "color": PALETTE[0], "opacity": 0.7},
        "hovertemplate": "%{y}<br>%{x:.2f} % of the reward missed<br>run_id %{customdata}",
    }
    return figure(
        [dots],
        x="gap to the exact best response (% of its reward)",
        y="",
        height=140 + 30 * max(2, len(shown)),
        xaxis_rangemode="tozero",
        yaxis=names_axis(shown),
    )
