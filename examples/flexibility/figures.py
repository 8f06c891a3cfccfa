"""Writes `figures.csv`, a row per run of both studies, and draws `prices.png`.

Run it where the folder `studies` is, after both studies.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from assume_rl.errors import ResultsError
from assume_rl.results.study_database import read, tidy
from assume_rl.studies.place import find_study

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
DRAWN = ("as it is", "neither")  # designs in the picture; the others lie between


@dataclass(frozen=True)
class Market:
    """One of the two studies."""

    study: str
    file: str  # of the study, beside this one
    title: str
    varied: str  # setting that each design has several values of
    shown: float  # the value that the picture shows
    buyer: str  # unit that buys the same power in every design


MARKETS = (
    Market(
        "flexibility_border",
        "border.yaml",
        "border and industry, October",
        "units.wind.max_power",
        1200,
        "town",
    ),
    Market(
        "flexibility_storages",
        "storages.yaml",
        "summer week, July",
        "demand.demand.scale",
        1.0,
        "demand",
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=Path, default=Path("studies"), help="folder of both")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    given = parser.parse_args()
    found = {market: runs_of(market, given.studies) for market in MARKETS}
    tables = [figures(market, *found[market]) for market in MARKETS]
    pd.concat(tables, ignore_index=True).to_csv(given.out / "figures.csv", index=False)
    draw(found, given.out / "prices.png")


def runs_of(market: Market, studies: Path) -> tuple[pd.DataFrame, str]:
    """The runs of a study in its order, and the URL of its database; all of them must be done."""
    try:
        place = find_study(str(studies / market.study))
        asked, runs = [run.id for run in place.asked or ()], tidy(place.database)
    except ResultsError as error:
        raise SystemExit(f"{error}; {first(market)}") from None
    if not set(asked) <= set(runs["run_id"]):
        raise SystemExit(f"the study '{market.study}' is not complete; {first(market)}")
    runs = runs.set_index("run_id").loc[asked]
    runs["design"] = [label.split(", ")[0] for label in runs["design"]]
    return runs, place.database


def first(market: Market) -> str:
    """What is to be done before."""
    return f"first run: assume-rl batch examples/flexibility/{market.file}"


def figures(market: Market, runs: pd.DataFrame, database: str) -> pd.DataFrame:
    """Prices (EUR/MWh), hours, money (EUR) and energy (MWh), a row per run."""
    rows = []
    for run_id, run in runs.iterrows():
        price = np.sort(prices(database, run_id))
        quarter = len(price) // 4
        units = read(database, "unit_dispatch", run_ids=[run_id])
        money = units.groupby("unit")[["revenue", "cost"]].sum()
        profit = money["revenue"] - money["cost"]
        plants = read(database, "power_plant_meta", run_ids=[run_id]).set_index("index")
        storages = read(database, "storage_meta", run_ids=[run_id])["index"]
        fuelled = plants.index[plants["fuel_type"] != "renewable"]
        renewable = units["unit"].isin(plants.index.difference(fuelled))
        rows.append(
            {
                "study": market.study,
                "design": run["design"],
                "setting": market.varied,
                "value": float(run[market.varied]),
                "mean_price": price.mean(),
                "cheapest_quarter": price[:quarter].mean(),
                "dearest_quarter": price[-quarter:].mean(),
                "hours_at_or_below_0": (price <= 0).sum(),
                "buyers_pay": -money.loc[market.buyer, "revenue"],
                "plants_earn": profit[plants.index].sum(),
                "storages_earn": profit[profit.index.isin(storages)].sum(),
                "fuel_costs": money.loc[fuelled, "cost"].sum(),
                "renewable_energy": units.loc[renewable, "power"].sum(),
            }
        )
    return pd.DataFrame(rows).round(2)


def prices(database: str, run_id: str) -> np.ndarray:
    """EUR/MWh of every hour."""
    return read(database, "market_meta", run_ids=[run_id])["price"].to_numpy()


def draw(found: dict[Market, tuple[pd.DataFrame, str]], file: Path) -> None:
    """Draw for how many hours the price is at least so high, with and without flexibility."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for axis, (market, (runs, database)) in zip(axes, found.items(), strict=True):
        shown = runs[(runs[market.varied] == market.shown) & runs["design"].isin(DRAWN)]
        for run_id, run in shown.iterrows():
            price = np.sort(prices(database, run_id))[::-1]
            axis.step(range(len(price)), price, where="post", label=run["design"])
        axis.set_title(market.title, fontsize="medium")
        axis.set_xlabel("hours")
        axis.set_ylabel("price, EUR/MWh")
        axis.legend(frameon=False, fontsize="small")
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    main()
