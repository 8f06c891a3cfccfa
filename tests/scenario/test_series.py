"""Time series: what a file must have, and what becomes of it on the calendar."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assume_rl.scenario.problems import Problems
from assume_rl.scenario.tables import csv_file
from assume_rl.scenario.tables.timeseries import read_series

HOURS = pd.date_range("2019-01-01", periods=4, freq="h")


def write(path: Path, values: list[float], freq: str, start: str = "2019-01-01") -> Path:
    index = pd.date_range(start, periods=len(values), freq=freq)
    pd.DataFrame({"a": values}, index=index).to_csv(path / "series.csv")
    return path / "series.csv"


def test_finer_series_is_averaged_and_the_last_step_may_be_short(tmp_path: Path) -> None:
    file = write(tmp_path, [1, 2, 3, 6, *[0] * 8, 5], "15min")
    problems = Problems()
    table = read_series(file, HOURS, problems)
    assert problems.errors == []
    assert table is not None
    np.testing.assert_array_equal(table["a"], [3, 0, 0, 5])


def test_a_table_without_flaws_is_not_read_cell_by_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which takes many times as long; no version of pandas may refuse how it is read."""
    monkeypatch.setattr(csv_file, "_read_rows", lambda *_: pytest.fail("it was"))
    values = [0.1, 123456.789, 2.5e-300, 4.0]
    table = read_series(write(tmp_path, values, "h"), HOURS, Problems())
    assert table is not None
    assert table["a"].tolist() == values


def test_what_lies_outside_the_calendar_does_not_matter(tmp_path: Path) -> None:
    file = write(tmp_path, list(range(30)), "h", "2018-12-31")
    file.write_text(file.read_text().replace("2018-12-31 05:00:00,5\n", ""))
    table = read_series(file, HOURS, Problems())
    assert table is not None
    np.testing.assert_array_equal(table["a"], [24, 25, 26, 27])


def test_times_with_a_zone_become_utc(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    rows = [f"2019-01-01T0{hour}:00:00+01:00,{hour}" for hour in range(6)]
    file.write_text("time,a\n" + "\n".join(rows) + "\n")
    table = read_series(file, HOURS, Problems())
    assert table is not None
    np.testing.assert_array_equal(table["a"], [1, 2, 3, 4])


def test_single_row_holds_throughout_if_it_may(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_text("fuel,a\nprice,7\n")
    table = read_series(file, HOURS, Problems(), constant=True)
    assert table is not None
    np.testing.assert_array_equal(table["a"], [7, 7, 7, 7])


@pytest.mark.parametrize(
    ("values", "freq", "part"),
    [
        ([1] * 8, "2h", "has a row every 2h, which is too coarse for time_step 1h"),
        ([1] * 8, "40min", "its step 40min does not divide 1h"),
        ([1] * 3, "h", "row '2019-01-01 03:00': the row is missing"),
        ([1], "h", "is not a date"),
        ([1, 2, float("nan"), 4], "h", "row '2019-01-01 02:00', column 'a': the value is missing"),
        ([float("inf"), 2, 3, 4], "h", "column 'a': 'inf' is not a number"),
    ],
)
def test_problem_is_noted(tmp_path: Path, values: list[float], freq: str, part: str) -> None:
    problems = Problems()
    file = write(tmp_path, values, freq)
    if len(values) == 1:
        file.write_text("time,a\nonce,1\n")
    assert read_series(file, HOURS, problems) is None
    assert len(problems.errors) == 1
    assert part in problems.errors[0]


@pytest.mark.parametrize(
    "rows", [["1,2019-01-01 00:00", "2,2019-01-01 01:00"], ["1,2019-01-01"] * 2]
)
def test_dates_behind_the_values_are_a_mistake_of_columns_not_of_rows(
    tmp_path: Path, rows: list[str]
) -> None:
    (tmp_path / "series.csv").write_text("\n".join(["a,time", *rows]))
    problems = Problems()
    assert read_series(tmp_path / "series.csv", HOURS, problems) is None
    sentence = "series.csv: dates must be in the first column, but 'time' has them"
    assert problems.errors == [sentence]
