"""The surplus of each side in the markets of one run, computed from orders and starts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assume_rl.evaluation.welfare import deadweight_loss, greatest_welfare, welfare


@dataclass(frozen=True)
class Surplus:
    """Sums over all deliveries, EUR; not a number where a cost that they need is not known."""

    consumer: float  # what buyers would have paid at most, less what they pay
    producer: float  # what sellers were paid, less the marginal cost of what they sold
    paid: float  # by buyers
    lost: float  # deadweight loss against bids at marginal cost
    traded: float | None = None  # sales less purchases of units that do both; None: there are none

    @property
    def total(self) -> float:
        """Return the gains of trade, without the running costs of units that buy and sell."""
        return self.consumer + self.producer + (self.traded or 0.0)

    def rows(self) -> list[tuple[str, float | None]]:
        """Return name and EUR, to the cent; None where it is not known."""
        storages = (
            {}
            if self.traded is None
            else {"units that buy and sell, sales less purchases": self.traded}
        )
        named = {
            "consumer surplus": self.consumer,
            "producer surplus": self.producer,
            **storages,
            "what buyers pay": self.paid,
            "deadweight loss": self.lost,
        }
        return _rounded(named)


def welfare_rows(
    gains: Mapping[str, Surplus], start_costs: float, running_costs: float = 0.0
) -> list[tuple[str, float | None]]:
    """Return name and EUR, to the cent, of the welfare of a run: gains of trade less other costs.

    :param gains: by market
    :param start_costs: EUR; a unit that trades in several markets starts once for all of them
    :param running_costs: EUR that units that buy and sell cost to run, which no order shows
    """
    traded = {f"gains of trade, {name}": own.total for name, own in gains.items()}
    costs = {"start costs": start_costs}
    if any(own.traded is not None for own in gains.values()):
        costs["running costs of units that buy and sell"] = running_costs
    total = {"welfare": sum(traded.values()) - sum(costs.values())}
    return _rounded(traded | costs | total)


def _rounded(named: Mapping[str, float]) -> list[tuple[str, float | None]]:
    return [(n, None if np.isnan(v) else round(v, 2) + 0.0) for n, v in named.items()]


def surplus(orders: pd.DataFrame) -> Surplus:
    """Return the gains from one market's orders; each delivery is an auction of its own.

    What buyers pay is what the others receive. The price at their own orders says otherwise under
    `pay_as_bid`: it is that of the dearest sale.

    A storage moves energy in time, an exchange from or to elsewhere: what it buys is worth what it
    sells there, so that only sales less purchases over all deliveries are a gain. The deadweight
    loss takes its trades as they were.

    :param orders: with `marginal_cost` and `trades` (whether the unit both buys and sells)
    """
    length = (orders["end_time"] - orders["start_time"]).dt.total_seconds() / 3600
    energy = (orders["accepted_volume"] * length).fillna(0)
    trades = orders["trades"]
    money = (orders["accepted_price"] * energy).where(energy != 0, 0)
    traded = float(money[trades].sum())
    worth = orders["marginal_cost"].where(orders["volume"] > 0, orders["price"]).where(~trades, 0)
    worths = _by_delivery(orders, worth)
    sold = _by_delivery(orders, energy.where(~trades, 0))
    gains = welfare(worths, sold, _by_delivery(orders, orders["accepted_price"]))
    offered = _by_delivery(orders, (orders["volume"] * length).where(~trades, 0))
    moved = _by_delivery(orders, energy.where(trades, 0)).sum(-1)
    greatest = greatest_welfare(worths, offered, fixed=moved)
    received = float(gains.revenue.sum()) + traded
    return Surplus(
        consumer=float((gains.consumer_surplus + gains.payments).sum()) - received,
        producer=float(gains.producer_surplus.sum()),
        paid=received,
        lost=float(deadweight_loss(gains, greatest).sum()),
        traded=traded if trades.any() else None,
    )


def _by_delivery(orders: pd.DataFrame, values: pd.Series) -> NDArray[np.float64]:
    """Return `(delivery, order)`, 0 where a delivery has fewer orders than another one."""
    keys = [orders["start_time"], orders["end_time"]]
    row = orders.groupby(keys).ngroup().to_numpy()
    column = orders.groupby(keys).cumcount().to_numpy()
    found = np.zeros((row.max(initial=-1) + 1, column.max(initial=-1) + 1))
    found[row, column] = values.to_numpy()
    return found
