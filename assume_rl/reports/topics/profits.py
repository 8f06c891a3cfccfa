"""What units and their operators earn."""

import pandas as pd

from assume_rl.reports.style import (
    GREY,
    HOVER,
    colours,
    figure,
    marked,
    names_axis,
    patterns,
    text,
)
from assume_rl.reports.types import Figure

BARS = 40  # more units than that are hard to read; the rest is one bar
REST = "all others"


def profit_per_unit(earned: pd.DataFrame, run_id: str) -> Figure:
    """A bar per unit, the highest profit on top, coloured by operator.

    :param earned: `unit`, `operator`, `revenue`, `cost`, `start_cost`, `profit` (EUR), a row per
        unit.
    """
    ranked = largest(earned)
    operators = list(dict.fromkeys(ranked["operator"]))
    colour = {**colours(operators), REST: GREY}
    pattern = {**patterns(operators), REST: ""}
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": text(operator),
            "x": own["profit"],
            "y": own["unit"].map(text),
            "marker": {"color": colour[operator], "pattern": {"shape": pattern[operator]}},
            "customdata": own[["revenue", "cost", "start_cost"]],
            "hovertemplate": (
                "%{y}: %{x:,.0f} EUR<br>revenue %{customdata[0]:,.0f} EUR, "
                "costs %{customdata[1]:,.0f} EUR, starts %{customdata[2]:,.0f} EUR" + HOVER
            ),
            **marked(run_id),
        }
        for operator in operators
        for own in [ranked[ranked["operator"] == operator]]
    ]
    return _bars(traces, list(ranked["unit"]))


def profit_per_operator(earned: pd.DataFrame, run_id: str) -> Figure:
    """A bar per operator, the sum over its units; columns as in `profit_per_unit`."""
    sums = earned.groupby("operator", as_index=False)[["profit"]].sum()
    ranked = largest(sums.rename(columns={"operator": "unit"}))
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": ranked["profit"],
        "y": ranked["unit"].map(text),
        "marker": {"color": next(iter(colours(["any"]).values()))},
        "hovertemplate": "%{y}: %{x:,.0f} EUR" + HOVER,
        **marked(run_id),
    }
    return _bars([trace], list(ranked["unit"]))


def largest(earned: pd.DataFrame) -> pd.DataFrame:
    """From the highest profit down; those that earn or lose least are summed up beyond `BARS`."""
    ranked = earned.sort_values("profit", ascending=False, kind="stable", ignore_index=True)
    if len(ranked) <= BARS:
        return ranked
    kept = ranked["profit"].abs().rank(method="first", ascending=False) < BARS
    rest = ranked[~kept].select_dtypes("number").sum()
    others = {column: REST for column in ranked.columns if column not in rest} | rest.to_dict()
    return pd.concat([ranked[kept], pd.DataFrame([others])], ignore_index=True)


def _bars(traces: list[dict[str, object]], names: list[str]) -> Figure:
    return figure(
        traces,
        x="profit (EUR)",
        y="",
        height=120 + 24 * max(3, len(names)),
        barmode="overlay",
        yaxis=names_axis(names),
    )
