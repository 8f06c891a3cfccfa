"""`tables.yaml`: tables as spreadsheets and transparency platforms write them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assume_rl.errors import ScenarioError
from assume_rl.scenario.problems import Problems
from assume_rl.scenario.read import load_scenario
from assume_rl.scenario.tables.formats import TableFormat
from assume_rl.scenario.tables.timeseries import read_series

PLANTS, DEMAND, FUELS = "powerplant_units.csv", "demand_df.csv", "fuel_prices_df.csv"
HOURS = pd.date_range("2019-01-01", periods=25, freq="h")


def german(value: float) -> str:
    """Return a number as German spreadsheets write it: 38.762,25."""
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def smard(index: pd.DatetimeIndex, values: list[float]) -> str:
    """Return a table as smard.de exports it, in clock times of Berlin."""
    local = index.tz_localize("UTC").tz_convert("Europe/Berlin")
    rows = [
        f"{start:%d.%m.%Y %H:%M};{start + (index[1] - index[0]):%d.%m.%Y %H:%M};{german(value)};-"
        for start, value in zip(local, values, strict=True)
    ]
    header = "Datum von;Datum bis;Netzlast [MWh] Berechnete Auflösungen;Pumpspeicher [MWh]"
    return "\ufeff" + "\r\n".join([header, *rows]) + "\r\n"


SMARD = """\
demand_df.csv:
  separator: ";"
  decimal: ","
  thousands: "."
  dates: "%d.%m.%Y %H:%M"
  timezone: Europe/Berlin
  columns:
    Datum bis: null
    Netzlast [MWh] Berechnete Auflösungen: town
    Pumpspeicher [MWh]: null
"""


def read(
    path: Path, index: pd.DatetimeIndex = HOURS, constant: bool = False, **form: Any
) -> tuple[pd.DataFrame | None, Problems]:
    problems = Problems()
    found = read_series(path, index, problems, constant=constant, form=TableFormat(**form))
    return found, problems


def write(tmp_path: Path, rows: list[str], header: str = "time,a") -> Path:
    path = tmp_path / "series.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def problem(path: Path) -> str:
    with pytest.raises(ScenarioError) as raised:
        load_scenario(path)
    return str(raised.value)


def test_a_load_of_smard_is_read(folder: Any) -> None:
    values = [38762.25 + hour for hour in range(25)]
    folder.write(DEMAND, smard(HOURS, values))
    message = problem(folder.path)
    assert "cells seem to be separated by ';': say so in tables.yaml beside config.yaml" in message
    folder.write("tables.yaml", SMARD)
    scenario = load_scenario(folder.path)
    np.testing.assert_array_equal(scenario.series.demand["town"], [-v for v in values])
    (warning,) = scenario.warnings  # the town is smaller than Germany
    assert "38762.2 MW is above max_power 200" in warning


def test_energy_of_quarter_hours_is_warned_of(folder: Any) -> None:
    quarters = pd.date_range("2019-01-01", periods=97, freq="15min")
    folder.write(DEMAND, smard(quarters, [10.0] * 97))
    folder.write("tables.yaml", SMARD)
    (warning,) = load_scenario(folder.path).warnings
    assert "is energy of 15min by its header, but is read as MW" in warning


def test_german_spreadsheets_of_units_are_read(folder: Any) -> None:
    plain = load_scenario(folder.path).of("power_plant")
    text = (folder.path / PLANTS).read_text().replace("North", "Nürnberg")
    text = text.replace(",", ";").replace(".", ",").replace(";100;", ";1.000,0;")
    (folder.path / PLANTS).write_bytes(text.encode("cp1252"))
    assert f"{PLANTS}: is not UTF-8 text; say so in tables.yaml" in problem(folder.path)
    signs = '{separator: ";", decimal: ",", thousands: ".", encoding: cp1252}'
    folder.write("tables.yaml", f"{PLANTS}: {signs}\n")
    coal, gas, _ = load_scenario(folder.path).of("power_plant")
    assert (coal.max_power, coal.emission_factor, coal.unit_operator) == (1000, 0.3, "Nürnberg")
    assert gas == plain[1]


@pytest.mark.parametrize("cell", ["0.4", "1.00", "1,000,5", "10.00,5", "1e", "1_000", ""])
def test_a_number_with_other_signs_is_refused(folder: Any, cell: str) -> None:
    text = (folder.path / PLANTS).read_text().replace(",", ";").replace(".", ",")
    folder.write(PLANTS, text.replace("0,4;North", f"{cell};North"))
    folder.write("tables.yaml", f'{PLANTS}: {{separator: ";", decimal: ",", thousands: "."}}\n')
    fault = "is empty" if cell == "" else f"'{cell}' is not a number"
    assert f"{PLANTS}, row 'coal', column 'efficiency': {fault}" in problem(folder.path)


def test_a_decimal_comma_is_named_with_its_cure(folder: Any) -> None:
    folder.change(PLANTS, ",0.4,North", ',"0,4",North')
    message = problem(folder.path)
    assert "'0,4' is not a number with decimal '.'" in message
    assert 'say so in tables.yaml beside config.yaml: decimal: ",", thousands: "."' in message


@pytest.mark.parametrize(
    ("written", "patterns"),
    [
        ("%m/%d/%Y %H:%M", ["%m/%d/%Y %H:%M"]),
        ("%d.%m.%Y %H:%M", ["%d.%m.%Y %H:%M"]),
    ],
)
def test_dates_in_another_order_are_refused_and_read_if_named(
    folder: Any, written: str, patterns: list[str]
) -> None:
    days = pd.date_range("2019-01-01", periods=24 * 20, freq="h")
    rows = "\n".join(f"{date:{written}},100" for date in days)
    folder.write(DEMAND, f"time,town\n{rows}\n")
    message = problem(folder.path)
    assert "is not a date such as '2019-01-31 23:00'; say so in tables.yaml" in message
    named = " or ".join(f'dates: "{pattern}"' for pattern in patterns)
    assert message.endswith(f"beside config.yaml: {named}")
    folder.write("tables.yaml", f"{DEMAND}:\n  {named}\n")
    assert load_scenario(folder.path).series.demand["town"].eq(-100).all()


def test_dates_that_may_be_two_are_named_both(folder: Any) -> None:
    folder.write(DEMAND, "time,town\n" + "".join(f"01/02/2019 {h:02}:00,1\n" for h in range(24)))
    assert 'dates: "%m/%d/%Y %H:%M" or dates: "%d/%m/%Y %H:%M"' in problem(folder.path)


def test_daily_prices_hold_until_the_next(folder: Any) -> None:
    folder.write(
        FUELS,
        "day,hard coal,natural gas,sunshine,co2\n2018-12-31,9,20,0,25\n2019-01-02,11,22,0,24\n",
    )
    assert "hold: 2d" in problem(folder.path)
    folder.write("tables.yaml", f"{FUELS}: {{hold: 3d}}\n")
    prices = load_scenario(folder.path).series.fuel_prices
    assert prices["co2"].tolist() == [25.0] * 24 + [24.0]


@pytest.mark.parametrize(
    ("days", "hold", "row"),
    [
        (["2018-12-31", "2019-01-03"], "1d", "2019-01-01 00:00"),
        (["2019-01-01 06:00", "2019-01-02"], "5d", "2019-01-01 00:00"),
        (["2018-12-29", "2018-12-30"], "2d", "2019-01-01 00:00"),
    ],
)
def test_no_row_holds_longer_than_it_may(
    tmp_path: Path, days: list[str], hold: str, row: str
) -> None:
    found, problems = read(write(tmp_path, [f"{day},1" for day in days]), hold=hold)
    assert found is None
    assert problems.errors[0].startswith(f"series.csv, row '{row}': no row holds then")


def test_what_is_finer_than_the_calendar_is_not_held(tmp_path: Path) -> None:
    rows = [f"2019-01-01 {h:02}:{m},1" for h in range(24) for m in ("00", "30")]
    found, problems = read(write(tmp_path, rows), hold="1h")
    assert found is None
    assert "has a row every 30min, finer than time_step 1h" in problems.errors[0]


def berlin(day: str, hours: int) -> tuple[pd.DatetimeIndex, list[str]]:
    """Return hours from a UTC date on, and rows with the clock times of Berlin and their number."""
    index = pd.date_range(day, periods=hours, freq="h")
    local = index.tz_localize("UTC").tz_convert("Europe/Berlin")
    return index, [f"{date:%Y-%m-%d %H:%M},{i}" for i, date in enumerate(local)]


@pytest.mark.parametrize("day", ["2019-03-30 12:00", "2019-10-26 12:00"])
def test_clock_times_are_read_through_summer_time_changes(tmp_path: Path, day: str) -> None:
    index, rows = berlin(day, 48)
    path = write(tmp_path, rows)
    found, problems = read(path, index, timezone="Europe/Berlin")
    assert problems.errors == []
    assert found is not None
    assert found["a"].tolist() == list(range(48))
    assert read(path, index)[0] is None


@pytest.mark.parametrize("day", ["2019-03-30 12:00", "2019-10-26 12:00"])
def test_a_change_without_a_zone_names_the_cures(tmp_path: Path, day: str) -> None:
    index, rows = berlin(day, 48)
    _, problems = read(write(tmp_path, rows), index + pd.Timedelta(3, "h"))
    (error,) = problems.errors
    assert "write all times with a UTC offset" in error
    assert "say so in tables.yaml beside config.yaml: timezone: Europe/Berlin" in error


@pytest.mark.parametrize(
    ("clock", "sentence"),
    [
        ("2019-03-31 02:00", "is no time in Europe/Berlin, where clocks go forward then"),
        ("2019-10-27 02:00", "must be there twice, since clocks go back in Europe/Berlin then"),
    ],
)
def test_clock_times_that_cannot_be_name_the_offset(
    tmp_path: Path, clock: str, sentence: str
) -> None:
    days = pd.date_range(pd.Timestamp(clock).normalize(), periods=24, freq="h")
    rows = [f"{date:%Y-%m-%d %H:%M},1" for date in days]
    _, problems = read(write(tmp_path, rows), days, timezone="Europe/Berlin")
    (error,) = problems.errors
    assert error.startswith(
        f"series.csv, row '{clock}': {sentence}; write all times with a UTC offset"
    )


@pytest.mark.parametrize(
    ("clock", "dates"),
    [
        ("2019-01-01T{:02}:00+00:00", None),
        ("2019-01-01 {:02}:00:00+00", None),
        ("2019-01-01 {:02}:00:00.000 -0000", None),
        ("2019-01-01T{:02}Z", None),
        ("01.01.2019 {:02}:00+0000", "%d.%m.%Y %H:%M%z"),
    ],
)
def test_offsets_win_over_the_zone(tmp_path: Path, clock: str, dates: str | None) -> None:
    rows = [f"{clock.format(hour)},{hour}" for hour in range(24)]
    path = write(tmp_path, rows)
    found, problems = read(path, HOURS[:24], timezone="Europe/Berlin", dates=dates)
    assert problems.errors == []
    assert found is not None
    assert found["a"].tolist() == list(range(24))


@pytest.mark.parametrize("dates", ["%d-%m-%Y", "%Y-%m-%d", None])
def test_a_year_is_no_offset(tmp_path: Path, dates: str | None) -> None:
    index = pd.date_range("2019-01-30 23:00", periods=3, freq="24h")
    days = [pd.Timestamp(2019, 1, 31) + pd.Timedelta(day, "D") for day in range(3)]
    path = write(tmp_path, [f"{day:{dates or '%Y-%m-%d'}},{k}" for k, day in enumerate(days)])
    found, problems = read(path, index, timezone="Europe/Berlin", dates=dates)
    assert problems.errors == []
    assert found is not None
    assert found["a"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("zone", ["Europe/Berlin", None])
def test_offsets_are_in_all_rows_or_in_none(tmp_path: Path, zone: str | None) -> None:
    rows = [f"2019-01-01 {hour:02}:00{'+01:00' if hour < 5 else ''},1" for hour in range(24)]
    _, problems = read(write(tmp_path, rows), HOURS[:24], timezone=zone)
    (error,) = problems.errors
    assert error == (
        "series.csv, row '2019-01-01 05:00': has no UTC offset, but others have: "
        "write one in all rows"
    )


def test_the_pattern_of_dates_with_offsets_is_named(tmp_path: Path) -> None:
    rows = [f"31.03.2019 {hour:02}:00,1" for hour in range(24)]
    form = {"timezone": "Europe/Berlin", "dates": "%d.%m.%Y %H:%M"}
    _, problems = read(write(tmp_path, rows), HOURS, **form)
    (error,) = problems.errors
    assert error.endswith('beside config.yaml: dates: "%d.%m.%Y %H:%M%z"')


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seperator: ';'", "tables.yaml.seperator: unknown key; did you mean 'separator'?"),
        ("separator: ab", "tables.yaml.separator: must be a single sign such as ';', not 'ab'"),
        ("decimal: ;", "tables.yaml.decimal: "),
        ("thousands: '.'", "tables.yaml: decimal and thousands are both '.'"),
        ("timezone: Europe/Berlim", "the time zone 'Europe/Berlim' is not known; did you mean"),
        ("timezone: XYZ", "'XYZ' is not known; write one such as Europe/Berlin."),
        ("encoding: ütf", "unknown encoding 'ütf'"),
        ("dates: '%H:%M'", "does not say where day (%d), month (%m) and year (%Y) stand"),
        ("dates: '%d.%m.%Y %Q'", "is no pattern of dates"),
        ("dates: '%d.%m.%Y %Z'", "is no pattern of dates"),
        ("hold: 5", "tables.yaml.hold: write a duration with its unit"),
        ("demand.csv: {decimal: ','}", "tables.yaml, demand.csv: there is no such file; did you "),
        ("columns: {a: b}", "tables.yaml.columns: belongs under the name of a file"),
        ("demand_df.csv: {columns: {x: town}}", "there is no column 'x'; valid: "),
        ("- 1", "tables.yaml: must map keys such as separator or decimal to values"),
        ("a: [", "tables.yaml: is not valid YAML"),
    ],
)
def test_a_wrong_file_is_one_sentence(folder: Any, text: str, sentence: str) -> None:
    folder.write("tables.yaml", text)
    message = problem(folder.path)
    assert sentence in message
    assert "\n" not in message


def test_keys_of_one_file_win_over_those_of_all(folder: Any) -> None:
    for file in folder.path.glob("*.csv"):
        file.write_text(file.read_text().replace(",", ";"))
    folder.write(FUELS, (folder.path / FUELS).read_text().replace(";", "\t"))
    folder.write("tables.yaml", f'separator: ";"\n{FUELS}: {{separator: "\\t"}}\n')
    assert load_scenario(folder.path).warnings == ()


def test_a_row_that_is_too_short_is_warned_of(folder: Any) -> None:
    folder.change(
        "demand_units.csv",
        "max_power,min_power,unit_operator",
        "max_power,min_power,unit_operator,elasticity",
    )
    (warning,) = load_scenario(folder.path).warnings
    assert warning == "demand_units.csv: row 1 has 6 cells, the header 7: the rest is empty"
