"""Write demand_df.csv: two weeks of synthetic demand, and the reserve that is wanted beside it."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
SEED = 20191007
NIGHT, DAY, EVENING, WEEKEND = 1700.0, 900.0, 500.0, 400.0  # MW
NOISE = 60.0  # MW
RESERVE = 500.0  # MW


def demand(index: pd.DatetimeIndex, rng: np.random.Generator) -> np.ndarray:
    """MW per hour: night level, a working-day plateau, an evening peak, less at weekends."""
    hour = index.hour.to_numpy()
    plateau = 1 / (1 + np.exp(-1.2 * (hour - 6.5))) - 1 / (1 + np.exp(-1.2 * (hour - 21)))
    evening = np.exp(-(((hour - 18.5) / 1.5) ** 2))
    weekend = index.day_of_week.to_numpy() >= 5
    level = NIGHT + DAY * plateau + EVENING * evening - WEEKEND * plateau * weekend
    return level + rng.normal(0, NOISE, len(index))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    out = parser.parse_args().out
    rng = np.random.default_rng(SEED)
    index = pd.date_range("2019-10-07", "2019-10-21", freq="1h", name="datetime")
    load = pd.DataFrame({"demand": demand(index, rng).round(1), "grid": RESERVE}, index=index)
    load.to_csv(out / "demand_df.csv", date_format="%Y-%m-%d %H:%M")


if __name__ == "__main__":
    main()
