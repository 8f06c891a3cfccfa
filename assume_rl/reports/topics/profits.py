"""What units and their operators earn."""

from collections.abc import Iterator, Sequence

import pandas as pd

from assume_rl.reports.colours import technology_colours, technology_patterns
from assume_rl.reports.source.queries import UNKNOWN, earnings
from assume_rl.reports.style import (
    GREY,
    HOVER,
    PALETTE,
    figure,
    legend_name,
    marked,
    names_axis,
    text,
)
from assume_rl.reports.topics.base import Market
from assume_rl.reports.types import Chart, Figure, Item, Omitted

BARS = 40  # more units than that are hard to read; the rest is one bar
REST = "all others"


def profit_items(market: Market) -> Iterator[Item]:
    """Yield profits of units and of operators, from `unit_dispatch` and `start_costs`."""
    recorded, known = market.recorded, market.units
    if known.empty or not recorded.has("unit_dispatch"):
        yield Omitted("Profits", "no units or no dispatch were recorded")
        return
    earned = earnings(recorded).merge(known, on="unit")
    sellers = earned[~earned["demand"]]
    costs = sellers["cost"] + sellers["start_cost"]
    sellers = sellers.assign(
        profit=sellers["revenue"] - costs, technology=sellers["technology"].fillna(UNKNOWN)
    )
    paid = sellers["revenue"].sum()  # not the buyers' own, which is at the dearest bid each
    formula = "Revenue less generation and start costs, summed over the calendar."
    rest = f" The {len(sellers) - BARS + 1} smallest are summed up." if len(sellers) > BARS else ""
    yield Chart(
        "Profit per unit",
        profit_per_unit(sellers, market.run_id, market.technologies),
        f"{formula} Units that only buy are left out; they pay what the others receive, less what "
        f"storages and exchanges pay: {paid:,.0f} EUR.{rest}",
        (market.run_id,),
        "profit-units",
    )
    if sellers["operator"].nunique() == len(sellers):
        yield Omitted("Profit per operator", "every unit has an operator of its own")
        return
    yield Chart(
        "Profit per operator",
        profit_per_operator(sellers, market.run_id),
        f"{formula} All units of an operator together.",
        (market.run_id,),
        "profit-operators",
    )


def profit_per_unit(earned: pd.DataFrame, run_id: str, technologies: Sequence[str]) -> Figure:
    """Draw a bar per unit, the highest profit on top, in the colour of its technology.

    :param earned: `unit`, `technology`, `operator`, `revenue`, `cost`, `start_cost`, `profit`
        (EUR), a row per unit
    :param technologies: of the whole run
    """
    ranked = largest(earned)
    colour = {**technology_colours(technologies), REST: GREY}
    pattern = {**technology_patterns(technologies), REST: ""}
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": legend_name(technology),
            "x": own["profit"],
            "y": own["unit"].map(text),
            "marker": {"color": colour[technology], "pattern": {"shape": pattern[technology]}},
            "customdata": own[["revenue", "cost", "start_cost"]],
            "text": own["operator"].map(text),
            "textposition": "none",
            "hovertemplate": (
                "%{y}, operator %{text}: %{x:,.0f} EUR<br>revenue %{customdata[0]:,.0f} EUR, "
                "costs %{customdata[1]:,.0f} EUR, starts %{customdata[2]:,.0f} EUR" + HOVER
            ),
            **marked(run_id),
        }
        for technology in dict.fromkeys(ranked["technology"])
        for own in [ranked[ranked["technology"] == technology]]
    ]
    return _bars(traces, list(ranked["unit"]))


def profit_per_operator(earned: pd.DataFrame, run_id: str) -> Figure:
    """Draw a bar per operator, the sum over its units; columns as in `profit_per_unit`."""
    sums = earned.groupby("operator", as_index=False)[["profit"]].sum()
    ranked = largest(sums.rename(columns={"operator": "unit"}))
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": ranked["profit"],
        "y": ranked["unit"].map(text),
        "marker": {"color": PALETTE[0]},
        "hovertemplate": "%{y}: %{x:,.0f} EUR" + HOVER,
        **marked(run_id),
    }
    return _bars([trace], list(ranked["unit"]))


def largest(earned: pd.DataFrame) -> pd.DataFrame:
    """Return rows from the highest profit down, the smallest summed up beyond `BARS`."""
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
