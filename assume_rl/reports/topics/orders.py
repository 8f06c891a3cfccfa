"""One delivery's orders: supply as a merit order, demand against it."""

from collections.abc import Iterator, Sequence

import pandas as pd

from assume_rl.core.units.base import ENERGY
from assume_rl.reports.colours import technology_colours, technology_patterns
from assume_rl.reports.source.order_queries import book
from assume_rl.reports.source.queries import prices
from assume_rl.reports.style import GREY, HOVER, Trace, figure, legend_name, marked, text
from assume_rl.reports.topics.base import Market
from assume_rl.reports.topics.mean_paid import MEAN_PAID
from assume_rl.reports.types import Chart, Figure, Item, Omitted

FOOT = 0.07
"""Share of the axis below the lowest price, from where bars rise: one at a price of 0 is seen."""
BEYOND = 2.5
"""How many times the price, or the dearest sale at its cost, the axis reaches at most."""


def order_items(market: Market) -> Iterator[Item]:
    """Yield the merit order and the demand of a few deliveries, from `market_orders`."""
    recorded = market.recorded
    if not recorded.has("market_orders"):
        yield Omitted("Merit order and demand", "no orders were recorded (market_orders is empty)")
        return
    found = prices(recorded)
    for name, own in found[found["product_type"] == ENERGY].groupby("market_id", sort=True):
        for start, what in market.hours[str(name)].items():
            rows = own[own["start"] == start]
            orders = book(recorded, str(name), start.to_pydatetime())
            if rows.empty or orders.empty:
                yield Omitted(f"{name}, {start:%Y-%m-%d %H:%M}", "no delivery begins then")
                continue
            yield _book(market, str(name), (start, what), orders, float(rows["price"].iloc[0]))


def _book(
    market: Market,
    name: str,
    delivery: tuple[pd.Timestamp, str],
    orders: pd.DataFrame,
    price: float,
) -> Chart:
    start, what = delivery
    first = orders[orders["end_time"] == orders["end_time"].min()]  # products may overlap
    as_bid = market.as_bid.get(name, False)
    mean = f" Dotted: {MEAN_PAID}." if as_bid else ""
    called = "mean paid" if as_bid else "price"
    drawn, top = order_book(first, price, market.run_id, market.technologies, called)
    above = first.loc[(first["price"] > top) & (first["volume"] != 0)]
    beyond = "".join(
        f" {whose} up to {own['price'].max():,.0f} EUR/MWh, beyond the axis."
        for whose, own in (
            ("Supply asks", above[above["volume"] > 0]),
            ("Demand bids", above[above["volume"] < 0]),
        )
        if len(own)
    )
    return Chart(
        f"{name}, {start:%Y-%m-%d %H:%M} ({what})",
        drawn,
        "Supply orders by their price, as wide as their volume, diamonds at the marginal cost of "
        f"their units; demand from the highest bid down.{beyond}{mean}",
        (market.run_id,),
        f"orders-{name}-{start:%Y%m%dT%H%M}",
    )


def order_book(
    orders: pd.DataFrame,
    price: float,
    run_id: str,
    technologies: Sequence[str],
    price_name: str = "price",
) -> tuple[Figure, float]:
    """Draw supply from the cheapest order up, one bar each; demand from the dearest down.

    :param orders: `unit_id`, `price` (EUR/MWh), `volume` (MW, sale > 0), `accepted_volume`,
        `technology`, `marginal_cost` (EUR/MWh; nan where it is not known)
    :param price: EUR/MWh, that of the market
    :param technologies: of the whole run, so that colours are those of its other figures
    :param price_name: what the line at `price` is called
    :returns: the figure, and where its axis of prices ends (EUR/MWh)
    """
    supply = _cumulated(orders[orders["volume"] > 0], ascending=True)
    demand = _cumulated(orders[orders["volume"] < 0], ascending=False)
    costs = [0.0, price, *supply["marginal_cost"].dropna()]
    low = min([*costs, *supply["price"]])
    top = min(max([*costs, *supply["price"]]), BEYOND * max(*costs, 1.0))
    span = top - low or 1.0
    floor, top = low - FOOT * span, top + FOOT * span
    end = max([0.0, *supply["right"], *demand["right"]])
    traces = [
        *_supply_bars(supply, floor, run_id, technologies),
        *_cost_marks(supply, run_id),
        *_demand_line(demand, floor, run_id),
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
    drawn = figure(
        traces,
        x="cumulated volume (MW)",
        y="price (EUR/MWh)",
        yaxis_range=[floor, top],
        xaxis_range=[0, end],
        barmode="overlay",
        height=320 + 10 * len(traces),
    )
    return drawn, top


def _cumulated(orders: pd.DataFrame, *, ascending: bool) -> pd.DataFrame:
    """Return orders side by side in the order of their prices: `left` and `right` ends, MW."""
    ranked = orders.sort_values("price", ascending=ascending, kind="stable")
    right = ranked["volume"].abs().cumsum()
    return ranked.assign(left=right - ranked["volume"].abs(), right=right)


def _supply_bars(
    supply: pd.DataFrame, floor: float, run_id: str, technologies: Sequence[str]
) -> list[Trace]:
    """Return bars that rise from the floor of the figure, so that one near zero is seen."""
    colour, pattern = technology_colours(technologies), technology_patterns(technologies)
    edge = 0.5 if len(supply) <= 60 else 0
    return [
        {
            "type": "bar",
            "name": legend_name(technology),
            "x": own["left"] + own["volume"] / 2,
            "base": [floor] * len(own),
            "y": own["price"] - floor,
            "width": own["volume"],
            "marker": {
                "color": colour[technology],
                "line": {"color": "white", "width": edge},
                "pattern": {"shape": pattern[technology]},
            },
            "customdata": own[["volume", "accepted_volume", "price"]],
            "text": own["unit_id"].map(text),
            "textposition": "none",
            "hovertemplate": (
                "%{text}<br>bid %{customdata[2]:.2f} EUR/MWh<br>%{customdata[0]:.1f} MW offered, "
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
    few = len(known) <= 60
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "marginal cost",
            "x": known["left"] + known["volume"] / 2,
            "y": known["marginal_cost"],
            "marker": {"symbol": "diamond", "size": 8 if few else 4, "color": "white"}
            | {"line": {"color": "black", "width": 1.5 if few else 0.7}},
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
