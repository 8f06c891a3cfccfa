"""Bids against what power costs."""

import pandas as pd

from assume_rl.reports.style import (
    GREY,
    HOVER,
    PALETTE,
    Trace,
    figure,
    marked,
    names_axis,
    text,
)
from assume_rl.reports.thin import DOTS, sampled
from assume_rl.reports.types import Figure

EQUAL = 1e-6  # EUR/MWh, below which a bid is at its cost
BOXES = 40  # more units than that are hard to read
QUARTILES = {"lowerfence": 0.0, "q1": 0.25, "median": 0.5, "q3": 0.75, "upperfence": 1.0}


def bid_against_cost(bids: pd.DataFrame, run_id: str) -> Figure:
    """A dot per order: its price over its unit's marginal cost; on the line they are equal.

    :param bids: `unit_id`, `price`, `marginal_cost` (EUR/MWh), `volume` (MW), `learned` (bool).
    """
    drawn = bids.iloc[sampled(len(bids), DOTS)]
    ends = [
        float(drawn["marginal_cost"].min()),
        float(drawn["marginal_cost"].max()),
    ]
    line: Trace = {
        "type": "scatter",
        "mode": "lines",
        "name": "bid = marginal cost",
        "x": ends,
        "y": ends,
        "line": {"color": GREY, "dash": "dot", "width": 2},
        "hoverinfo": "skip",
    }
    groups = (("other bidders", False, GREY), ("learned bidders", True, PALETTE[3]))
    dots = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": own["marginal_cost"],
            "y": own["price"],
            "marker": {"size": 6, "color": colour, "opacity": 0.5},
            "text": own["unit_id"].map(text),
            "customdata": own["volume"],
            "hovertemplate": (
                "%{text}<br>bids %{y:.2f} EUR/MWh for %{customdata:.1f} MW<br>"
                "costs %{x:.2f} EUR/MWh" + HOVER
            ),
            **marked(run_id),
        }
        for name, learned, colour in groups
        for own in [drawn[drawn["learned"] == learned]]
        if len(own)
    ]
    return figure([line, *dots], x="marginal cost (EUR/MWh)", y="bid (EUR/MWh)", height=460)


def straying(bids: pd.DataFrame) -> list[str]:
    """Units that bid off their marginal cost, those with the largest distance first."""
    distance = (bids["price"] - bids["marginal_cost"]).abs().groupby(bids["unit_id"]).max()
    return list(distance[distance > EQUAL].sort_values(ascending=False, kind="stable").index)


def markups(bids: pd.DataFrame, run_id: str) -> Figure:
    """A box per unit: quartiles of its bids less its marginal cost, whiskers at the extremes.

    Units whose bids are all at their cost are left out; of many, those are drawn that stray
    farthest. Columns as in `bid_against_cost`.
    """
    spread = bids["price"] - bids["marginal_cost"]
    by_unit = spread.groupby(bids["unit_id"])
    quartiles = {name: by_unit.quantile(share) for name, share in QUARTILES.items()}
    ranked = (
        pd.DataFrame(quartiles).loc[straying(bids)[:BOXES]].sort_values("median", kind="stable")
    )
    learned = set(bids.loc[bids["learned"], "unit_id"])
    traces = [
        {
            "type": "box",
            "orientation": "h",
            "name": name,
            "y": own.index.map(text),
            **{name: own[name] for name in QUARTILES},
            "marker": {"color": colour},
            "hovertemplate": "%{y}<br>%{x:.2f} EUR/MWh" + HOVER,
            **marked(run_id),
        }
        for name, colour, own in (
            ("learned bidders", PALETTE[3], ranked[ranked.index.isin(learned)]),
            ("other bidders", GREY, ranked[~ranked.index.isin(learned)]),
        )
        if len(own)
    ]
    return figure(
        traces,
        x="bid less marginal cost (EUR/MWh)",
        y="",
        height=120 + 24 * max(3, len(ranked)),
        yaxis=names_axis([str(unit) for unit in ranked.index[::-1]]),
    )
