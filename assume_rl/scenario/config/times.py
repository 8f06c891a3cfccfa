"""Types of dates and durations in configuration files.

Durations become whole seconds, dates become naive datetimes in UTC.
"""

import difflib
import re
from datetime import UTC, date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, WithJsonSchema

from assume_rl.durations import duration_seconds
from assume_rl.errors import ConfigurationError

SUCH_AS = "a date such as '2019-01-31 00:00' (year-month-day)"
FIRST_YEAR, LAST_YEAR = 1700, 2200  # in which calendars of nanoseconds lie
_DATE = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<hour>\d{1,2})(?P<rest>:\d\d(?::\d\d)?)(?:\.0+)?)?"
    r"\s?(?P<zone>Z|[+-]\d\d(?::?\d\d)?|(?!T\d*$)[A-Za-z][\w/+-]*)?",
    re.ASCII,
)
_YEAR_LAST = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})\b", re.ASCII)


def _seconds(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError(f"write a duration with its unit, such as '1h' or '15min', not {value!r}")
    try:
        return duration_seconds(value)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None


def _positive_seconds(value: Any) -> int:
    seconds = _seconds(value)
    if seconds == 0:
        raise ValueError("must be longer than zero")
    return seconds


def _step(value: Any) -> int:
    # A calendar frequency may leave out its number: `h` is `1h`.
    return _positive_seconds(f"1{value}" if isinstance(value, str) and value.isalpha() else value)


def _instant(value: Any) -> datetime:
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, str | datetime):
        raise ValueError(f"write {SUCH_AS}, not {value!r}")
    moment = _moment(value.strip()) if isinstance(value, str) else value
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"the year of {value!r} is not in {FIRST_YEAR} to {LAST_YEAR}")
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _moment(text: str) -> datetime:
    """Return the date that `text` is; it has a time zone if that is written."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not {SUCH_AS}{_meant(text)}")
    clock = f"{int(found['hour']):02}{found['rest']}" if found["hour"] else "00:00"
    zone = found["zone"] or ""
    offset = zone if zone[:1] in ("", "Z", "+", "-") else ""
    try:
        moment = datetime.fromisoformat(f"{found['day']}T{clock}{offset}")
    except ValueError:
        raise ValueError(f"{text!r} is not {SUCH_AS}") from None
    return moment if zone == offset else _local(moment, zone, text)


def _local(moment: datetime, zone: str, text: str) -> datetime:
    """Return a date with a time zone by name; clock times that are there twice, or never, are not.

    :raises ValueError: there is no such zone, or it is not clear which moment is meant
    """
    if zone not in available_timezones():
        raise ValueError(
            f"{text!r}: {unknown_zone(zone)} A UTC offset such as +01:00 is always understood"
        )
    aware = moment.replace(tzinfo=ZoneInfo(zone))
    if aware.utcoffset() != aware.replace(fold=1).utcoffset():
        raise ValueError(f"{text!r}: clocks change then; write a UTC offset such as +01:00")
    return aware


def unknown_zone(zone: str) -> str:
    """Return a sentence on a time zone that is not known, with the name that is near, if any.

    >>> unknown_zone("Europe/Berlim")
    "the time zone 'Europe/Berlim' is not known; did you mean 'Europe/Berlin'?"
    """
    near = difflib.get_close_matches(zone, sorted(available_timezones()), n=1)
    hint = f"did you mean '{near[0]}'?" if near else "write one such as Europe/Berlin."
    return f"the time zone '{zone}' is not known; {hint}"


def _meant(text: str) -> str:
    """Return the end of a sentence on a date with its year last: which dates that may be."""
    found = _YEAR_LAST.match(text)
    if found is None:
        return ""
    first, second, year = map(int, found.groups())
    days = [
        f"'{year}-{month:02}-{day:02}'"
        for day, month in dict.fromkeys(((first, second), (second, first)))
        if 1 <= month <= 12 and 1 <= day <= 31
    ]
    return f"; write {' or '.join(days)}" if days else ""


_TEXT = WithJsonSchema({"type": "string"})  # the type in the file
Seconds = Annotated[int, BeforeValidator(_seconds), _TEXT]
PositiveSeconds = Annotated[int, BeforeValidator(_positive_seconds), _TEXT]
StepSeconds = Annotated[int, BeforeValidator(_step), _TEXT]
Instant = Annotated[datetime, BeforeValidator(_instant), _TEXT]
