"""Parts of the bootstrap: checked arrays, keyed resamples in bounded memory, percentiles."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from assume_rl import keyed
from assume_rl.errors import ConfigurationError

FloatArray = NDArray[np.float64]
Indices = NDArray[np.int64]

_AT_ONCE = 1_000_000  # numbers held at a time


def by_task(scores: ArrayLike) -> FloatArray:
    """Return the scores as `(run, task)`; `ConfigurationError` unless all are finite."""
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or values.size == 0:
        raise ConfigurationError(
            f"scores have the shape {np.shape(scores)}, expected (run,) or (run, task), not empty"
        )
    if not np.isfinite(values).all():
        raise ConfigurationError("scores hold values that are not finite numbers; leave them out")
    return values


def resamples_of(
    runs: int, tasks: int, *, seed: int, name: str, resamples: int, size: int
) -> Iterator[Indices]:
    """Yield chunks `(resample, run, task)` of runs drawn with replacement, task by task.

    A draw depends on `seed`, `name` and its place only, not on the length of the chunks.

    :param name: what is resampled: two samples have different draws
    :param size: numbers that the caller holds per resample
    """
    if resamples < 1:
        raise ConfigurationError(f"resamples={resamples}: expected 1 or more")
    key = torch.tensor(keyed.key(seed, "bootstrap", name))
    each = max(1, _AT_ONCE // max(size, runs * tasks))
    for first in range(0, resamples, each):
        count = min(each, resamples - first)
        drawn = keyed.uniform(key, count * runs * tasks, first * runs * tasks).numpy()
        yield (drawn * runs).astype(np.int64).reshape(count, runs, tasks)


def percentiles(drawn: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Return both ends of the middle `level` of resampled statistics `(resample, ...)`."""
    check_level(level)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def check_level(level: float) -> None:
    """Raise `ConfigurationError` unless `level` is between 0 and 1."""
    if not 0 < level < 1:
        raise ConfigurationError(f"level={level}: expected a number between 0 and 1, such as 0.95")
