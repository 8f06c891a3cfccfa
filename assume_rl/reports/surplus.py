"""Who gains what in the markets of one run, computed from orders and starts."""

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
    paid: float  # by buyers to sellers
    lost: float  # deadweight loss against bids at marginal cost

    def rows(self) -> list[tuple[str, float | None]]:
        """Name and EUR, to the cent; None where it is not known."""
        named = {
            "consumer surplus": self.consumer,
            "producer surplus": self.producer,
            "what buyers pay": self.paid,
            "deadweight loss": self.lost,
        }
        return _rounded(named)


def welfare_rows(
    gains: Mapping[str, Surplus], start_costs: float
) -> list[tuple[str, float | None]]:
    """Return name and EUR, to the cent, of the welfare of a run: gains of trade less start costs.

    :param gains: by market
    :param start_costs: EUR; a unit that trades in several markets starts once for all of them
    """
    traded = {f"gains of trade, {name}": own.consumer + own.producer for name, own in gains.items()}
    total = {"welfare": sum(traded.values()) - start_costs}
    return _rounded(traded | {"start costs": start_costs} | total)


def _rounded(named: Mapping[str, float]) -> list[tuple[str, float | None]]:
    return [(n, None if np.isnan(v) else round(v, 2) + 0.0) for n, v in named.items()]


def surplus(orders: pd.DataFrame) -> Surplus:
    """From one market's orders with `marginal_cost`; each delivery is an auction of its own.

    What buyers pay is what sellers are paid. The price at their own orders says otherwise under
    `pay_as_bid`: it is that of the dearest sale.
    """
    length = (orders["end_time"] - orders["start_time"]).dt.total_seconds() / 3600
    sells = orders["volume"] > 0
    worth = _by_delivery(orders, orders["marginal_cost"].where(sells, orders["price"]))
    sold = _by_delivery(orders, (orders["accepted_volume"] * length).fillna(0))
    gains = welfare(worth, sold, _by_delivery(orders, orders["accepted_price"]))
    greatest = greatest_welfare(worth, _by_delivery(orders, orders["volume"] * length))
    return Surplus(
        consumer=float((gains.consumer_surplus + gains.payments - gains.revenue).sum()),
        producer=float(gains.producer_surplus.sum()),
        paid=float(gains.revenue.sum()),
        lost=float(deadweight_loss(gains, greatest).sum()),
    )


def _by_delivery(orders: pd.DataFrame, values: pd.Series) -> NDArray[np.float64]:
    """`(delivery, order)`, 0 where a delivery has fewer orders than another one."""
    keys = [orders["start_time"], orders["end_time"]]
    row = orders.groupby(keys).ngroup().to_numpy()
    column = orders.groupby(keys).cumcount().to_numpy()
    found = np.zeros((row.max(initial=-1) + 1, column.max(initial=-1) + 1))
    found[row, column] = values.to_numpy()
    return found
