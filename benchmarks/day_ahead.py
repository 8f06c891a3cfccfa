"""A day-ahead month: 263 units of the national scenario, 24 products a day, by each shell.

By merit order everybody bids marginal cost; under complex clearing plants with a minimum power bid
it as one block over the day, the rest at marginal cost. With `--peer` also in ASSUME, from the same
folder, and how many hours have the same price there. All tables are written to SQLite.
"""

import argparse
import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml

from benchmarks.fleets import NATIONAL
from benchmarks.rules import SHELLS, written
from benchmarks.timing import machine, peer_seconds

PLANTS = 259  # and four demands
BLOCKS = "powerplant_energy_heuristic_block"
CASES: Mapping[str, Mapping[str, Any]] = {
    "merit order": {"market_mechanism": "pay_as_clear"},
    "complex clearing": {
        "market_mechanism": "complex_clearing",
        "additional_fields": ["bid_type", "min_acceptance_ratio"],
        "param_dict": {"solver_name": "highs", "pricing_mechanism": "pay_as_clear"},
    },
}
START = "2019-01-01 00:00"
HALF = " second half"


def with_products(folder: Path, case: str, end: str) -> Path:
    """Return the folder of the national scenario, written with more plants and one auction a day.

    :param folder: that is written
    :param case: key of `CASES`; the study case is `base`
    :param end: of the calendar, which begins with the year
    """
    shutil.copytree(NATIONAL, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["base"]
    config |= {"start_date": START, "end_date": end, "save_frequency_hours": 24}
    products = [{"duration": "1h", "count": 24, "first_delivery": "1h"}]
    config["markets_config"]["EOM"] |= {"products": products, "opening_frequency": "24h"}
    config["markets_config"]["EOM"] |= CASES[case]
    (folder / "config.yaml").write_text(yaml.safe_dump({"base": config}), encoding="utf-8")
    plants = split(pd.read_csv(folder / "powerplant_units.csv"), PLANTS)
    if case == "complex clearing":
        plants.loc[plants.min_power > 0, "bidding_EOM"] = BLOCKS
    plants.to_csv(folder / "powerplant_units.csv", index=False)
    available = pd.read_csv(folder / "availability_df.csv")
    available = available[available.datetime <= end]
    for name in plants.name[plants.name.str.endswith(HALF)]:
        if name.removesuffix(HALF) in available:
            available[name] = available[name.removesuffix(HALF)]
    available.to_csv(folder / "availability_df.csv", index=False)
    return folder


def split(plants: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return so many plants: the largest are split in two halves, one 0.1 ct/MWh dearer.

    :param plants: rows of `powerplant_units.csv`, half as many as `count` or more
    :param count: how many are wanted
    """
    largest = plants.max_power.nlargest(count - len(plants), keep="first").index
    power = ["max_power", "min_power"]
    plants = plants.astype(dict.fromkeys(power, float))
    plants.loc[largest, power] /= 2
    second = plants.loc[largest].assign(
        name=plants.name[largest] + HALF, additional_cost=plants.additional_cost[largest] + 0.001
    )
    return pd.concat([plants, second], ignore_index=True)


def prices(database: Path) -> pd.Series:
    """Return the price of each delivery in a database of ours or of ASSUME's."""
    query = "select product_start, price from market_meta"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        found = pd.read_sql(query, connection)
    start = pd.to_datetime(found.product_start)
    return found.assign(start=start).drop_duplicates("start").set_index("start").price


def compare(case: str, end: str, peer: Path | None) -> None:
    """Print the time of each shell, and its ratio to the peer if there is one.

    :param case: key of `CASES`
    :param end: of the calendar
    :param peer: python of an environment with ASSUME
    """
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        folder, database = with_products(place / "day_ahead", case, end), place / "peer.db"
        theirs = 0.0
        if peer is not None:
            theirs = peer_seconds(peer, folder, "base", f"sqlite:///{database}")["run"]
            print(f"{case}, peer: {theirs:.1f} s", flush=True)
        for shell in SHELLS:
            (place / shell).mkdir()
            ours = written(folder, "base", shell, place / shell)
            line = f"{case}, {shell}: {ours.report()}"
            if peer is not None:
                here, there = prices(place / shell / "results.db"), prices(database)
                same = (here - there).abs() < 0.01
                line += (
                    f"; {theirs / ours.seconds:.1f} times as fast as the peer, the same price in "
                    f"{same.sum()} of {len(same)} hours"
                )
            print(line, flush=True)


def main() -> None:
    """Print a line per shell and way of clearing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--end", default="2019-02-01 00:00", help="of the calendar")
    parser.add_argument("--peer", type=Path, help="python of an environment with ASSUME")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    for case in given.case:
        compare(case, given.end, given.peer)


if __name__ == "__main__":
    main()
