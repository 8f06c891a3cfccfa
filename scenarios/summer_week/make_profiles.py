"""Write a summer week of synthetic demand, sun and wind, and the week after it, on its own."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
WEEKS = {"": "2019-07-01", "_next_week": "2019-07-08"}  # first days, whose date is the seed
LATITUDE = np.radians(51.0)
TILT = np.radians(23.44)  # of the axis of the earth
MODULES = 0.9  # power at a clear sky with the sun in the zenith, share of nominal power
NIGHT, DAY, EVENING, WEEKEND = 3300.0, 1500.0, 500.0, 900.0  # MW
NOISE = 50.0  # MW
WIND_HOURS = 20.0  # correlation time of the wind
CLOUD_HOURS = 6.0  # correlation time of clouds within a day


def demand(index: pd.DatetimeIndex, rng: np.random.Generator) -> np.ndarray:
    """MW per hour: night level, a working-day plateau, an evening peak, less at weekends."""
    hour = index.hour.to_numpy()
    plateau = 1 / (1 + np.exp(-1.2 * (hour - 6.5))) - 1 / (1 + np.exp(-1.2 * (hour - 21)))
    evening = np.exp(-(((hour - 20) / 1.5) ** 2))
    weekend = index.day_of_week.to_numpy() >= 5
    level = NIGHT + DAY * plateau + EVENING * evening - WEEKEND * plateau * weekend
    return level + rng.normal(0, NOISE, len(index))


def autoregressive(steps: int, hours: float, rng: np.random.Generator) -> np.ndarray:
    """A standard normal first-order autoregressive process."""
    keep = np.exp(-1 / hours)
    state = np.empty(steps)
    state[0] = rng.normal()
    for i, shock in enumerate(rng.normal(0, np.sqrt(1 - keep**2), steps - 1), start=1):
        state[i] = keep * state[i - 1] + shock
    return state


def sun_height(index: pd.DatetimeIndex) -> np.ndarray:
    """Sine of the elevation of the sun in the middle of each hour of solar time, 0 at night."""
    day = index.day_of_year.to_numpy()
    declination = TILT * np.sin(2 * np.pi * (day - 81) / 365.25)
    angle = 2 * np.pi * (index.hour.to_numpy() + 0.5 - 12) / 24
    up = np.sin(LATITUDE) * np.sin(declination)
    return (up + np.cos(LATITUDE) * np.cos(declination) * np.cos(angle)).clip(0)


def solar(index: pd.DatetimeIndex, rng: np.random.Generator) -> np.ndarray:
    """Share of nominal power: the height of the sun times a clearness of the day and the hour."""
    day = index.day_of_year.to_numpy() - index.day_of_year[0]
    clear = rng.uniform(0.55, 1.0, day.max() + 1)[day]
    passing = 1 - 0.15 / (1 + np.exp(-2 * autoregressive(len(index), CLOUD_HOURS, rng)))
    return MODULES * sun_height(index) * clear * passing


def wind(steps: int, rng: np.random.Generator) -> np.ndarray:
    """Share of nominal power: an autoregressive process through a logistic curve."""
    return 1 / (1 + np.exp(1.5 - 1.2 * autoregressive(steps, WIND_HOURS, rng)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    out = parser.parse_args().out
    for which, first in WEEKS.items():
        rng = np.random.default_rng(int(first.replace("-", "")))
        index = pd.date_range(first, periods=7 * 24 + 1, freq="1h", name="datetime")
        load = pd.DataFrame({"demand": demand(index, rng).round(1)}, index=index)
        sun, breeze = solar(index, rng), wind(len(index), rng)
        share = pd.DataFrame(
            {"roofs": sun * 0.9, "fields": sun, "wind_new": breeze, "wind_old": breeze * 0.8},
            index=index,
        )
        load.to_csv(out / f"demand_df{which}.csv", date_format="%Y-%m-%d %H:%M")
        share.round(3).to_csv(out / f"availability_df{which}.csv", date_format="%Y-%m-%d %H:%M")


if __name__ == "__main__":
    main()
