"""Prices of everything that is shown, side by side."""

from collections.abc import Sequence

from assume_rl.reports.figures.prices import (
    PriceLine,
    points_each,
    price_duration,
    prices_through_time,
)
from assume_rl.reports.source.queries import prices
from assume_rl.reports.source.rows import Recorded
from assume_rl.reports.source.source import Source
from assume_rl.reports.thin import LIMIT
from assume_rl.reports.types import Chart, Omitted, Section


def price_section(source: Source, shown: str = "") -> Section:
    """Price duration curves and prices through time, from `market_meta`.

    :param shown: which runs these are, where there are others, and what their prices are.
    """
    lines = price_lines(source.recorded)
    if not lines:
        reason = "no auction was recorded (no rows in market_meta)"
        return Section("Prices", (Omitted("Prices", source.missing(reason)),))
    longest = max(len(line.rows) for line in lines)
    thinned = longest > points_each(lines)
    runs = tuple(dict.fromkeys(line.run_id for line in lines))
    return Section(
        "Prices",
        (
            Chart(
                "Price duration curve",
                price_duration(lines),
                f"For how many hours of the calendar prices are at least so high.{shown}"
                + (f" {_every(points_each(lines), longest)}" if thinned else ""),
                runs,
                "price-duration",
            ),
            Chart(
                "Prices through time",
                prices_through_time(lines),
                f"Price of each delivery.{shown}" + (f" {_extremes(longest)}" if thinned else ""),
                runs,
                "prices",
            ),
        ),
    )


def price_lines(recorded: Sequence[Recorded]) -> list[PriceLine]:
    """A line per run and market; names say no more than tells them apart."""
    found = [(r, prices(r)) for r in recorded if r.has("market_meta")]
    markets = {market for _, rows in found for market in rows["market_id"]}
    lines = []
    for r, rows in found:
        for market, own in rows.groupby("market_id", sort=True):
            parts = [r.label] * (len(found) > 1) + [str(market)] * (len(markets) > 1)
            lines.append(PriceLine(", ".join(parts) or str(market), r.run_id, own))
    return lines


def _every(kept: int, of: int) -> str:
    return f"Thinned out: about {kept:,} of up to {of:,} prices of a line are drawn, evenly spaced."


def _extremes(of: int) -> str:
    return (
        f"Thinned out: a line has up to {of:,} prices, of which the lowest and the highest of each "
        f"stretch are drawn ({LIMIT:,} points in all)."
    )
