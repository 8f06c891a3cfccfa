"""Prices: through time, and sorted."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from assume_rl.reports.style import HOVER, Trace, figure, line_looks, marked, text
from assume_rl.reports.thin import LIMIT, evenly, extremes
from assume_rl.reports.types import Figure


@dataclass(frozen=True)
class PriceLine:
    """Prices of one market in one run."""

    name: str
    run_id: str
    rows: pd.DataFrame  # `start`, `hours` (h), `price` (EUR/MWh), in order of start


def prices_through_time(lines: Sequence[PriceLine]) -> Figure:
    """Prices from the start of each delivery on, a line per run and market."""
    traces = []
    for line, trace in zip(lines, _traces(lines, "hv"), strict=True):
        price, start = line.rows["price"].to_numpy(), line.rows["start"]
        kept = extremes(price, points_each(lines))
        end = start.iloc[-1] + pd.Timedelta(hours=float(line.rows["hours"].iloc[-1]))
        traces.append(
            trace
            | {
                "x": [*start.iloc[kept], end],
                "y": [*price[kept], price[-1]],
                "hovertemplate": "%{x|%Y-%m-%d %H:%M}<br>%{y:.2f} EUR/MWh" + HOVER,
            }
        )
    return figure(traces, x="start of delivery (UTC)", y="price (EUR/MWh)")


def price_duration(lines: Sequence[PriceLine]) -> Figure:
    """For how many hours prices are at least so high: prices sorted from the highest down."""
    traces = []
    for line, trace in zip(lines, _traces(lines, "vh"), strict=True):
        ranked = line.rows.sort_values("price", ascending=False, kind="stable")
        kept = evenly(len(ranked), points_each(lines))
        hours, price = ranked["hours"].to_numpy().cumsum(), ranked["price"].to_numpy()
        traces.append(
            trace
            | {
                "x": [0.0, *hours[kept]],
                "y": [price[0], *price[kept]],
                "hovertemplate": "%{x:.1f} h at %{y:.2f} EUR/MWh or more" + HOVER,
            }
        )
    return figure(traces, x="duration (h)", y="price (EUR/MWh)", xaxis_rangemode="tozero")


def points_each(lines: Sequence[PriceLine]) -> int:
    """How many points of each line are drawn at most."""
    return LIMIT // max(1, len(lines))


def _traces(lines: Sequence[PriceLine], shape: str) -> list[Trace]:
    looks = line_looks([line.name for line in lines])
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": text(line.name),
            "line": {**looks[line.name], "shape": shape},
            **marked(line.run_id),
        }
        for line in lines
    ]
