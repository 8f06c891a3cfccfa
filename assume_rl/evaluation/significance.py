"""Whether a difference between two designs on equal seeds is more than chance."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike

from assume_rl import keyed
from assume_rl.errors import ConfigurationError
from assume_rl.evaluation.resampling import FloatArray, by_task
from assume_rl.evaluation.statistics import Interval, bootstrap_interval

EXACT_UP_TO = 20  # pairs: all 2^20 assignments of signs are tried
SAMPLED = 100_000  # assignments drawn where there are more pairs


@dataclass(frozen=True)
class PairedComparison:
    """How much higher `x` is than `y` on equal seeds."""

    pairs: int
    mean: Interval  # of the differences
    median: Interval
    p_value: float  # two-sided, of the mean difference
    method: Literal["exact", "sampled"]  # whether all assignments of signs were tried
    effect_size: float  # mean difference over its standard deviation; not a number where that is 0


def paired_comparison(
    x: ArrayLike, y: ArrayLike, *, seed: int, level: float = 0.95, resamples: int = 10_000
) -> PairedComparison:
    """Compare `x (run,)` with `y (run,)`; place by place, their seeds are equal.

    :param x: scores `(run,)`
    :param y: scores `(run,)` of the same seeds in the same order
    :param seed: of resampling
    :param level: of the intervals, 0 to 1
    :param resamples: of the bootstrap
    :raises ConfigurationError: the shapes differ, or a score is not finite
    """
    if np.ndim(x) != 1 or np.shape(x) != np.shape(y):
        raise ConfigurationError(
            f"x and y have the shapes {np.shape(x)} and {np.shape(y)}, expected (run,) twice"
        )
    difference = (by_task(x) - by_task(y))[:, 0]
    mean, median = (
        bootstrap_interval(difference, statistic, seed=seed, level=level, resamples=resamples)
        for statistic in (_mean, _median)
    )
    exact = len(difference) <= EXACT_UP_TO
    return PairedComparison(
        pairs=len(difference),
        mean=mean,
        median=median,
        p_value=_exact(difference) if exact else _sampled(difference, seed),
        method="exact" if exact else "sampled",
        effect_size=_effect_size(difference),
    )


def holm(p_values: ArrayLike) -> FloatArray:
    """Return p-values `(comparison,)` adjusted for multiple comparisons, in the order given.

    Rejecting those at or below a rate keeps the chance of any false rejection at or below it,
    whatever depends on what. Holm 1979, "A simple sequentially rejective multiple test procedure",
    Scandinavian Journal of Statistics 6(2).
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise ConfigurationError("p-values: expected a list of numbers from 0 to 1")
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def smallest_p(pairs: int) -> float:
    """Return the smallest two-sided p-value that `pairs` pairs can give, even if all agree."""
    return 2.0 ** (1 - pairs) if pairs <= EXACT_UP_TO else 1 / (1 + SAMPLED)


def _exact(difference: FloatArray) -> float:
    """Return the share of all assignments of signs whose sum is at least as far from 0."""
    sums = np.zeros(1)
    for one in difference:
        sums = np.concatenate((sums + one, sums - one))
    return float((np.abs(sums) >= _bar(difference)).mean())


def _sampled(difference: FloatArray, seed: int) -> float:
    """Return the p-value over drawn sign flips; the observed one counts too, so it is never 0."""
    key, pairs, far = torch.tensor(keyed.key(seed, "sign flips")), len(difference), 0
    each = max(1, 1_000_000 // pairs)
    for first in range(0, SAMPLED, each):
        count = min(each, SAMPLED - first)
        drawn = keyed.uniform(key, count * pairs, first * pairs).numpy().reshape(count, pairs)
        far += int((np.abs(np.where(drawn < 0.5, -1, 1) @ difference) >= _bar(difference)).sum())
    return (1 + far) / (1 + SAMPLED)


def _bar(difference: FloatArray) -> float:
    """Return the distance of the sum from 0, less an allowance for rounding between equal sums."""
    return float(abs(difference.sum()) - 1e-12 * np.abs(difference).sum())


def _effect_size(difference: FloatArray) -> float:
    spread = float(difference.std(ddof=1)) if len(difference) > 1 else 0.0
    scale = float(np.abs(difference).max())
    return float(difference.mean()) / spread if spread > 1e-12 * scale else math.nan


def _mean(scores: FloatArray) -> FloatArray:
    result: FloatArray = scores.mean((-2, -1))
    return result


def _median(scores: FloatArray) -> FloatArray:
    result: FloatArray = np.median(scores, axis=(-2, -1))
    return result
