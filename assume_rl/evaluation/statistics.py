"""How sure one can be of scores from a few runs.

Estimates and percentile bootstrap intervals of Agarwal, Schwarzer, Castro, Courville and Bellemare
2021, "Deep reinforcement learning at the edge of the statistical precipice" (NeurIPS), with runs
resampled within each task (stratified). One run has no interval: its ends are not a number.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assume_rl.errors import ConfigurationError
from assume_rl.evaluation.resampling import (
    FloatArray,
    by_task,
    check_level,
    percentiles,
    resamples_of,
)

Statistic = Callable[[FloatArray], FloatArray]
"""Scores `(..., run, task)` to a number each `(...)`."""


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Band:
    """An interval per point; point-wise: it does not cover the whole curve at its level."""

    estimate: FloatArray  # (point,)
    low: FloatArray  # (point,)
    high: FloatArray  # (point,)
    runs: NDArray[np.int64]  # (point,), runs that have a value there


def iqm(scores: ArrayLike) -> FloatArray:
    """Return the interquartile mean of `(run,)`, or of `(..., run, task)` pooled as `(...)`.

    The mean without the lowest and the highest quarter, each rounded down to whole values; fewer
    than four values have none, so that theirs is the mean.
    """
    values = np.asarray(scores, dtype=np.float64)
    pooled = values if values.ndim < 2 else values.reshape(*values.shape[:-2], -1)
    count = pooled.shape[-1]
    middle = np.sort(pooled, axis=-1)[..., count // 4 : count - count // 4]
    result: FloatArray = middle.mean(-1)
    return result


def bootstrap_interval(
    scores: ArrayLike,
    statistic: Statistic = iqm,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 10_000,
) -> Interval:
    """Return the percentile bootstrap interval of a statistic, stratified over tasks.

    :param scores: `(run,)` or `(run, task)`
    :param statistic: see `Statistic`, computed on many resamples at once
    """
    values = by_task(scores)
    band = _band(values, lambda drawn: statistic(drawn)[..., None], seed, level, resamples)
    return Interval(float(band.estimate[0]), float(band.low[0]), float(band.high[0]))


def performance_profile(
    scores: ArrayLike,
    thresholds: ArrayLike,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 2_000,
) -> Band:
    """Return the share of runs, over all tasks, whose score is above each threshold.

    :param scores: `(run,)` or `(run, task)`
    :param thresholds: `(point,)`
    """
    values, limits = by_task(scores), np.atleast_1d(np.asarray(thresholds, dtype=np.float64))

    def shares(drawn: FloatArray) -> FloatArray:
        above: FloatArray = (drawn[..., None] > limits).mean((-3, -2))
        return above

    return _band(values, shares, seed, level, resamples, width=len(limits))


def probability_of_improvement(
    x: ArrayLike, y: ArrayLike, *, seed: int, level: float = 0.95, resamples: int = 10_000
) -> Interval:
    """Return how often a run of `x` beats one of `y`, ties counted half, as a mean over tasks.

    The Mann-Whitney U statistic over the number of pairs; both samples are resampled.

    :param x: `(run,)` or `(run, task)`
    :param y: the same tasks, any number of runs
    """
    check_level(level)
    ours, theirs = by_task(x), by_task(y)
    if ours.shape[1] != theirs.shape[1]:
        raise ConfigurationError(f"x has {ours.shape[1]} tasks, y has {theirs.shape[1]}")
    wins = (np.sign(ours[:, None] - theirs) + 1) / 2  # (x's run, y's run, task)
    tasks = np.arange(ours.shape[1])
    if min(len(ours), len(theirs)) < 2:
        return Interval(float(wins.mean()), np.nan, np.nan)
    ours_drawn, theirs_drawn = (
        resamples_of(*values.shape, seed=seed, name=name, resamples=resamples, size=wins.size)
        for name, values in (("x", ours), ("y", theirs))
    )
    drawn = [
        wins[mine[:, :, None], other[:, None], tasks].mean((1, 2, 3))
        for mine, other in zip(ours_drawn, theirs_drawn, strict=True)
    ]
    low, high = percentiles(np.concatenate(drawn), level)
    return Interval(float(wins.mean()), float(low), float(high))


def curve_band(
    curves: ArrayLike, *, seed: int, level: float = 0.95, resamples: int = 2_000
) -> Band:
    """Return the IQM over runs, with its interval, at each point of learning curves.

    Where a run has no value it is not a number, such as after an early end. A point is judged from
    the runs that have it, and `runs` says how many: where that falls, the ones left may be the
    better or the worse ones, and a bend may be theirs and not the learning's.

    :param curves: `(run, point)`
    """
    values = np.asarray(curves, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise ConfigurationError(f"curves have the shape {values.shape}, expected (run, point)")
    if np.isinf(values).any():
        raise ConfigurationError("curves hold infinite values")
    present = ~np.isnan(values)
    ends = np.full((3, values.shape[1]), np.nan)
    patterns, group = np.unique(present, axis=1, return_inverse=True)
    for number, runs in enumerate(patterns.T):
        points = group.ravel() == number
        if runs.any():
            band = _points(values[runs][:, points], seed, level, resamples)
            ends[:, points] = band.estimate, band.low, band.high
    return Band(ends[0], ends[1], ends[2], present.sum(0))


def _points(values: FloatArray, seed: int, level: float, resamples: int) -> Band:
    """Return `curve_band` of runs `(run, point)` without gaps; whole runs are resampled."""
    place = np.arange(len(values), dtype=np.float64)

    def at_points(drawn: FloatArray) -> FloatArray:
        curves = values[drawn[..., 0].astype(np.int64)]  # (..., run, point)
        return iqm(np.moveaxis(curves, -2, -1)[..., None])

    return _band(place[:, None], at_points, seed, level, resamples, width=values.shape[1])


def _band(
    values: FloatArray,
    statistic: Statistic,
    seed: int,
    level: float,
    resamples: int,
    width: int = 1,
) -> Band:
    """Return intervals of a statistic `(..., run, task) -> (..., point)` of `width` points."""
    check_level(level)
    runs, tasks = values.shape
    estimate = statistic(values)
    unknown = np.full(width, np.nan)
    counts = np.full(width, runs)
    if runs < 2:
        return Band(estimate, unknown, unknown, counts)
    chunks = resamples_of(
        runs, tasks, seed=seed, name="x", resamples=resamples, size=values.size * width
    )
    drawn = []
    for index in chunks:
        found = statistic(values[index, np.arange(tasks)])
        if found.shape != (len(index), width):
            raise ConfigurationError("a statistic must map (..., run, task) to (...)")
        drawn.append(found)
    low, high = percentiles(np.concatenate(drawn), level)
    return Band(estimate, low, high, counts)
