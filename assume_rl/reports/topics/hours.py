"""The deliveries whose orders are drawn."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from assume_rl.errors import ConfigurationError
from assume_rl.reports.source.queries import prices
from assume_rl.reports.source.rows import Recorded

Hours = dict[pd.Timestamp, str]  # starts of deliveries, and what they are


def parse_hours(texts: Sequence[str]) -> tuple[pd.Timestamp, ...]:
    """Return times as UTC, as the tables have them; `ConfigurationError` if one is none."""
    return tuple(map(_parse, texts))


def check_hours(hours: Sequence[pd.Timestamp], starts: pd.Series) -> None:
    """Raise `ConfigurationError` if no delivery of any run begins at one of `hours`."""
    for hour in hours:
        if starts.empty:
            raise ConfigurationError(f"--hours {hour}: no auction was recorded")
        if not (starts == hour).any():
            closest = starts.iloc[int((starts - hour).abs().to_numpy().argmin())]
            raise ConfigurationError(
                f"--hours {hour}: no delivery begins then; the nearest one begins {closest}"
            )


def telling_hours(rows: pd.DataFrame) -> Hours:
    """Return deliveries with the lowest, the median and the highest price, and what they are.

    :param rows: `start`, `price` of one market.
    """
    ranked = rows.dropna(subset="price").sort_values(["price", "start"], kind="stable")
    if ranked.empty:
        return {}
    starts = list(ranked["start"])
    chosen: Hours = {}
    middle = (len(starts) - 1) // 2
    for what, place in (("lowest", 0), ("median", middle), ("highest", len(starts) - 1)):
        known = chosen.get(starts[place])
        chosen[starts[place]] = f"{known} and {what}" if known else what
    return {start: f"{what} price" for start, what in chosen.items()}


def shared_hours(recorded: Sequence[Recorded]) -> list[dict[str, Hours]]:
    """Return by market the same telling deliveries for each of `recorded`, so that they compare.

    They are those of the first that has the market; another calendar has its own.
    """
    first: dict[str, Hours] = {}
    found = []
    for r in recorded:
        whose = f" of {r.label}" if len(recorded) > 1 else ""
        by_market: dict[str, Hours] = {}
        rows = prices(r) if r.has("market_meta") else pd.DataFrame({"market_id": []})
        for market, own in rows.groupby("market_id", sort=True):
            telling = {start: what + whose for start, what in telling_hours(own).items()}
            known = first.setdefault(str(market), telling)
            shared = own["start"].isin(list(known)).any()
            by_market[str(market)] = known if shared else telling
        found.append(by_market)
    return found


def _parse(text: str) -> pd.Timestamp:
    try:
        found = pd.Timestamp(datetime.fromisoformat(text.strip()))
    except ValueError:
        raise ConfigurationError(
            f"--hours {text}: expected a time such as 2019-03-04T18:00"
        ) from None
    return found.tz_convert("UTC").tz_localize(None) if found.tzinfo else found
