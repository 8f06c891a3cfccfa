"""Who delivers, through time."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from assume_rl.reports.style import (
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
from assume_rl.reports.thin import LIMIT, means
from assume_rl.reports.types import Figure

MANY = 400  # steps: their outlines would hide the areas
WHEN = "%{x|%Y-%m-%d %H:%M}<br>"


def through_time(rows: pd.DataFrame, name: str, values: str) -> tuple[pd.DataFrame, int]:
    """Return values by time (rows) and `name` (columns), thinned out.

    Also return of how many steps each row is the mean.

    :param rows: `time` and the columns `name` and `values`
    """
    table = rows.pivot_table(index="time", columns=name, values=values, aggfunc="sum")
    table.columns = table.columns.astype(str)
    return means(table.fillna(0.0), LIMIT // max(1, table.shape[1]))


def dispatch_stack(
    delivered: pd.DataFrame,
    taken: pd.DataFrame,
    run_id: str,
    technologies: Sequence[str],
    buying: Collection[str],
) -> Figure:
    """Power by technology on top of each other, the steadiest below; demand as a line.

    What storages take is stacked below zero.

    :param delivered: MW by time (rows) and technology (columns), >= 0.
    :param taken: MW, likewise, <= 0.
    :param technologies: of the whole run, so that colours are those of its other figures.
    :param buying: technologies whose units only buy; drawn as demand.
    """
    demand = [name for name in taken if name in buying]
    suppliers = delivered.drop(columns=demand)
    order = list(suppliers.std().div(suppliers.mean().clip(lower=1e-9)).sort_values().index)
    looks = {
        name: {"color": colour, "shape": patterns(technologies)[name]}
        for name, colour in colours(technologies).items()
    }
    traces = [_area(suppliers[name], name, looks[name], run_id) for name in order]
    traces += [_area(taken[n], n, looks[n], run_id, taken=True) for n in order if taken[n].any()]
    if taken[demand].any(axis=None):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "demand",
                "x": taken.index,
                "y": -taken[demand].sum(axis="columns"),
                "line": {"color": GREY, "shape": "hv"}
                | ({"width": 2, "dash": "dot"} if len(taken) < MANY else {"width": 0.5}),
                "hovertemplate": WHEN + "demand %{y:.1f} MW" + HOVER,
                **marked(run_id),
            }
        )
    return figure(traces, x="time (UTC)", y="power (MW), taken < 0", height=440)


def storages(power: pd.DataFrame, run_id: str) -> Figure:
    """Power of each unit that both delivers (> 0) and takes (< 0).

    :param power: MW by time (rows) and unit (columns).
    """
    return _lines(power, run_id, "power (MW), taken < 0", "%{y:.1f} MW")


def state_of_charge(soc: pd.DataFrame, run_id: str) -> Figure:
    """State of charge of each storage.

    :param soc: per cent of the capacity by time (rows) and unit (columns), at the beginning of
        each step.
    """
    return _lines(soc, run_id, "state of charge (% of the capacity)", "%{y:.1f} %", step=False)


def _lines(table: pd.DataFrame, run_id: str, y: str, shown: str, *, step: bool = True) -> Figure:
    """Return a line per unit.

    :param table: values by time (rows) and unit (columns).
    :param y: name of the axis.
    :param shown: a value in hover texts.
    :param step: whether a value holds for a step, else it is one at its beginning.
    """
    units = [str(unit) for unit in table]
    looks = line_looks(units)
    traces: list[Trace] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": text(unit),
            "x": table.index,
            "y": table[unit],
            "line": {**looks[unit], "shape": "hv" if step else "linear"},
            "hovertemplate": WHEN + shown + HOVER,
            **marked(run_id),
        }
        for unit in units
    ]
    return figure(traces, x="time (UTC)", y=y)


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
        "y": power,
        "line": {"width": 0.5 * (len(power) < MANY), "color": look["color"], "shape": "hv"},
        "fillpattern": {"shape": look["shape"]},
        "hovertemplate": WHEN + "%{y:.1f} MW %{fullData.name}" + HOVER,
        **marked(run_id),
    }
