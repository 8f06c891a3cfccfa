"""A real day of the Iberian day-ahead market, cleared with its conditions from the orders alone.

The files of the market operator are not part of the project: `--day FOLDER` has `cab_*.txt.gz`
(offers), `det_*.txt.gz` (orders), `price_*.txt` and `capacity_*.txt` (borders), see `--help`.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from assume_rl.experiments.order_book.clear import ClearedTable, clear_table
from assume_rl.experiments.order_book.table import order_table
from benchmarks.timing import machine

HOURS = 24
FRANCE = 3  # number of the border; what is exchanged with it is known, not offered
ANY_PRICE = 4000.0  # EUR/MWh, beyond what orders may ask
OFFERS = {"offer": (0, 10), "unit": (15, 22), "side": (52, 53), "fixed": (54, 71)}
ORDERS = {
    "offer": (0, 10),
    "hour": (15, 18),
    "block": (18, 20),
    "tranche": (20, 22),
    "group": (22, 24),
    "price": (24, 41),
    "volume": (41, 48),
    "least": (48, 55),
    "ratio": (55, 60),
}


@dataclass(frozen=True)
class Day:
    """A day's orders as `assume-rl clear` takes them, and the published prices of Spain."""

    orders: pd.DataFrame
    prices: pd.Series  # EUR/MWh by hour


def read_day(folder: Path) -> Day:
    """Return the day in a folder."""
    offers = _fixed_width(folder, "cab", OFFERS).set_index("offer")
    rows = _fixed_width(folder, "det", ORDERS)
    rows = rows[rows["hour"] <= HOURS].join(offers, on="offer")
    name = rows["offer"].astype(str)
    is_block, is_complex = rows["block"] > 0, (rows["fixed"] > 0) & (rows["block"] == 0)
    share = (rows["least"] / rows["volume"]).clip(upper=1.0)
    number = rows["block"].where(is_block, rows["tranche"]).astype(str)
    orders = pd.DataFrame(
        {
            "id": name + np.where(is_block, " block ", " tranche ") + number,
            "hour": rows["hour"],
            "side": np.where(rows["side"] == "V", "sell", "buy"),
            "price": rows["price"],
            "volume": rows["volume"],
            "type": np.where(is_block, "block", "simple"),
            "min_acceptance": np.where(is_block, rows["ratio"], share),
            "group": (name + "/" + rows["group"].astype(str)).where(rows["group"] > 0, ""),
            "complex": rows["unit"].where(is_complex, ""),
            "fixed_cost": rows["fixed"].where(is_complex, 0.0),
        }
    )
    exchange = net_export(folder)
    border = pd.DataFrame(
        {
            "id": "France",
            "hour": exchange.index,
            "side": np.where(exchange > 0, "buy", "sell"),
            "price": np.where(exchange > 0, ANY_PRICE, -ANY_PRICE),
            "volume": exchange.abs().to_numpy(),
        }
    )
    return Day(pd.concat([orders, border], ignore_index=True), published(folder))


def net_export(folder: Path) -> pd.Series:
    """Return MW exported to France by hour, less than 0: imported."""
    (file,) = folder.glob("capacity_*.txt")
    columns = [0, 2, 4, 7]  # hour, border, import (not above 0), export
    rows = [line.split(";") for line in file.read_text("latin-1").splitlines()]
    table = [[_number(row[i]) for i in columns] for row in rows if row[0].strip().isdigit()]
    frame = pd.DataFrame(table, columns=["hour", "border", "import", "export"])
    own = frame[(frame["border"] == FRANCE) & (frame["hour"] <= HOURS)].set_index("hour")
    own.index = own.index.astype(int)
    return own["import"] + own["export"]


def published(folder: Path) -> pd.Series:
    """Return the published prices of Spain by hour, EUR/MWh."""
    (file,) = folder.glob("price_*.txt")
    rows = [line.split(";") for line in file.read_text().splitlines()]
    prices = {int(row[3]): float(row[5]) for row in rows if len(row) > 5}
    return pd.Series(prices).sort_index()


def _number(text: str) -> float:
    return float(text.replace(".", "").replace(",", "."))


def _fixed_width(folder: Path, kind: str, columns: dict[str, tuple[int, int]]) -> pd.DataFrame:
    (file,) = folder.glob(f"{kind}_*.txt.gz")
    return pd.read_fwf(
        file,
        colspecs=list(columns.values()),
        names=list(columns),
        header=None,
        encoding="latin-1",
        compression="gzip",
    )


def error_of(found: ClearedTable, day: Day) -> pd.Series:
    """Return price less published price by hour, EUR/MWh."""
    prices = found.prices.set_index(found.prices["hour"].astype(int))["price"]
    return prices - day.prices


def without(orders: pd.DataFrame, *, blocks: bool, fixed_cost: bool) -> pd.DataFrame:
    """Return the orders without some conditions.

    :param blocks: leave blocks out
    :param fixed_cost: forget what complex orders must earn
    """
    rows = orders[~((orders["type"] == "block") & blocks)].reset_index(drop=True)
    if fixed_cost:
        return rows.assign(complex="", fixed_cost=0.0, min_acceptance=0.0)
    return rows


def main() -> None:
    """Print the error of the prices with all conditions, and with some of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--day", type=Path, required=True, help="folder with the files of a day")
    day = read_day(parser.parse_args().day)
    print(machine())
    books = {
        "merit order": without(day.orders, blocks=True, fixed_cost=True),
        "all conditions": day.orders,
    }
    for name, orders in books.items():
        table = order_table(orders, name)
        start = time.perf_counter()
        found = clear_table(table)
        seconds = time.perf_counter() - start
        error = error_of(found, day)
        near = int((error.abs() <= 1).sum())
        print(
            f"{name}: {len(orders):,} orders, {seconds:.1f} s, mean absolute error "
            f"{error.abs().mean():.2f} EUR/MWh, {near} of {HOURS} hours within 1 EUR"
        )
    for hour, price in day.prices.items():
        print(f"  hour {hour:2}: {price:7.2f} published, {error[hour]:+7.2f}")
    for name, reason in found.conditional.items():
        print(f"  {name}: {reason}")


if __name__ == "__main__":
    main()
