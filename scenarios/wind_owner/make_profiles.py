"""Write demand_df.csv and availability_df.csv: five weeks of synthetic demand, wind and sun."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
SEED = 20191007
NIGHT, DAY, EVENING, WEEKEND = 3000.0, 2500.0, 800.0, 900.0  # MW
NOISE = 100.0  # MW
WIND_HOURS = 18.0  # correlation time of the wind


def demand(index: pd.DatetimeIndex, rng: np.random.Generator) -> np.ndarray:
    """MW per hour: night level, a working-day plateau, an evening peak, less at weekends."""
    hour = index.hour.to_numpy()
    plateau = 1 / (1 + np.exp(-1.2 * (hour - 6.5))) - 1 / (1 + np.exp(-1.2 * (hour - 21)))
    evening = np.exp(-(((hour - 18.5) / 1.5) ** 2))
    weekend = index.day_of_week.to_numpy() >= 5
    level = NIGHT + DAY * plateau + EVENING * evening - WEEKEND * plateau * weekend
    return level + rng.normal(0, NOISE, len(index))


def wind(steps: int, rng: np.random.Generator) -> np.ndarray:
    """Share of nominal power: a first-order autoregressive process through a logistic curve."""
    keep = np.exp(-1 / WIND_HOURS)
    state = np.empty(steps)
    state[0] = rng.normal()
    for i, shock in enumerate(rng.normal(0, np.sqrt(1 - keep**2), steps - 1), start=1):
        state[i] = keep * state[i - 1] + shock
    return 1 / (1 + np.exp(-0.4 - 1.2 * state))


def solar(index: pd.DatetimeIndex, rng: np.random.Generator) -> np.ndarray:
    """Share of nominal power: half a sine from 7 to 17 o'clock times the clearness of the day."""
    sun = np.sin(np.pi * (index.hour.to_numpy() + 0.5 - 7) / 10).clip(0)
    day = index.day_of_year.to_numpy() - index.day_of_year[0]
    return sun * rng.uniform(0.15, 0.7, day.max() + 1)[day]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    out = parser.parse_args().out
    rng = np.random.default_rng(SEED)
    index = pd.date_range("2019-10-07", "2019-11-11", freq="1h", name="datetime")
    load = pd.DataFrame({"demand": demand(index, rng).round(1)}, index=index)
    share = pd.DataFrame({"wind": wind(len(index), rng), "fields": solar(index, rng)}, index=index)
    load.to_csv(out / "demand_df.csv", date_format="%Y-%m-%d %H:%M")
    share.round(3).to_csv(out / "availability_df.csv", date_format="%Y-%m-%d %H:%M")


if __name__ == "__main__":
    main()
