"""Bids against what power costs: order by order, through time, and by unit."""

from collections.abc import Iterator, Sequence

import pandas as pd

from assume_rl.evaluation.price_setting import SAME
from assume_rl.reports.style import (
    GREY,
    HOVER,
    PALETTE,
    WHEN,
    Trace,
    faint,
    figure,
    marked,
    names_axis,
    text,
)
from assume_rl.reports.thin import DOTS, LIMIT, extremes, sampled
from assume_rl.reports.topics.base import Market
from assume_rl.reports.types import Chart, Figure, Item, Omitted

BOXES = 40  # more units than that are hard to read
FOLLOWED = 4  # units whose bids are drawn through time
BEYOND = 2.5  # how many times price or cost an axis of bids reaches at most
QUARTILES = {"lowerfence": 0.0, "q1": 0.25, "median": 0.5, "q3": 0.75, "upperfence": 1.0}
LEARNED, OTHER = PALETTE[3], GREY


def bid_items(market: Market) -> Iterator[Item]:
    """Yield bids through time and against cost, from `market_orders` and `marginal_costs`."""
    if market.missing_orders:
        yield Omitted("Bids", market.missing_orders)
        return
    found, _ = market.orders_read
    sales = found[(found["volume"] > 0) & found["marginal_cost"].notna()]
    bids = sales.assign(learned=sales["unit_id"].isin(market.learners))
    yield from _through_time(market, found, straying(bids))
    if bids.empty:
        why = "no unit with a marginal cost has offered anything"
        yield Omitted("Bid against marginal cost", why)
        return
    off, count = len(straying(bids)), bids["unit_id"].nunique()
    if not off:
        yield Omitted("Bid against marginal cost", "every order is at its unit's marginal cost")
        return
    moving = found.loc[found["trades"], "unit_id"].nunique()
    left = (
        " Storages and exchanges are left out: what they sell costs what they bought."
        if moving
        else ""
    )
    thinned = f" Thinned out to {DOTS:,} of {len(bids):,} orders." if len(bids) > DOTS else ""
    yield Chart(
        "Bid against marginal cost",
        bid_against_cost(bids, market.run_id),
        "A dot per supply order; above the line a unit asks for more than its power costs."
        + left
        + thinned
        + market.some,
        (market.run_id,),
        "bid-cost",
    )
    far = f" The {BOXES} units that stray farthest." if off > BOXES else ""
    yield Chart(
        "Bid less marginal cost, by unit",
        markups(bids, market.run_id),
        "Over all orders of a unit, sold or not: median, quartiles, lowest and highest. "
        f"{count - off} of {count} units always bid their cost and are left out.{far}{market.some}",
        (market.run_id,),
        "markups",
    )


def _through_time(market: Market, found: pd.DataFrame, off: Sequence[str]) -> Iterator[Item]:
    """Yield a chart for each of a few units: learners, or those that stray farthest from cost."""
    learners = [unit for unit in off if unit in market.learners]
    learners += sorted(market.learners - set(learners))
    chosen = learners or list(off)
    several = len(market.orders_by_market) > 1
    places = [
        (unit, name, own[own["unit_id"] == unit])
        for unit in chosen[:FOLLOWED]
        for name, own in market.orders_by_market.items()
    ]
    whose = "learners" if learners else "units"
    rest = f" {FOLLOWED} of {len(chosen)} {whose}, those whose bids are farthest from cost."
    for unit, name, own in places:
        if own.empty:
            continue
        drawn, top = bids_through_time(own, market.setters[name], market.run_id)
        where = f", {name}" if several else ""
        highest = own.loc[own["volume"] > 0, "price"].max()
        yield Chart(
            f"Bids of {unit} through time{where}",
            drawn,
            "Lowest and highest price that the unit asks for in each delivery, its marginal cost "
            "and the price of the market."
            + (rest if len(chosen) > FOLLOWED else "")
            + (f" Bids up to {highest:,.0f} EUR/MWh, beyond the axis." if highest > top else "")
            + market.some,
            (market.run_id,),
            f"bids-{unit}{where}",
        )


def bids_through_time(own: pd.DataFrame, price: pd.DataFrame, run_id: str) -> tuple[Figure, float]:
    """Draw the lowest and the highest bid of a unit, its cost and the price.

    :param own: orders of the unit: `start_time`, `price`, `volume`, `accepted_volume`,
        `marginal_cost`
    :param price: `start_time` and `price` of the market
    :returns: the figure, and where its axis ends (EUR/MWh)
    """
    traces: list[Trace] = []
    for rows, name, colour in (
        (own[own["volume"] > 0], "asks for", LEARNED),
        (own[own["volume"] < 0], "pays up to", PALETTE[5]),
    ):
        traces += _bid_lines(rows, name, colour, run_id)
    costs = own.groupby("start_time")["marginal_cost"].first().dropna()
    if len(costs):
        traces.append(_line(costs, "marginal cost", PALETTE[2], run_id, dash="dash"))
    known = price.set_index("start_time")["price"]
    traces.append(_line(known, "price", GREY, run_id))
    # With ends at the same height as others a line would hide them: bids are drawn last.
    levels = [float(series.max()) for series in (costs, known) if len(series)]
    low = min([0.0, *(float(v) for t in traces for v in (min(t["y"]),))])
    high = max([0.0, *(float(v) for t in traces for v in (max(t["y"]),))])
    top = min(high, BEYOND * max([*levels, 1.0]))
    room = 0.06 * (top - low or 1.0)
    drawn = figure(
        traces,
        x="start of delivery (UTC)",
        y="EUR/MWh",
        yaxis_range=[low - room, top + room],
    )
    return drawn, top + room


def _bid_lines(rows: pd.DataFrame, name: str, colour: str, run_id: str) -> list[Trace]:
    """Return one line, or two with the area between them where a unit has several bids."""
    if rows.empty:
        return []
    by_time = rows.groupby("start_time")["price"]
    low, high = by_time.min(), by_time.max()
    if (high - low).max() < SAME:
        return [_line(high, name, colour, run_id)]
    fill = {"fill": "tonexty", "fillcolor": faint(colour, 0.15)}
    kept = extremes(high.to_numpy(), LIMIT // 4)
    return [
        _line(low.iloc[kept], f"{name}: lowest", colour, run_id, width=1),
        _line(high.iloc[kept], f"{name}: highest", colour, run_id) | fill,
    ]


def _line(
    values: pd.Series, name: str, colour: str, run_id: str, *, dash: str = "solid", width: float = 2
) -> Trace:
    kept = extremes(values.to_numpy(), LIMIT // 4)
    drawn = values.iloc[kept]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(drawn.index),
        "y": list(drawn),
        "line": {"color": colour, "shape": "hv", "dash": dash, "width": width},
        "hovertemplate": WHEN + "%{fullData.name} %{y:.2f} EUR/MWh" + HOVER,
        **marked(run_id),
    }


def bid_against_cost(bids: pd.DataFrame, run_id: str) -> Figure:
    """Draw a dot per order: its price over its unit's marginal cost; on the line they are equal.

    :param bids: `unit_id`, `price`, `marginal_cost` (EUR/MWh), `volume` (MW), `learned` (bool)
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
    groups = (("other bidders", False, OTHER), ("learned bidders", True, LEARNED))
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
    return figure([line, *dots], x="marginal cost (EUR/MWh)", y="bid (EUR/MWh)")


def straying(bids: pd.DataFrame) -> list[str]:
    """Return units that bid off their marginal cost, those with the largest distance first."""
    distance = (bids["price"] - bids["marginal_cost"]).abs().groupby(bids["unit_id"]).max()
    return list(distance[distance > SAME].sort_values(ascending=False, kind="stable").index)


def markups(bids: pd.DataFrame, run_id: str) -> Figure:
    """Draw a box per unit: quartiles of its bids less its marginal cost, whiskers at the extremes.

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
            ("learned bidders", LEARNED, ranked[ranked.index.isin(learned)]),
            ("other bidders", OTHER, ranked[~ranked.index.isin(learned)]),
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
