"""The deliveries whose orders are drawn."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from assume_rl.errors import ConfigurationError


def parse_hours(texts: Sequence[str]) -> tuple[pd.Timestamp, ...]:
    """Times as UTC, as the tables have them; `ConfigurationError` if one is none."""
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


def telling_hours(prices: pd.DataFrame) -> dict[pd.Timestamp, str]:
    """Deliveries with the lowest, the median and the highest price, and what they are.

    :param prices: `start`, `price` of one market.
    """
    ranked = prices.dropna(subset="price").sort_values(["price", "start"], kind="stable")
    if ranked.empty:
        return {}
    starts = list(ranked["start"])
    chosen: dict[pd.Timestamp, str] = {}
    middle = (len(starts) - 1) // 2
    for what, place in (("lowest", 0), ("median", middle), ("highest", len(starts) - 1)):
        known = chosen.get(starts[place])
        chosen[starts[place]] = f"{known} and {what}" if known else what
    return {start: f"{what} price" for start, what in chosen.items()}


def _parse(text: str) -> pd.Timestamp:
    try:
        found = pd.Timestamp(datetime.fromisoformat(text.strip()))
    except ValueError:
        raise ConfigurationError(
            f"--hours {text}: expected a time such as 2019-03-04T18:00"
        ) from None
    return found.tz_convert("UTC").tz_localize(None) if found.tzinfo else found
