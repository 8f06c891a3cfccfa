"""Read all time series of a folder: demand, availability, fuel prices, forecasts, own files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from assume_rl.errors import nearest
from assume_rl.scenario.config.schema import StudyCase
from assume_rl.scenario.files import optional_file
from assume_rl.scenario.problems import Problems, cell, some
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.tables.base import Series, Unit
from assume_rl.scenario.tables.demands import inelastic
from assume_rl.scenario.tables.formats import Formats
from assume_rl.scenario.tables.timeseries import read_series


def read_all_series(
    folder: Path,
    config: StudyCase,
    units: Mapping[str, Sequence[Unit]],
    index: pd.DatetimeIndex,
    formats: Formats,
    problems: Problems,
) -> Series:
    """Return every series on the calendar `index`; a table without a file has no columns.

    :param folder: of the scenario
    :param config: names the files
    :param units: by kind
    :param index: the steps of the calendar
    :param formats: how the files are written
    :param problems: files, columns and cells that cannot be used are noted here
    """

    def read(key: str, *, constant: bool = False) -> pd.DataFrame | None:
        path = optional_file(folder, config, key, problems)
        if path is None:
            return None
        table = read_series(path, index, problems, constant=constant, form=formats.of(path.name))
        return nothing if table is None else table

    nothing = pd.DataFrame(index=index)
    shares = read("availability_df")
    if shares is not None:
        everyone = [unit for own in units.values() for unit in own]
        _note_stray(config.availability_df, shares, everyone, problems)
        shares = _availability(config.availability_df or "", shares, units, problems)
    prices = read("fuel_prices_df", constant=True)
    if prices is None:
        problems.warn(config.fuel_prices_df or "fuel_prices_df", "no such file: all prices are 0")
    forecasts = read("forecasts_df") if config.use_forecasts_df else None
    own: dict[str, pd.DataFrame] = {}
    for name, kind in UNIT_TABLES.items():
        if kind.series is None:
            continue
        key, file = kind.series.key, config.file(kind.series.key)
        if units[name]:
            needed = [column for unit in units[name] for column in kind.series.columns(unit)]
            own[key] = _own(kind.label, file or key, read(key), needed, problems)
        elif key in config.model_fields_set and file is not None:
            problems.warn(file, f"nothing reads it: there is no {kind.label}")
    return Series(
        demand=_demand(config.demand_df, read("demand_df"), units["demand"], index, problems),
        availability=nothing if shares is None else shares,
        fuel_prices=nothing if prices is None else prices,
        forecasts=nothing if forecasts is None else forecasts,
        own=own,
    )


def _own(
    label: str,
    file: str,
    table: pd.DataFrame | None,
    needed: list[str],
    problems: Problems,
) -> pd.DataFrame:
    """Return the columns that the units of a kind need; zeros, and a note, for absent ones.

    :param label: of the kind
    :param file: where the table is from
    :param table: None: there is no such file
    :param needed: columns
    :param problems: columns that are missing, or that nothing reads, are noted here
    """
    if table is None:
        problems.error(file, f"no such file, which every {label} needs")
        return pd.DataFrame()
    if table.columns.empty:  # it could not be read, which is noted
        return table
    present = [str(name) for name in table.columns]
    for name in (name for name in needed if name not in present):
        problems.error(cell(file, column=name), f"is missing; {nearest(name, present)}")
    for name in (name for name in present if name not in needed):
        what = f"no {label} has it, nothing reads it; {nearest(name, needed)}"
        problems.stray(cell(file, column=name), what)
    return table.reindex(columns=needed, fill_value=0.0)


def _demand(
    file: str | None,
    table: pd.DataFrame | None,
    demands: Sequence[Unit],
    index: pd.DatetimeIndex,
    problems: Problems,
) -> pd.DataFrame:
    """Return demand in MW, <= 0, a column per demand unit; zeros where the file has none.

    An elastic demand has a column only where the file has one.
    """
    ids = [unit.id for unit in demands]
    needed = [unit.id for unit in demands if inelastic(unit)]
    if table is None:
        if needed or not ids:
            problems.error(file or "demand_df", "no such file: there is no demand")
        table = pd.DataFrame(index=index)
    elif not table.columns.empty:
        _note_stray(file, table, demands, problems)
        _note_absent(file or "", table, needed, problems)
    columns = [name for name in ids if name in table or name in needed]
    return -table.reindex(columns=columns, fill_value=0.0).abs()


def _note_absent(file: str, table: pd.DataFrame, ids: list[str], problems: Problems) -> None:
    """Warn of demand units without a column, as in ASSUME 0; note if none has one."""
    absent = [name for name in ids if name not in table]
    if ids and len(absent) == len(ids):
        problems.error(file, f"no column for any demand unit, such as {some(ids)}")
        return
    for name in absent:
        hint = nearest(name, map(str, table.columns))
        problems.warn(file, f"no column for the demand unit '{name}', its demand is 0; {hint}")


def _availability(
    file: str, table: pd.DataFrame, units: Mapping[str, Sequence[Unit]], problems: Problems
) -> pd.DataFrame:
    """Return shares in [0, 1]; as in ASSUME a plant's column with a value above 1 is read as MW."""
    power: dict[str, float] = {
        unit.id: most
        for name, kind in UNIT_TABLES.items()
        if kind.availability == "share or MW"
        for unit in units[name]
        if (most := kind.nameplate(unit)) is not None
    }
    shares = table.copy()
    for name in map(str, table.columns[(table < 0).any()]):
        row = f"{table.index[table[name] < 0][0]:%Y-%m-%d %H:%M}"
        problems.error(cell(file, row, name), "availability must not be negative")
    for name, kind in UNIT_TABLES.items():
        for unit in units[name] if kind.availability is None else ():
            if unit.id in table:
                what = f"nothing reads the availability of a {kind.label}"
                problems.warn(cell(file, column=unit.id), what)
    for name in map(str, table.columns[(table > 1).any()]):
        where, most = cell(file, column=name), table[name].max()
        if name in power:
            what = f"values up to {most:g} are read as MW, with {power[name]:g} for all of it"
            problems.warn(where, f"{what}; if they are per cent, divide them by 100")
            shares[name] = (table[name] / (power[name] or 1.0)).clip(0, 1)
        else:
            problems.error(where, f"must lie between 0 and 1, not {most:g}")
    return shares


def _note_stray(
    file: str | None, table: pd.DataFrame, units: Sequence[Unit], problems: Problems
) -> None:
    """Note columns that belong to no unit."""
    ids = [unit.id for unit in units]
    for name in (str(column) for column in table.columns if column not in ids):
        where = cell(file or "", column=name)
        problems.stray(where, f"there is no such unit, nothing reads it; {nearest(name, ids)}")
