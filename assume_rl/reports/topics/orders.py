"""One delivery's orders: supply as a merit order, demand against it."""

from collections.abc import Sequence

import pandas as pd

from assume_rl.reports.style import (
    GREY,
    HOVER,
    Trace,
    colours,
    figure,
    marked,
    patterns,
    text,
)
from assume_rl.reports.types import Figure


def order_book(
    orders: pd.DataFrame,
    price: float,
    run_id: str,
    technologies: Sequence[str],
    price_name: str = "price",
) -> Figure:
    """Supply from the cheapest order up, one bar each; demand from the dearest down.

    :param orders: `unit_id`, `price` (EUR/MWh), `volume` (MW, sale > 0), `accepted_volume`,
        `technology`, `marginal_cost` (EUR/MWh; nan where it is not known).
    :param price: EUR/MWh, that of the market.
    :param price_name: what the line at `price` is called.
    :param technologies: of the whole run, so that colours are those of its other figures.
    """
    supply = _cumulated(orders[orders["volume"] > 0], ascending=True)
    demand = _cumulated(orders[orders["volume"] < 0], ascending=False)
    levels = [0.0, price, *supply["price"], *supply["marginal_cost"].dropna()]
    bottom, top = min(levels), max(levels)
    room = 0.08 * (top - bottom or 1.0)
    end = max([0.0, *supply["right"], *demand["right"]])
    traces = [
        *_supply_bars(supply, run_id, technologies),
        *_cost_marks(supply, run_id),
        *_demand_line(demand, bottom - room, run_id),
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"{price_name} {price:.2f} EUR/MWh",
            "x": [0, end],
            "y": [price, price],
            "line": {"color": GREY, "dash": "dot", "width": 2},
            "hovertemplate": f"{price_name} %{{y:.2f}} EUR/MWh" + HOVER,
            **marked(run_id),
        },
    ]
    return figure(
        traces,
        x="cumulated volume (MW)",
        y="price (EUR/MWh)",
        yaxis_range=[bottom - room * (bottom < 0), top + room],
        xaxis_range=[0, end],
        barmode="overlay",
        height=440,
    )


def _cumulated(orders: pd.DataFrame, *, ascending: bool) -> pd.DataFrame:
    """Orders side by side in the order of their prices: `left` and `right` ends, MW."""
    ranked = orders.sort_values("price", ascending=ascending, kind="stable")
    right = ranked["volume"].abs().cumsum()
    return ranked.assign(left=right - ranked["volume"].abs(), right=right)


def _supply_bars(supply: pd.DataFrame, run_id: str, technologies: Sequence[str]) -> list[Trace]:
    colour, pattern = colours(technologies), patterns(technologies)
    return [
        {
            "type": "bar",
            "name": text(technology),
            "x": own["left"] + own["volume"] / 2,
            "y": own["price"],
            "width": own["volume"],
            "marker": {
                "color": colour[technology],
                "line": {"color": "white", "width": 0.5},
                "pattern": {"shape": pattern[technology]},
            },
            "customdata": own[["volume", "accepted_volume"]],
            "text": own["unit_id"].map(text),
            "textposition": "none",
            "hovertemplate": (
                "%{text}<br>bid %{y:.2f} EUR/MWh<br>%{customdata[0]:.1f} MW offered, "
                "%{customdata[1]:.1f} MW sold" + HOVER
            ),
            **marked(run_id),
        }
        for technology in technologies
        for own in [supply[supply["technology"] == technology]]
        if len(own)
    ]


def _cost_marks(supply: pd.DataFrame, run_id: str) -> list[Trace]:
    known = supply[supply["marginal_cost"].notna()]
    if known.empty:
        return []
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "marginal cost",
            "x": known["left"] + known["volume"] / 2,
            "y": known["marginal_cost"],
            "marker": {"symbol": "diamond", "size": 8, "color": "white"}
            | {"line": {"color": "black", "width": 1.5}},
            "text": known["unit_id"].map(text),
            "hovertemplate": "%{text}<br>costs %{y:.2f} EUR/MWh" + HOVER,
            **marked(run_id),
        }
    ]


def _demand_line(demand: pd.DataFrame, bottom: float, run_id: str) -> list[Trace]:
    if demand.empty:
        return []
    ends = [value for pair in demand[["left", "right"]].to_numpy() for value in pair]
    prices = [value for value in demand["price"] for _ in range(2)]
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "demand",
            "x": [*ends, ends[-1]],
            "y": [*prices, bottom],
            "line": {"color": GREY, "width": 3},
            "hovertemplate": "demand up to %{x:.1f} MW<br>bid %{y:.2f} EUR/MWh" + HOVER,
            **marked(run_id),
        }
    ]
