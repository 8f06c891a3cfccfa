"""The surplus of each side from cleared orders, and the loss from bids above cost.

Arrays are `(hour, order)`; prices and costs EUR/MWh, volumes MW, sales > 0, purchases < 0, as in
the table `market_orders`. Results are EUR per hour of the calendar, `(hour,)`, if a step is
`hours` long.

Source: Borenstein, Bushnell and Wolak 2002, "Measuring market inefficiencies in California's
restructured wholesale electricity market", American Economic Review 92(5).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assume_rl.errors import ConfigurationError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Welfare:
    """Gains of an auction's trade, EUR, `(hour,)`."""

    consumer_surplus: FloatArray  # what buyers would have paid at most, less what they paid
    producer_surplus: FloatArray  # what sellers were paid, less their cost
    payments: FloatArray  # of buyers
    revenue: FloatArray  # of sellers; the rest of the payments stays with the market
    start_costs: FloatArray  # of sellers, in none of the surpluses

    @property
    def trade(self) -> FloatArray:
        """Return the worth to buyers less the marginal cost of sellers."""
        return self.consumer_surplus + self.producer_surplus + self.payments - self.revenue

    @property
    def total(self) -> FloatArray:
        """Return the worth to buyers less all costs of sellers, starts included."""
        return self.trade - self.start_costs


def welfare(
    worth: ArrayLike,
    accepted: ArrayLike,
    paid: ArrayLike,
    *,
    hours: float = 1.0,
    start_costs: ArrayLike = 0.0,
) -> Welfare:
    """Return the surpluses of cleared orders; an inelastic demand gains up to its price limit.

    :param worth: EUR/MWh, a buyer's limit price (its bid) or a seller's true marginal cost
    :param accepted: MW, sales > 0
    :param paid: EUR/MWh that each accepted order pays or is paid; ignored elsewhere
    :param hours: length of a step
    :param start_costs: EUR, `(hour,)`, of all starts of sellers
    """
    value, volume = _floats(worth), _floats(accepted) * hours
    money = np.where(volume == 0, 0, _floats(paid)) * volume
    gain = money - np.where(volume == 0, 0, value) * volume
    buys = volume < 0
    return Welfare(
        consumer_surplus=np.where(buys, gain, 0).sum(-1),
        producer_surplus=np.where(buys, 0, gain).sum(-1),
        payments=-np.where(buys, money, 0).sum(-1),
        revenue=np.where(buys, 0, money).sum(-1),
        start_costs=np.broadcast_to(_floats(start_costs), volume.shape[:-1]),
    )


def greatest_welfare(
    worth: ArrayLike, volume: ArrayLike, *, hours: float = 1.0, fixed: ArrayLike = 0.0
) -> FloatArray:
    """Return the gains from trade if all had offered all they have at `worth`, EUR, `(hour,)`.

    By duality the most that divisible orders in one zone can gain is the least, over all prices, of
    the surplus that everybody would like to have at that price; it lies at an order's price.

    :param worth: EUR/MWh, as in `welfare`
    :param volume: MW that could be sold (> 0) or bought (< 0); 0 is an empty slot
    :param fixed: MW, `(hour,)`, that others sell (> 0) or buy (< 0) whatever the price, as storages
        do once they have decided; the gain of these is not counted
    """
    value, amount = _floats(worth), _floats(volume) * hours
    if value.shape != amount.shape or value.ndim != 2:
        raise ConfigurationError(
            f"worth {value.shape} and volume {amount.shape}: expected (hour, order) twice"
        )
    value = np.where(amount == 0, 0, value)  # an empty slot may have no price
    given = np.broadcast_to(_floats(fixed) * hours, len(value))
    best = np.full(len(value), np.inf)
    for price, size in zip(value.T, amount.T, strict=True):
        wanted = np.maximum((price[:, None] - value) * amount, 0).sum(-1) + price * given
        best = np.minimum(best, np.where(size == 0, np.inf, wanted))
    return np.where(np.isinf(best), 0, best)


def deadweight_loss(actual: Welfare, greatest: ArrayLike) -> FloatArray:
    """Return the gains of trade that were missed, EUR, `(hour,)`; < 0: `greatest` lacks an order.

    Start costs are in neither, since `greatest_welfare` knows no starts.
    """
    return _floats(greatest) - actual.trade


def _floats(values: ArrayLike) -> FloatArray:
    return np.asarray(values, dtype=np.float64)
