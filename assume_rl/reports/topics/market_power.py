"""Market power: how far prices are above cost, who sets them, and who could move them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assume_rl.evaluation.market_power import RSI_SCREEN, lerner_index
from assume_rl.evaluation.price_setting import SAME
from assume_rl.evaluation.sellers import MarketPower, market_power
from assume_rl.evaluation.surplus import Surplus, surplus, welfare_rows
from assume_rl.reports.source.order_queries import during
from assume_rl.reports.source.queries import running_costs, start_costs
from assume_rl.reports.style import (
    GREY,
    HOVER,
    PALETTE,
    WHEN,
    Trace,
    faint,
    figure,
    line_looks,
    marked,
    text,
)
from assume_rl.reports.thin import LIMIT, evenly, extremes
from assume_rl.reports.topics.base import Market
from assume_rl.reports.types import Chart, Figure, Grid, Item, Omitted

EXPLAINED = (
    "A plant whose cost is below the price earns the difference under perfect competition too: "
    "that is infra-marginal rent, and no market power. What counts is the price itself: how far it "
    "is above the cost of the unit that sets it, and above the price of the same offers at cost. "
    "Who could move it is another question, that of residual supply."
)
DRAWN = len(PALETTE)  # operators, those with the lowest index
POINTS = LIMIT // DRAWN  # of each
SETTERS = 20  # units in the table of price setters
OPERATOR_COLUMNS = (
    "operator",
    "share of sales (%)",
    "margin over own cost (EUR/MWh)",
    "lowest RSI",
    "pivotal (% of deliveries)",
    f"RSI < {RSI_SCREEN} (% of deliveries)",
)
SETTER_COLUMNS = (
    *("unit", "technology", "operator", "sets the price (% of deliveries)"),
    *("mark-up then (EUR/MWh)", "largest", "Lerner index then"),
)


@dataclass(frozen=True)
class AtCostEffect:
    """Prices beside those of the same offers at cost, in deliveries that trade either way."""

    price: float  # EUR/MWh, mean of what was paid in them
    at_cost: float  # EUR/MWh, mean
    share: float  # of the deliveries that trade


@dataclass(frozen=True)
class PriceEffect:
    """How far the prices of one market are above cost; means over deliveries, EUR/MWh."""

    price: float
    markup: float  # above the cost of the unit that sets the price, where it is known
    above: float  # share of deliveries with a mark-up, of those where it is known
    known: float  # share of deliveries in which that cost is known
    at_cost: AtCostEffect | None  # None: not known


def price_effects(market: Market) -> dict[str, PriceEffect]:
    """Return by market how far prices are above cost; of markets where no cost is known nothing."""
    found = {}
    for name, setters in market.setters.items():
        known = setters["markup"].dropna()
        if known.empty:
            continue
        found[name] = PriceEffect(
            price=float(setters["price"].mean()),
            markup=float(known.mean()),
            above=float((known > SAME).mean()),
            known=len(known) / len(setters),
            at_cost=_at_cost_effect(setters["price"].to_numpy(), _at_cost(market, name)),
        )
    return found


def _at_cost(market: Market, name: str) -> NDArray[np.float64]:
    """Return the price of offers at cost, a row per price setter; nan: not known, or no trade."""
    setters, other = market.setters[name], market.all_at_cost.get(name)
    return np.full(len(setters), np.nan) if other is None else other.beside(setters)


def _at_cost_effect(
    price: NDArray[np.float64], at_cost: NDArray[np.float64]
) -> AtCostEffect | None:
    both = np.isfinite(at_cost)
    if not both.any():
        return None
    return AtCostEffect(float(price[both].mean()), float(at_cost[both].mean()), float(both.mean()))


def power_items(market: Market) -> Iterator[Item]:
    """Yield price and cost, who sets the price, residual supply, surplus and welfare."""
    if market.missing_orders:
        yield Omitted("Market power", market.missing_orders)
        return
    gains: dict[str, Surplus] = {}
    charts: list[Item] = []
    tables: list[Item] = []
    for name, own in market.orders_by_market.items():
        power = market_power(own)
        if power is None:
            yield Omitted(f"Market power, {name}", "nobody has offered anything")
            continue
        charts += [_price_and_cost(market, name), _residual_supply(market, name, power)]
        gains[name] = surplus(own)
        tables += [_setters(market, name), _operators(market, name, power)]
        tables.append(_surplus(market, name, gains[name]))
    yield from charts
    yield from tables
    if gains:
        yield _welfare(market, gains)


def _price_and_cost(market: Market, name: str) -> Item:
    title = f"Price and cost of the unit that sets it, {name}"
    setters = market.setters[name]
    if setters["marginal_cost"].isna().all():
        return Omitted(title, "no cost of a unit that sets the price is known")
    at_cost = _at_cost(market, name)
    dotted = _dotted(np.isfinite(at_cost))
    many = f" Thinned out to {LIMIT // 3:,} points a line." if len(setters) > LIMIT // 3 else ""
    return Chart(
        title,
        price_and_cost(setters, at_cost, market.run_id),
        "The area between is the mark-up; none where the cost is not known, as of storages."
        f"{dotted}{many}{market.some}",
        (market.run_id,),
        f"price-cost-{name}",
    )


def _dotted(drawn: NDArray[np.bool_]) -> str:
    """Return what is said of the price at cost, by where it is drawn, with a blank in front."""
    if not drawn.any():
        return ""
    gaps = "" if drawn.all() else ", where anything would trade then"
    return f" Dotted: the price had all plants offered at their cost{gaps}."


def price_and_cost(setters: pd.DataFrame, at_cost: NDArray[np.float64], run_id: str) -> Figure:
    """Draw the price, the cost of the unit that sets it, and the price of offers at cost.

    :param setters: of one market, see `price_setters`
    :param at_cost: EUR/MWh, a row per setter; nan where it is not known
    """
    kept = extremes(setters["price"].to_numpy(), LIMIT // 3)
    rows = setters.iloc[kept]
    fill = {"fill": "tonexty", "fillcolor": faint(PALETTE[3], 0.25)}
    lines: list[Trace] = [
        {
            "name": "cost of the unit that sets the price",
            # Where it is not known the mark-up is drawn as none.
            "y": rows["marginal_cost"].fillna(rows["price"]).to_numpy(),
            "line": {"color": PALETTE[2], "width": 1.5, "shape": "hv"},
            "text": rows["unit_id"].map(text),
            "hovertemplate": WHEN + "%{text} costs %{y:.2f} EUR/MWh" + HOVER,
        },
        {
            "name": "price",
            "y": rows["price"].to_numpy(),
            "line": {"color": PALETTE[0], "width": 2, "shape": "hv"},
            "hovertemplate": WHEN + "price %{y:.2f} EUR/MWh" + HOVER,
        }
        | fill,
    ]
    if np.isfinite(at_cost).any():
        lines.append(
            {
                "name": "price of offers at cost",
                "y": at_cost[kept],
                "line": {"color": GREY, "width": 1.5, "shape": "hv", "dash": "dot"},
                "hovertemplate": WHEN + "at cost %{y:.2f} EUR/MWh" + HOVER,
            }
        )
    common = {"type": "scatter", "mode": "lines", "x": rows["start_time"], **marked(run_id)}
    return figure([common | line for line in lines], x="start of delivery (UTC)", y="EUR/MWh")


def _setters(market: Market, name: str) -> Grid:
    """Return the table of units that set the price, the most frequent first."""
    setters = market.setters[name]
    known = market.units.set_index("unit")
    rows: list[tuple[object, ...]] = []
    for unit, own in setters.groupby("unit_id", sort=True):
        of_unit = known.loc[unit] if unit in known.index else None
        named = ("", "") if of_unit is None else (of_unit["technology"], of_unit["operator"])
        share = 100 * len(own) / len(setters)
        rows.append((unit, *named, share, *_markup_cells(own)))
    rows.sort(key=lambda row: -float(str(row[3])))
    more = f" The first {SETTERS} of {len(rows)} units." if len(rows) > SETTERS else ""
    return Grid(
        f"Who sets the price, {name}",
        SETTER_COLUMNS,
        [*rows[:SETTERS], ("all", "", "", 100.0, *_markup_cells(setters))],
        "The unit of the dearest accepted sale; at equal bids the one with the highest cost. "
        "Mark-up: price less its marginal cost, mean over the deliveries in which it sets the "
        "price; empty where its cost is not known, as of storages. Lerner index: that mark-up as "
        f"a share of the price, without prices of 0 or less.{more}{market.some}",
    )


def _markup_cells(own: pd.DataFrame) -> tuple[object, ...]:
    """Return mean and largest mark-up (EUR/MWh) and the mean Lerner index; None: not known."""
    markup = own["markup"].dropna()
    if markup.empty:
        return None, None, None
    index = lerner_index(own["price"], own[["marginal_cost"]])
    lerner = float(np.nanmean(index)) if np.isfinite(index).any() else None
    return float(markup.mean()), float(markup.max()), lerner


def _residual_supply(market: Market, name: str, found: MarketPower) -> Chart:
    index = found.residual_supply
    many = f" Thinned out to {POINTS:,} points a line." if len(index) > POINTS else ""
    return Chart(
        f"Residual supply index, {name}",
        residual_supply(dict(zip(found.operators, index.T, strict=True)), market.run_id),
        "What all others offer over what units that only buy want at the price, sorted; the "
        "operators with the lowest values. Below 1 an operator is pivotal: demand cannot be met "
        f"without it.{many}{market.some}",
        (market.run_id,),
        f"residual-supply-{name}",
    )


def _operators(market: Market, name: str, found: MarketPower) -> Grid:
    sold, offered = found.concentration
    return Grid(
        f"Operators, {name}",
        OPERATOR_COLUMNS,
        found.rows(),
        "Margin over own cost: price paid less marginal cost, mean weighted by sales; it contains "
        "infra-marginal rent and is by itself no sign of market power. Herfindahl-Hirschman index: "
        f"{sold:,.0f} of sales, {offered:,.0f} of what was offered (10,000: one operator). "
        f"Available is what was offered.{market.some}",
    )


def _surplus(market: Market, name: str, found: Surplus) -> Grid:
    storages = (
        ""
        if found.traded is None
        else "Storages and exchanges gain what they sell for less what they pay; what is left is "
        "worth nothing, and the deadweight loss takes what they did as given. "
    )
    return Grid(
        f"Surplus, {name}",
        ("figure", "EUR"),
        found.rows(),
        "Buyers are worth their limit prices, plants cost their marginal cost; what buyers pay is "
        f"what the others receive. {storages}Empty where a cost is not known. Deadweight loss: "
        "what trade would have gained more had all plants offered the same power at its cost, "
        f"without limits of the grid.{market.some}",
    )


def _welfare(market: Market, gains: Mapping[str, Surplus]) -> Grid:
    starts, running = start_costs(market.recorded), running_costs(market.recorded)
    found, every = market.orders_read
    if every > 1:
        starts, running = during(starts, found), during(running, found)
    rows: Sequence[tuple[str, float | None]] = welfare_rows(
        gains, float(starts["start_cost"].sum()), float(running["cost"].sum())
    )
    return Grid(
        "Welfare",
        ("figure", "EUR"),
        rows,
        "Gains of trade are consumer and producer surplus, and what storages and exchanges gain; "
        "what units cost when they start, and storages when they run, belongs to no market alone. "
        f"Empty where a cost is not known.{market.some}",
    )


def residual_supply(index: Mapping[str, NDArray[np.float64]], run_id: str) -> Figure:
    """Draw the residual supply index sorted from the lowest up, a line per operator.

    :param index: by operator, `(delivery,)`; infinite where there is no demand, not drawn
    """
    finite = {name: np.sort(values[np.isfinite(values)]) for name, values in index.items()}
    lowest = sorted((n for n in finite if len(finite[n])), key=lambda n: finite[n][0])[:DRAWN]
    looks = line_looks(lowest)
    traces: list[Trace] = []
    for name in lowest:
        values = finite[name]
        kept = evenly(len(values), POINTS)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": text(name),
                "x": 100 * (kept + 1) / len(values),
                "y": values[kept],
                "line": looks[name],
                "hovertemplate": "%{fullData.name}<br>at most %{y:.3f} in %{x:.1f} %" + HOVER,
                **marked(run_id),
            }
        )
    for level, what in ((1.0, "pivotal below 1"), (RSI_SCREEN, f"screen {RSI_SCREEN}")):
        traces.append(_level(level, what))
    return figure(traces, x="share of deliveries (%)", y="residual supply index")


def _level(value: float, name: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [0, 100],
        "y": [value, value],
        "line": {"color": GREY, "dash": "dot" if value > 1 else "dash", "width": 1.5},
        "hoverinfo": "skip",
    }
