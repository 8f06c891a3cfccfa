"""Market power: who could move the price, and how far prices are from costs.

Arrays are `(hour, unit)` or `(hour, operator)`; any step of the calendar is an "hour". Prices and
costs are EUR/MWh, volumes and capacities MW, supply > 0.

Sources: Lerner 1934, "The concept of monopoly and the measurement of monopoly power", Review of
Economic Studies 1(3); Hirschman 1964, "The paternity of an index", American Economic Review 54(5);
Sheffrin 2002, "Predicting market power using the residual supply index" (California ISO); Twomey,
Green, Neuhoff and Newbery 2005, "A review of the monitoring of market power", Journal of Energy
Literature 11(2).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assume_rl.errors import ConfigurationError

FloatArray = NDArray[np.float64]

RSI_SCREEN = 1.1  # Sheffrin 2002: competitive if the index is above it in 95 % of the hours


def markup(price: ArrayLike, marginal_cost: ArrayLike) -> FloatArray:
    """Return the price less the marginal cost, EUR/MWh, `(hour, unit)`.

    :param price: `(hour,)` that all are paid, or `(hour, unit)`
    :param marginal_cost: `(hour, unit)`, or `(unit,)` where it is constant
    """
    return _per_unit(price) - np.atleast_2d(np.asarray(marginal_cost, dtype=np.float64))


def lerner_index(price: ArrayLike, marginal_cost: ArrayLike) -> FloatArray:
    """Return the markup as a share of the price, `(hour, unit)`; arguments as in `markup`.

    1 at no cost, 0 where price is cost, below 0 at a loss. Where the price is 0 or less, a share of
    it means nothing: not a number there, and `weighted_mean` leaves it out.
    """
    paid = _per_unit(price)
    return markup(price, marginal_cost) / np.where(paid > 0, paid, np.nan)


def weighted_mean(values: ArrayLike, weights: ArrayLike) -> float:
    """Return the weighted mean over all hours and units, ignoring NaN values.

    Not a number where no weight is left, e.g. where nothing was sold.

    :param values: `(hour, unit)`, such as `lerner_index` or `markup`
    :param weights: MW >= 0, `(hour, unit)` sold or `(unit,)` capacity
    """
    figures = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(figures)
    shares = np.where(known, np.broadcast_to(_not_negative(weights, "weights"), figures.shape), 0)
    total = shares.sum()
    return float((np.where(known, figures, 0) * shares).sum() / total) if total > 0 else np.nan


def by_operator(values: ArrayLike, operator: ArrayLike) -> FloatArray:
    """Return the sums over the units of each operator: `(hour, unit)` to `(hour, operator)`.

    :param operator: number of each unit's operator, 0, 1, ..., `(unit,)`
    """
    figures, number = np.asarray(values, dtype=np.float64), np.asarray(operator)
    if number.ndim != 1 or figures.shape[-1:] != number.shape:
        raise ConfigurationError(
            f"values {figures.shape} and operators {number.shape} are not of the same units"
        )
    owned = number[:, None] == np.arange(number.max(initial=-1) + 1)
    sums: FloatArray = figures @ owned.astype(np.float64)
    return sums


def herfindahl_hirschman(amount: ArrayLike) -> FloatArray:
    """Return the sum of squared shares in per cent: near 0 for many small ones, 10,000 for one.

    Not a number where nobody has anything. Shares of what was sold say who supplied; shares of
    capacity say who could.

    :param amount: MW or MWh >= 0, `(..., operator)`; the result is `(...)`
    """
    held = _not_negative(amount, "amounts")
    total = held.sum(-1, keepdims=True)
    shares = 100 * held / np.where(total > 0, total, np.nan)
    result: FloatArray = (shares**2).sum(-1)
    return result


def residual_supply_index(available: ArrayLike, demand: ArrayLike) -> FloatArray:
    """Return the others' available capacity over demand, `(hour, operator)`; inf without demand.

    Below 1 the operator is pivotal: demand cannot be met without it. Contracts, reserves and
    imports are not known here: count them into `available` and `demand` where there are any.

    :param available: MW that each operator can deliver, `(hour, operator)`
    :param demand: MW >= 0, `(hour,)`
    """
    capacity = _not_negative(available, "available capacity")
    wanted = _not_negative(demand, "demand")[:, None]
    others = capacity.sum(-1, keepdims=True) - capacity
    index = np.full(others.shape, np.inf)
    np.divide(others, wanted, out=index, where=wanted > 0)
    return index


def share_below(index: ArrayLike, limit: float) -> FloatArray:
    """Return the share of hours with an index below `limit`, `(operator,)`.

    A limit of 1 for pivotal, `RSI_SCREEN` for the usual screen.
    """
    result: FloatArray = (np.asarray(index, dtype=np.float64) < limit).mean(0)
    return result


def _per_unit(price: ArrayLike) -> FloatArray:
    paid = np.asarray(price, dtype=np.float64)
    return paid[:, None] if paid.ndim == 1 else paid


def _not_negative(values: ArrayLike, what: str) -> FloatArray:
    numbers = np.asarray(values, dtype=np.float64)
    if not (numbers >= 0).all():
        raise ConfigurationError(f"{what}: expected numbers of 0 or more, supply and demand alike")
    return numbers
