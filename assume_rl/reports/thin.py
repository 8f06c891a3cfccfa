"""Fewer points, where there are more than a browser can show."""

from math import ceil, gcd

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assume_rl.keyed import array

LIMIT = 20_000  # points of a chart's lines
WEEK = 168  # hours
DOTS = 5_000  # dots of a chart: they take a browser longer


def extremes(values: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """Return positions of about `limit` values at most, in order: each stretch's ends of range.

    Peaks survive; the first and the last value stay.
    """
    count = len(values)
    if count <= limit:
        return np.arange(count)
    stretches = np.array_split(np.arange(count), max(1, limit // 2))
    kept = [at[k] for at in stretches for k in (values[at].argmin(), values[at].argmax())]
    return np.unique([0, *kept, count - 1])


def evenly(count: int, limit: int) -> NDArray[np.int64]:
    """Return positions of at most `limit` out of `count`, evenly apart, both ends among them."""
    if count <= limit:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, limit).round().astype(np.int64))


def sampled(count: int, limit: int) -> NDArray[np.int64]:
    """Return positions of at most `limit` out of `count`, by chance, always the same, in order.

    Rows that come in a rhythm, such as an hour's units one after the other, keep their shares.
    """
    if count <= limit:
        return np.arange(count)
    draws: NDArray[np.float64] = array((count,), 0, "report", "thin").numpy()
    return np.sort(np.argsort(draws)[:limit])


def stride(count: int, limit: int) -> int:
    """Return n: every n-th of `count` deliveries leaves about `limit`, of all hours of a week.

    Having no factor in common with the hours of a week, it meets each of them in turn.
    """
    least = max(1, ceil(count / limit))
    return next(n for n in range(least, least + WEEK) if gcd(n, WEEK) == 1)


def means(table: pd.DataFrame, limit: int) -> tuple[pd.DataFrame, int]:
    """Return means of n rows each of a table of numbers by time, and n (1: all rows)."""
    every = max(1, ceil(len(table) / max(1, limit)))
    if every == 1:
        return table, 1
    group = np.arange(len(table)) // every
    found = table.groupby(group).mean()
    found.index = table.index[::every]
    return found, every
