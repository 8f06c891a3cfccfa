"""Which unit sets the price, how far above its cost, and the price had plants asked for their cost.

What a plant earns that is cheaper than the price is infra-marginal rent, which perfect competition
pays too: it is no sign of market power. The price is where market power shows: above the cost of
the unit that sets it, and above the price of the same market with offers at cost.

Source: Borenstein, Bushnell and Wolak 2002, "Measuring market inefficiencies in California's
restructured wholesale electricity market", American Economic Review 92(5).
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from assume_rl.core.clearing.merit_order import highest_supply_price, match, to_slots

SAME = 1e-6  # EUR/MWh, below which a price is a bid, or a cost
TIMES = ["start_time", "end_time"]
"""Columns that name a delivery of a market."""
FloatArray = NDArray[np.float64]


def price_setters(orders: pd.DataFrame) -> pd.DataFrame:
    """Return the unit that sets the price of each delivery of one market.

    That is the unit of the dearest accepted sale; of several with that price the one with the
    highest known cost, so that nothing is called a mark-up where a unit at its cost asks as much.

    :param orders: of one market, with `marginal_cost` (EUR/MWh; nan where it is not known)
    :returns: `start_time`, `end_time`, `unit_id`, `price` (EUR/MWh that the unit is paid),
        `marginal_cost` and `markup` (EUR/MWh; nan where the cost is not known), in order of time
    """
    sold = orders[(orders["volume"] > 0) & (orders["accepted_volume"] > 0)]
    top = sold.groupby(TIMES)["price"].transform("max")
    ranked = sold[sold["price"] > top - SAME].sort_values(
        [*TIMES, "marginal_cost"], na_position="first", kind="stable"
    )
    found = ranked.groupby(TIMES).tail(1).reset_index(drop=True)
    named = found[[*TIMES, "unit_id", "accepted_price", "marginal_cost"]].rename(
        columns={"accepted_price": "price"}
    )
    return named.assign(markup=named["price"] - named["marginal_cost"])


@dataclass(frozen=True)
class AtCost:
    """The same orders cleared with some offers at marginal cost, everything else as it was."""

    prices: pd.DataFrame  # start_time, end_time, price (EUR/MWh); a row where anything trades
    profit: float  # EUR, of the units whose offers were at cost, without start costs

    def beside(self, deliveries: pd.DataFrame) -> FloatArray:
        """Return the price in each of some deliveries.

        :param deliveries: `start_time`, `end_time`
        :returns: EUR/MWh, `(delivery,)`; nan where nothing trades at cost
        """
        found = deliveries[TIMES].merge(self.prices, how="left", on=TIMES, validate="1:1")
        return found["price"].to_numpy(dtype=np.float64)


def cleared_at_cost(orders: pd.DataFrame, units: Collection[str] | None = None) -> AtCost:
    """Clear one market again, by merit order in one zone and at one price for all.

    Volumes are those that were offered: what units withheld stays withheld, and what ramps or
    storages would have done otherwise is not known.

    :param orders: with `marginal_cost` (EUR/MWh); offers whose cost is not known stay as they are
    :param units: whose offers are at cost; None: all
    """
    moved = (orders["volume"] > 0) & orders["marginal_cost"].notna()
    if units is not None:
        moved &= orders["unit_id"].isin(list(units))
    asked = orders["price"].mask(moved, orders["marginal_cost"])
    deliveries = orders.groupby(TIMES)
    row, column = deliveries.ngroup().to_numpy(), deliveries.cumcount().to_numpy()
    shape = (row.max(initial=-1) + 1, column.max(initial=-1) + 1)
    price, volume = np.zeros(shape), np.zeros(shape)
    price[row, column], volume[row, column] = asked.to_numpy(), orders["volume"].to_numpy()
    matched = match(torch.from_numpy(price), torch.from_numpy(volume), torch.zeros(shape))
    clearing = highest_supply_price(matched)[:, 0].numpy()
    sold = to_slots(matched, matched.supply).numpy()
    accepted, trades = sold[row, column], sold.sum(axis=1) > 0
    hours = (orders["end_time"] - orders["start_time"]).dt.total_seconds().to_numpy() / 3600
    gain = (clearing[row] - asked.to_numpy()) * accepted * hours
    prices = deliveries.size().index.to_frame(index=False).assign(price=clearing)[trades]
    return AtCost(prices.reset_index(drop=True), profit=float(gain[moved].sum()))
