"""Durations as people write them: '1h', '15min', '7d'."""

import re

from assume_rl.errors import ConfigurationError, nearest

_UNIT_SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "H", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "D", "day", "days"), 86400),
    **dict.fromkeys(("w", "W", "week", "weeks"), 604800),
}

LONGEST = 1000
"""Years that a duration may have."""


def duration_seconds(text: str) -> int:
    """Return the seconds of a duration such as "15min", "1h", "1.5h" or "4 weeks".

    Raises `ConfigurationError` (a `ValueError`) unless `text` is a number and a unit that make a
    whole number of seconds, at most those of 1000 years.

    >>> duration_seconds("15min")
    900
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", text)
    if match is None:
        raise ConfigurationError(f"'{text}' is not a duration such as '1h', '15min' or '7d'")
    number, unit = match.groups()
    if unit not in _UNIT_SECONDS:
        hint = nearest(unit, _UNIT_SECONDS)
        raise ConfigurationError(f"unknown unit '{unit}' in the duration '{text}', {hint}")
    seconds = float(number) * _UNIT_SECONDS[unit]
    if seconds > LONGEST * 365.25 * 86400:
        shown = text if len(text) < 30 else f"{text[:30]}..."
        raise ConfigurationError(f"the duration '{shown}' is longer than {LONGEST} years")
    if seconds != int(seconds):
        raise ConfigurationError(f"the duration '{text}' is not a whole number of seconds")
    return int(seconds)
