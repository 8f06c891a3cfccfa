"""Read time series, from the steps of a file to those of the calendar.

A series must cover the calendar, its end date included, without a gap. Finer series are averaged
over each step (the last step over the rows that exist); coarser ones are refused, since reading
them as absent would silently remove, for example, all demand. Only where `tables.yaml` says so, a
row holds until the next one.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from assume_rl.scenario.problems import Problems, cell
from assume_rl.scenario.tables.csv_file import read_number_table
from assume_rl.scenario.tables.formats import PLAIN, TABLES_FILE, TableFormat, in_tables_file
from assume_rl.scenario.tables.instants import changeover, instants


def read_series(
    path: Path,
    index: pd.DatetimeIndex,
    problems: Problems,
    *,
    constant: bool = False,
    form: TableFormat = PLAIN,
) -> pd.DataFrame | None:
    """Return float64 columns on `index`; None, and the problem noted, if the file cannot be used.

    :param path: of the file
    :param index: the steps of the calendar
    :param problems: takes the notes
    :param constant: whether a single row needs no date and holds for the whole calendar
    :param form: how the file is written
    """
    table = read_number_table(path, problems, form)
    if table is None:
        return None
    if constant and len(table) == 1:
        if _is_number(table.index[0]):
            problems.error(
                path.name,
                f"the first column is a label or a date, not values: put one before "
                f"'{table.index.name}'",
            )
            return None
        return _filled(path.name, _constant(table, index), problems)
    dates = instants(path.name, table.index, form, problems)
    if dates is None:
        return None
    dated = table.set_axis(dates)
    _warn_of_energy(path.name, dated, form, problems)
    if form.hold is not None:
        return _held(path.name, dated, index, pd.Timedelta(seconds=form.hold), problems)
    return align(path.name, dated, index, problems)


def _warn_of_energy(file: str, table: pd.DataFrame, form: TableFormat, problems: Problems) -> None:
    """Warn of columns whose header says MWh, where a row is not an hour: MW are expected."""
    step = _step_of(table.index)
    for header, name in form.columns.items():
        energy = name is not None and "[MWh]" in header
        if energy and step is not None and step != pd.Timedelta(1, "h"):
            what = f"is energy of {_words(step)} by its header, but is read as MW"
            problems.warn(cell(file, column=header), what)


def _held(
    file: str,
    table: pd.DataFrame,
    index: pd.DatetimeIndex,
    hold: pd.Timedelta,
    problems: Problems,
) -> pd.DataFrame | None:
    """Return the latest row at each step; None (and noted) if that is too old, or rows get lost."""
    step, own_step = index[1] - index[0], _step_of(table.index)
    if own_step is not None and own_step < step:
        what = f"has a row every {_words(own_step)}, finer than time_step {_words(step)}"
        problems.error(file, f"{what}; leave out `hold` in {TABLES_FILE}: it is averaged then")
        return None
    latest = np.searchsorted(table.index.to_numpy(), index.to_numpy(), side="right") - 1
    stamps = pd.DatetimeIndex(table.index[np.maximum(latest, 0)])
    old = (latest < 0) | (index - stamps >= hold)
    if old.any():
        first = index[int(old.argmax())]
        has = f"the file has {_minute(table.index[0])} to {_minute(table.index[-1])}"
        what = f"no row holds then: `hold` in {TABLES_FILE} is {_words(hold)}; {has}"
        problems.error(cell(file, _minute(first)), what)
        return None
    return _filled(file, table.iloc[latest].set_axis(index), problems)


def _is_number(label: object) -> bool:
    try:
        float(str(label))
    except ValueError:
        return False
    return True


def align(
    file: str, table: pd.DataFrame, index: pd.DatetimeIndex, problems: Problems
) -> pd.DataFrame | None:
    """Return `table` on the steps of `index`; None, and the problem noted, if some are missing.

    :param file: name of the file, for messages
    :param table: columns by instant (naive, UTC), in ascending order
    :param index: the steps of the calendar
    :param problems: takes the notes
    """
    step = index[1] - index[0]
    own_step = _step_of(table.index)
    if own_step is None or own_step > step:
        what = "has a single row" if own_step is None else f"has a row every {_words(own_step)}"
        hint = in_tables_file(f"hold: {_words(own_step)}") if own_step else None
        hint = f"; if each row holds until the next one, {hint}" if hint else ""
        problems.error(file, f"{what}, which is too coarse for time_step {_words(step)}{hint}")
        return None
    if step % own_step != pd.Timedelta(0):
        problems.error(file, f"its step {_words(own_step)} does not divide {_words(step)}")
        return None
    window = table.loc[index[0] : index[-1] + step - pd.Timedelta(1, "s")]
    if not _regular(file, table, window, index, own_step, problems):
        return None
    filled = _filled(file, window, problems)
    if filled is None or own_step == step:
        return filled
    return filled.resample(step, origin=index[0]).mean()


def _constant(table: pd.DataFrame, index: pd.DatetimeIndex) -> pd.DataFrame:
    values = np.broadcast_to(table.to_numpy(), (len(index), len(table.columns)))
    return pd.DataFrame(values, index=index, columns=table.columns)


def _step_of(dates: "pd.Index[pd.Timestamp]") -> pd.Timedelta | None:
    """Return the most frequent distance between neighbouring rows; None for a single row."""
    if len(dates) < 2:
        return None
    distances, counts = np.unique(np.diff(dates.to_numpy()), return_counts=True)
    return pd.Timedelta(distances[int(counts.argmax())])


def _regular(
    file: str,
    table: pd.DataFrame,
    window: pd.DataFrame,
    index: pd.DatetimeIndex,
    own_step: pd.Timedelta,
    problems: Problems,
) -> bool:
    """Return whether `window` has exactly the instants of the calendar in the file's own steps."""
    present = pd.DatetimeIndex(window.index)
    missing = pd.date_range(index[0], index[-1], freq=own_step).difference(present)
    if len(missing):
        needed = f"needed are {_minute(index[0])} to {_minute(index[-1])}, both included"
        has = f"the file has {_minute(table.index[0])} to {_minute(table.index[-1])}"
        one_hour = missing[0] + pd.Timedelta(1, "h") in present
        hint = changeover(missing[0]) if one_hour else ""
        what = f"the row is missing; {needed}; {has}{hint}"
        problems.error(cell(file, _minute(missing[0])), what)
        return False
    extra = present[(present - index[0]) % own_step != pd.Timedelta(0)]
    if len(extra):
        what = f"does not fit the file's step of {_words(own_step)}"
        problems.error(cell(file, _minute(extra[0])), what)
    return not len(extra)


def _filled(file: str, table: pd.DataFrame, problems: Problems) -> pd.DataFrame | None:
    """Return `table`; None, and its empty cells noted, if it has any."""
    for column in table.columns[table.isna().any()]:
        row = _minute(table.index[table[column].isna()][0])
        problems.error(cell(file, row, str(column)), "the value is missing")
    return None if table.isna().to_numpy().any() else table


def _minute(stamp: pd.Timestamp) -> str:
    return f"{stamp:%Y-%m-%d %H:%M}"


def _words(duration: pd.Timedelta) -> str:
    """Return a duration in the largest unit that divides it, e.g. "15min"."""
    seconds = int(duration.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
