"""Write demand_df.csv: two weeks of hourly demand from a daily shape and seeded noise."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
SEED = 20190304
NIGHT, DAY, EVENING, WEEKEND = 1000.0, 680.0, 120.0, 380.0  # MW
NOISE = 25.0  # MW


def demand(index: pd.DatetimeIndex) -> np.ndarray:
    """MW per hour: night level, a working-day plateau, an evening peak, less at weekends."""
    hour = index.hour.to_numpy()
    plateau = 1 / (1 + np.exp(-1.5 * (hour - 6.5))) - 1 / (1 + np.exp(-1.5 * (hour - 20.5)))
    evening = np.exp(-(((hour - 18.5) / 1.5) ** 2))
    weekend = index.day_of_week.to_numpy() >= 5
    level = NIGHT + DAY * plateau + EVENING * evening - WEEKEND * plateau * weekend
    return level + np.random.default_rng(SEED).normal(0, NOISE, len(index))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    index = pd.date_range("2019-03-04", "2019-03-18", freq="1h", name="datetime")
    frame = pd.DataFrame({"demand": demand(index).round(1)}, index=index)
    frame.to_csv(parser.parse_args().out / "demand_df.csv", date_format="%Y-%m-%d %H:%M")


if __name__ == "__main__":
    main()
