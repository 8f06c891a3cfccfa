"""Market power in one market of one run, worked out from its orders."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assume_rl.evaluation.market_power import (
    RSI_SCREEN,
    by_operator,
    herfindahl_hirschman,
    markup,
    residual_supply_index,
    share_below,
    weighted_mean,
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class MarketPower:
    """Sellers' sales, possible sales and prices paid, by delivery and unit."""

    start: pd.Series  # (delivery,)
    operators: tuple[str, ...]
    owner: NDArray[np.int64]  # (unit,) number of its operator
    sold: FloatArray  # (delivery, unit) MW
    offered: FloatArray  # (delivery, unit) MW
    paid: FloatArray  # (delivery, unit) EUR/MWh; nan where nothing was sold
    cost: FloatArray  # (delivery, unit) EUR/MWh; nan where it is not known
    # (delivery,) MW that units that only buy want at the price, whether it was served or not
    demanded: FloatArray

    @property
    def residual_supply(self) -> FloatArray:
        """Return the residual supply index of the offers, `(delivery, operator)`."""
        return residual_supply_index(by_operator(self.offered, self.owner), self.demanded)

    @property
    def concentration(self) -> tuple[float, float]:
        """Return the Herfindahl-Hirschman indices of operators' sales and of their offers."""
        sold, offered = (by_operator(v, self.owner).sum(0) for v in (self.sold, self.offered))
        return float(herfindahl_hirschman(sold)), float(herfindahl_hirschman(offered))

    @property
    def mean_markup(self) -> float:
        """Return the mean of price paid less marginal cost, EUR/MWh, weighted by sales."""
        return self._margin(np.ones(len(self.owner), dtype=bool))

    def rows(self) -> list[tuple[object, ...]]:
        """Return a row per operator, the largest seller first, and one for all of them.

        Operator, share of sales (%), margin over own cost (EUR/MWh), lowest residual supply index,
        shares of deliveries (%) in which it is pivotal and in which the index is below the screen.
        """
        index, total = self.residual_supply, self.sold.sum()
        pivotal, screened = (100 * share_below(index, limit) for limit in (1.0, RSI_SCREEN))
        found: list[tuple[object, ...]] = []
        for number, operator in enumerate(self.operators):
            own = self.owner == number
            share = 100 * self.sold[:, own].sum() / total if total else np.nan
            low = float(index[:, number].min())
            shares = float(pivotal[number]), float(screened[number])
            found.append((operator, float(share), self._margin(own), low, *shares))
        found.sort(key=lambda row: -float(str(row[1])))
        every = np.ones(len(self.owner), dtype=bool)
        whole = 100.0 if total else np.nan
        return [*found, ("all", whole, self._margin(every), "", "", "")]

    def _margin(self, units: NDArray[np.bool_]) -> float:
        """Return the mean margin of some units over their own cost, EUR/MWh, weighted by sales."""
        paid, cost, sold = self.paid[:, units], self.cost[:, units], self.sold[:, units]
        return weighted_mean(markup(paid, cost), sold)


def market_power(orders: pd.DataFrame) -> MarketPower | None:
    """Return market power from one market's orders; None if nobody sells.

    What storages want to charge, and what would be bought below the price only, is no demand that
    has to be met. What storages sell counts as supply; its cost is what it was bought for, which no
    order shows: nan.

    :param orders: with `operator`, `marginal_cost` and `trades` (whether the unit buys and sells)
    """
    sales = orders[orders["volume"] > 0].assign(
        money=lambda rows: rows["accepted_price"] * rows["accepted_volume"]
    )
    if sales.empty:
        return None
    own = sales.groupby(["start_time", "unit_id"])
    sums = own[["accepted_volume", "volume", "money"]].sum().unstack()
    sold, offered, money = sums["accepted_volume"], sums["volume"], sums["money"]
    cost = own["marginal_cost"].mean().unstack()
    operator = sales.groupby("unit_id")["operator"].first().fillna("unknown")
    names = tuple(sorted(operator.unique()))
    wanted = orders["price"] >= orders["accepted_price"]
    asked = orders[(orders["volume"] < 0) & wanted & ~orders["trades"]]
    demanded = -asked.groupby("start_time")["volume"].sum()
    return MarketPower(
        start=pd.Series(sold.index),
        operators=names,
        owner=np.array([names.index(operator[unit]) for unit in sold.columns]),
        sold=sold.fillna(0).to_numpy(),
        offered=offered.fillna(0).to_numpy(),
        paid=(money / sold.where(sold > 0)).to_numpy(),
        cost=cost.to_numpy(),
        demanded=demanded.reindex(sold.index, fill_value=0.0).to_numpy(),
    )
