"""Prices of everything that is shown: through time, and sorted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from assume_rl.experiments.metric_names import ENERGY_PRICE, HELD_PRICE
from assume_rl.experiments.price_unit import price_unit
from assume_rl.reports.source.queries import prices
from assume_rl.reports.source.rows import Recorded
from assume_rl.reports.style import HOVER, WHEN, Trace, figure, line_looks, marked, text
from assume_rl.reports.thin import LIMIT, evenly, extremes
from assume_rl.reports.topics.base import Scope
from assume_rl.reports.topics.mean_paid import mean_paid
from assume_rl.reports.types import Chart, Figure, Item, Omitted


@dataclass(frozen=True)
class PriceLine:
    """Prices of one market in one run."""

    name: str
    run_id: str
    rows: pd.DataFrame  # `start`, `hours` (h), `price` (in `unit`), in order of start
    unit: str = ENERGY_PRICE


def price_items(scope: Scope) -> Iterator[Item]:
    """Yield prices through time and price duration curves, from `market_meta`."""
    source = scope.source
    lines = price_lines(source.recorded)
    if not lines:
        reason = "no auction was recorded (no rows in market_meta)"
        yield Omitted("Prices", source.missing(reason))
        return
    note = mean_paid(source)
    for unit, what, key in ((ENERGY_PRICE, "Price", ""), (HELD_PRICE, "Reserve price", "-held")):
        own = [line for line in lines if line.unit == unit]
        if own:
            yield from _charts(own, what, key, note if unit == ENERGY_PRICE else "")


def _charts(lines: Sequence[PriceLine], what: str, key: str, note: str) -> Iterator[Item]:
    """Yield the charts of lines whose prices are in one unit.

    :param lines: at least one
    :param what: the prices are, for titles
    :param key: that the charts' keys end in
    :param note: said of both
    """
    longest = max(len(line.rows) for line in lines)
    thinned = longest > points_each(lines)
    runs = tuple(dict.fromkeys(line.run_id for line in lines))
    yield Chart(
        f"{what}s through time",
        prices_through_time(lines),
        f"{what} of each delivery.{note}" + (f" {_extremes(longest)}" if thinned else ""),
        runs,
        f"prices{key}",
    )
    yield Chart(
        f"{what} duration curve",
        price_duration(lines),
        f"For how many hours of the calendar {what.lower()}s are at least that high.{note}"
        + (f" {_every(points_each(lines), longest)}" if thinned else ""),
        runs,
        f"price-duration{key}",
    )


def price_lines(recorded: Sequence[Recorded]) -> list[PriceLine]:
    """Return a line per run and market; names say no more than distinguishes them."""
    found = [(r, prices(r)) for r in recorded if r.has("market_meta")]
    markets = {market for _, rows in found for market in rows["market_id"]}
    lines = []
    for r, rows in found:
        for market, own in rows.groupby("market_id", sort=True):
            parts = [r.label] * (len(found) > 1) + [str(market)] * (len(markets) > 1)
            unit = price_unit(own["product_type"].iloc[0])
            lines.append(PriceLine(", ".join(parts) or str(market), r.run_id, own, unit))
    return lines


def prices_through_time(lines: Sequence[PriceLine]) -> Figure:
    """Draw prices from the start of each delivery on, a line per run and market."""
    traces = []
    for line, trace in zip(lines, _traces(lines, "hv"), strict=True):
        price, start = line.rows["price"].to_numpy(), line.rows["start"]
        kept = extremes(price, points_each(lines))
        end = start.iloc[-1] + pd.Timedelta(hours=float(line.rows["hours"].iloc[-1]))
        traces.append(
            trace
            | {
                "x": [*start.iloc[kept], end],
                "y": [*price[kept], price[-1]],
                "hovertemplate": WHEN + f"%{{y:.2f}} {line.unit}" + HOVER,
            }
        )
    return figure(traces, x="start of delivery (UTC)", y=f"price ({lines[0].unit})")


def price_duration(lines: Sequence[PriceLine]) -> Figure:
    """Draw for how many hours prices are at least that high: sorted from the highest down."""
    traces = []
    for line, trace in zip(lines, _traces(lines, "vh"), strict=True):
        ranked = line.rows.sort_values("price", ascending=False, kind="stable")
        kept = evenly(len(ranked), points_each(lines))
        hours, price = ranked["hours"].to_numpy().cumsum(), ranked["price"].to_numpy()
        traces.append(
            trace
            | {
                "x": [0.0, *hours[kept]],
                "y": [price[0], *price[kept]],
                "hovertemplate": f"%{{x:.1f}} h at %{{y:.2f}} {line.unit} or more" + HOVER,
            }
        )
    price_axis = f"price ({lines[0].unit})"
    return figure(traces, x="duration (h)", y=price_axis, xaxis_rangemode="tozero")


def points_each(lines: Sequence[PriceLine]) -> int:
    """Return how many points of each line are drawn at most."""
    return LIMIT // max(1, len(lines))


def _traces(lines: Sequence[PriceLine], shape: str) -> list[Trace]:
    looks = line_looks([line.name for line in lines])
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": text(line.name),
            "line": {**looks[line.name], "shape": shape},
            **marked(line.run_id),
        }
        for line in lines
    ]


def _every(kept: int, of: int) -> str:
    return f"Thinned out: about {kept:,} of up to {of:,} prices of a line are drawn, evenly spaced."


def _extremes(of: int) -> str:
    return (
        f"Thinned out: a line has up to {of:,} prices, of which the lowest and the highest of each "
        f"stretch are drawn ({LIMIT:,} points in all)."
    )
