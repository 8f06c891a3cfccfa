"""Who delivers, through time, and what is in storages."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import pandas as pd

from assume_rl.reports.colours import technology_colours, technology_patterns
from assume_rl.reports.source.queries import (
    buying_technologies,
    dispatch,
    states_of_charge,
    two_way,
)
from assume_rl.reports.style import (
    GREY,
    HOVER,
    WHEN,
    Trace,
    faint,
    figure,
    line_looks,
    marked,
    text,
)
from assume_rl.reports.thin import LIMIT, means
from assume_rl.reports.topics.base import Market
from assume_rl.reports.types import Chart, Figure, Item, Omitted

MANY = 400  # steps: their outlines would hide the areas


def dispatch_items(market: Market) -> Iterator[Item]:
    """Yield dispatch by technology and what storages and exchanges do, from `unit_dispatch`."""
    recorded, runs = market.recorded, (market.run_id,)
    if not recorded.has("unit_dispatch"):
        yield Omitted("Dispatch", "no dispatch was recorded (unit_dispatch is empty)")
        return
    rows = dispatch(recorded)
    delivered, every = through_time(rows, "technology", "delivered")
    taken, _ = through_time(rows, "technology", "taken")
    buying = buying_technologies(recorded)
    yield Chart(
        "Dispatch by technology",
        dispatch_stack(delivered, taken, market.run_id, market.technologies, buying),
        "Power delivered, summed over the units of a technology; what storages and exchanges take "
        f"is below zero.{_averaged(every)}",
        runs,
        "dispatch",
        wide=True,
    )
    stored = two_way(recorded)
    if stored.empty:
        yield Omitted("Units that buy and sell", "no unit can both take and deliver power")
        return
    power, every = through_time(stored, "unit", "power")
    yield Chart(
        "Units that buy and sell",
        storages(power, market.run_id),
        f"Power of units that both deliver and take it.{_averaged(every)}",
        runs,
        "storages",
    )
    charged = states_of_charge(recorded)
    if charged.empty:
        yield Omitted("State of charge", "no unit has one")
        return
    soc, every = through_time(charged, "unit", "soc")
    yield Chart(
        "State of charge",
        state_of_charge(100 * soc, market.run_id),
        f"At the beginning of each step.{_averaged(every)}",
        runs,
        "state-of-charge",
    )


def _averaged(every: int) -> str:
    return f" Thinned out: means of {every} steps each are drawn." if every > 1 else ""


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
    """Draw power by technology on top of each other, the steadiest below; demand as a line.

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
        name: {"color": colour, "shape": technology_patterns(technologies)[name]}
        for name, colour in technology_colours(technologies).items()
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
    """Draw the power of each unit that both delivers (> 0) and takes (< 0).

    :param power: MW by time (rows) and unit (columns).
    """
    return _lines(power, run_id, "power (MW), taken < 0", "%{y:.1f} MW")


def state_of_charge(soc: pd.DataFrame, run_id: str) -> Figure:
    """Draw the state of charge of each storage.

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
        "fillcolor": faint(look["color"], 0.85),
        "fillpattern": {"shape": look["shape"]},
        "hovertemplate": WHEN + "%{y:.1f} MW %{fullData.name}" + HOVER,
        **marked(run_id),
    }
