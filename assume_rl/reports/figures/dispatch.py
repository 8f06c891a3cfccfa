"""Who delivers, through time."""

from collections.abc import Mapping, Sequence

import pandas as pd

from assume_rl.reports.figures.style import (
    GREY,
    HOVER,
    Trace,
    colours,
    figure,
    line_looks,
    marked,
    patterns,
    text,
)
from assume_rl.reports.figures.thin import LIMIT, means
from assume_rl.reports.types import Figure

MANY = 400  # steps: their outlines would hide the areas
WHEN = "%{x|%Y-%m-%d %H:%M}<br>"


def power_by(dispatch: pd.DataFrame, name: str) -> tuple[pd.DataFrame, int]:
    """MW by time (rows) and `name` (columns), and of how many steps each row is the mean."""
    table = dispatch.pivot_table(index="time", columns=name, values="power", aggfunc="sum")
    table.columns = table.columns.astype(str)
    return means(table.fillna(0.0), LIMIT // max(1, table.shape[1]))


def dispatch_stack(power: pd.DataFrame, run_id: str, technologies: Sequence[str]) -> Figure:
    """Power by technology on top of each other, the steadiest below; demand as a line.

    :param power: MW by time (rows) and technology (columns), taken < 0.
    :param technologies: of the whole run, so that colours are those of its other figures.
    """
    demand = [name for name in power if (power[name] <= 0).all() and (power[name] < 0).any()]
    suppliers = power.drop(columns=demand)
    order = list(suppliers.std().div(suppliers.mean().clip(lower=1e-9)).sort_values().index)
    looks = {
        name: {"color": colour, "shape": patterns(technologies)[name]}
        for name, colour in colours(technologies).items()
    }
    traces = [_area(suppliers[name], name, looks[name], run_id) for name in order]
    if (suppliers < 0).any().any():
        traces += [_area(suppliers[n], n, looks[n], run_id, taken=True) for n in order]
    if demand:
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "demand",
                "x": power.index,
                "y": -power[demand].sum(axis="columns"),
                "line": {"color": GREY, "shape": "hv"}
                | ({"width": 2, "dash": "dot"} if len(power) < MANY else {"width": 0.5}),
                "hovertemplate": WHEN + "demand %{y:.1f} MW" + HOVER,
                **marked(run_id),
            }
        )
    return figure(traces, x="time (UTC)", y="power (MW)", height=440)


def storages(power: pd.DataFrame, run_id: str) -> Figure:
    """Power of each unit that both delivers (> 0) and takes (< 0).

    :param power: MW by time (rows) and unit (columns).
    """
    units = [str(unit) for unit in power]
    looks = line_looks(units)
    traces: list[Trace] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": text(unit),
            "x": power.index,
            "y": power[unit],
            "line": {**looks[unit], "shape": "hv"},
            "hovertemplate": WHEN + "%{y:.1f} MW" + HOVER,
            **marked(run_id),
        }
        for unit in units
    ]
    return figure(traces, x="time (UTC)", y="power (MW), taken < 0")


def _area(
    power: pd.Series, name: str, look: Mapping[str, str], run_id: str, *, taken: bool = False
) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": text(name),
        "legendgroup": text(name),
        "showlegend": not taken,
        "stackgroup": "taken" if taken else "delivered",
        "x": power.index,
        "y": power.clip(upper=0) if taken else power.clip(lower=0),
        "line": {"width": 0.5 * (len(power) < MANY), "color": look["color"], "shape": "hv"},
        "fillpattern": {"shape": look["shape"]},
        "hovertemplate": WHEN + "%{y:.1f} MW %{fullData.name}" + HOVER,
        **marked(run_id),
    }
