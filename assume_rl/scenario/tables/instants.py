"""Read the dates of a time series: ISO 8601 or another pattern, UTC or clock times of a zone."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assume_rl.scenario.problems import Problems, cell
from assume_rl.scenario.tables.formats import TableFormat, in_tables_file

OFFSET = "[T ].*[Z+-]"
"""What an ISO 8601 date has in it if it has a UTC offset: a sign, or Z, after the day."""

PATTERNS = tuple(
    f"{day}{clock}"
    for day in ("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%y")
    for clock in (" %H:%M", "", " %H:%M:%S")
)
"""Usual patterns of dates that are not ISO 8601."""


def instants(
    file: str, rows: "pd.Index[str]", form: TableFormat, problems: Problems
) -> pd.DatetimeIndex | None:
    """Return names of rows as dates (naive, UTC), ascending; None, and the problem noted, if not.

    :param file: name of the file, for messages
    :param rows: their names
    :param form: how the file writes dates, and their time zone
    :param problems: takes the notes
    """
    dates = pd.to_datetime(rows, format=form.dates or "ISO8601", errors="coerce", utc=True)
    if dates.hasnans:
        row = str(rows[dates.isna()][0])
        problems.error(cell(file, row), f"is not a date such as {_example(form)}{_hint(rows)}")
        return None
    dates = dates.tz_localize(None)
    offset = _with_offset(rows, form)
    if offset.any() and not offset.all():
        what = "has no UTC offset, but others have: write one in all rows"
        problems.error(cell(file, str(rows[~offset][0])), what)
        return None
    if form.timezone is not None and not offset.any():
        return _from_zone(file, rows, dates, form, form.timezone, problems)
    return dates if _in_order(file, rows, dates, problems) else None


def _with_offset(rows: "pd.Index[str]", form: TableFormat) -> NDArray[np.bool_]:
    """Return whether each date says how far its clock is from UTC."""
    if form.dates is not None:
        return np.full(len(rows), "%z" in form.dates)
    return rows.astype(str).str.contains(OFFSET)


def _example(form: TableFormat) -> str:
    example = pd.Timestamp(2019, 1, 31, 23, tz="UTC")
    return f"'{example:{form.dates or '%Y-%m-%d %H:%M'}}'"


def _hint(rows: "pd.Index[str]") -> str:
    """Return the end of a sentence that names the patterns which all rows have."""
    fit = [
        f'dates: "{pattern}"'
        for pattern in PATTERNS
        if pd.to_datetime(rows, format=pattern, errors="coerce").notna().all()
    ]
    return f"; {in_tables_file(' or '.join(fit))}" if fit else ""


def _offset_in(form: TableFormat) -> str:
    """Return how dates of a file are written if they have a UTC offset."""
    if form.dates is None:
        return "such as 2019-10-27T02:00+02:00"
    pattern = f'dates: "{form.dates}%z"'
    return f"such as +0200 at their end; {in_tables_file(pattern)}"


def _in_order(
    file: str, rows: "pd.Index[str]", dates: pd.DatetimeIndex, problems: Problems
) -> bool:
    """Return whether each date is later than the one before; note the first that is not."""
    late = np.flatnonzero(np.diff(dates.to_numpy()) <= np.timedelta64(0)) + 1
    if not len(late):
        return True
    row, date = str(rows[late[0]]), dates[late[0]]
    if date in dates[: late[0]]:
        what = f"the row '{row}' exists more than once{changeover(date)}"
        problems.error(file, what)
    else:
        problems.error(cell(file, row), "rows must be in the order of time")
    return False


def changeover(moment: pd.Timestamp) -> str:
    """Return the end of a sentence on a row that is twice or not there, if clocks may change then.

    :param moment: as it is written, or should be
    """
    sunday_night = moment.weekday() == 6 and moment.hour <= 3
    if not sunday_night or moment.month not in (3, 4, 9, 10, 11):
        return ""
    return (
        "; if clocks change in this night, write all times with a UTC offset "
        f"({moment:%Y-%m-%dT%H:%M}+01:00), or of which zone they are: "
        + in_tables_file("timezone: Europe/Berlin")
    )


def _from_zone(
    file: str,
    rows: "pd.Index[str]",
    clock: pd.DatetimeIndex,
    form: TableFormat,
    zone: str,
    problems: Problems,
) -> pd.DatetimeIndex | None:
    """Return clock times of a zone as UTC: an hour that is there twice is first summer time.

    :param file: name of the file, for messages
    :param rows: names of the rows
    :param clock: what clocks show
    :param form: how the file writes dates
    :param zone: name of the zone
    :param problems: times that are not there, or not twice where they should be, are noted here
    """
    summer, winter = (
        clock.tz_localize(zone, ambiguous=np.full(len(clock), dst), nonexistent="NaT")
        for dst in (True, False)
    )
    offset = f"write all times with a UTC offset, {_offset_in(form)}"
    if summer.hasnans:
        row = str(rows[summer.isna()][0])
        what = f"is no time in {zone}, where clocks go forward then; {offset}"
        problems.error(cell(file, row), what)
        return None
    twice = np.asarray(summer != winter)
    hours = pd.Series(clock[twice])
    wrong = hours.groupby(hours).transform("size") != 2
    if wrong.any():
        row = str(rows[twice][wrong.to_numpy()][0])
        what = f"must be there twice, since clocks go back in {zone} then; {offset}"
        problems.error(cell(file, row), what)
        return None
    second = np.zeros(len(clock), dtype=bool)
    second[twice] = hours.duplicated().to_numpy()
    utc = summer.where(~second, winter).tz_convert("UTC").tz_localize(None)
    return utc if _in_order(file, rows, utc, problems) else None
