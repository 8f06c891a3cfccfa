"""Dates and durations of the configuration: one meaning, or none."""

from datetime import UTC, date, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from assume_rl.durations import duration_seconds
from assume_rl.errors import ConfigurationError
from assume_rl.scenario.config.times import Instant

INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2019-06-05", datetime(2019, 6, 5)),
        ("2019-06-05 7:30", datetime(2019, 6, 5, 7, 30)),
        ("2019-06-05T07:30:00.000", datetime(2019, 6, 5, 7, 30)),
        ("2019-06-05 07:30Z", datetime(2019, 6, 5, 7, 30)),
        ("2019-06-05 07:30+02:00", datetime(2019, 6, 5, 5, 30)),
        ("2019-06-05 07:30 Europe/Berlin", datetime(2019, 6, 5, 5, 30)),
        ("2019-01-05 07:30 CET", datetime(2019, 1, 5, 6, 30)),
        (date(2019, 6, 5), datetime(2019, 6, 5)),
        (datetime(2019, 6, 5, 7, tzinfo=UTC), datetime(2019, 6, 5, 7)),
    ],
)
def test_what_is_clear_is_read(written: object, moment: datetime) -> None:
    assert INSTANT.validate_python(written) == moment


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("05.06.2019", "write '2019-06-05' or '2019-05-06'"),
        ("06/13/2019 00:00", "write '2019-06-13'"),
        ("5-5-2019", "write '2019-05-05'"),
        ("1 January 2019", "(year-month-day)"),
        ("2019", "(year-month-day)"),
        ("now", "(year-month-day)"),
        ("2019-02-30", "(year-month-day)"),
        ("2019-01-01 26:00", "(year-month-day)"),
        ("2019-01-01T", "(year-month-day)"),
        ("2019-01-01T07", "(year-month-day)"),
        ("2019-01-01 T", "(year-month-day)"),
        ("2019-01-01 00:00 XYZ", "'XYZ' is not known; write one such as Europe/Berlin. A UTC"),
        ("2019-01-01 00:00 Europe/Berlim", "did you mean 'Europe/Berlin'?"),
        ("2019-10-27 02:30 Europe/Berlin", "clocks change then; write a UTC offset"),
        ("2019-03-31 02:30 Europe/Berlin", "clocks change then; write a UTC offset"),
        ("9999-01-01", "is not in 1700 to 2200"),
        (2019, "write a date such as"),
        (True, "write a date such as"),
    ],
)
def test_what_is_not_clear_is_refused(written: object, sentence: str) -> None:
    with pytest.raises(ValidationError) as raised:
        INSTANT.validate_python(written)
    assert sentence in str(raised.value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("text", ["9" * 320 + "h", "100000000d", "1000001d"])
def test_a_duration_has_an_end(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is longer than 1000 years"):
        duration_seconds(text)
