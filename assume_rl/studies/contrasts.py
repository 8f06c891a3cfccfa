"""The figures of a design, alone and against a baseline."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from assume_rl.evaluation.significance import PairedComparison, holm, paired_comparison
from assume_rl.evaluation.statistics import (
    Interval,
    bootstrap_interval,
    probability_of_improvement,
)
from assume_rl.studies.scores import DesignValues


@dataclass(frozen=True)
class Contrast:
    """A design against the baseline, on the seeds that both have."""

    seeds: tuple[int, ...]
    paired: PairedComparison  # design less baseline
    p_adjusted: float  # by Holm's procedure over all contrasts of the comparison
    higher: Interval  # probability of improvement, if higher is better


@dataclass(frozen=True)
class DesignScore:
    """A metric in the runs of one design; not a number where there are none."""

    design: str
    runs: DesignValues
    iqm: Interval
    median: float
    lowest: float
    highest: float
    contrast: Contrast | None = None  # None for the baseline and without a seed in common


def score(runs: DesignValues, level: float, seed: int) -> DesignScore:
    """Return the score of a design."""
    if not runs.values:
        unknown = Interval(math.nan, math.nan, math.nan)
        return DesignScore(runs.design, runs, unknown, math.nan, math.nan, math.nan)
    values = np.array(list(runs.values.values()))
    return DesignScore(
        design=runs.design,
        runs=runs,
        iqm=bootstrap_interval(values, seed=seed, level=level),
        median=float(np.median(values)),
        lowest=float(values.min()),
        highest=float(values.max()),
    )


def against(
    scores: Sequence[DesignScore], baseline: DesignScore, level: float, seed: int
) -> tuple[DesignScore, ...]:
    """Return the scores with their contrasts with `baseline`, one of them, which comes first."""
    rest = [one for one in scores if one is not baseline]
    contrasts = [_contrast(one.runs, baseline.runs, level, seed) for one in rest]
    adjusted = iter(holm([one.paired.p_value for one in contrasts if one]).tolist())
    final = [one and replace(one, p_adjusted=next(adjusted)) for one in contrasts]
    return (
        baseline,
        *(replace(one, contrast=found) for one, found in zip(rest, final, strict=True)),
    )


def _contrast(
    runs: DesignValues, baseline: DesignValues, level: float, seed: int
) -> Contrast | None:
    """Return an unadjusted contrast; None without a seed in common."""
    seeds = tuple(sorted(set(runs.values) & set(baseline.values)))
    if not seeds:
        return None
    x, y = ([one.values[k] for k in seeds] for one in (runs, baseline))
    paired = paired_comparison(x, y, seed=seed, level=level)
    higher = probability_of_improvement(x, y, seed=seed, level=level)
    return Contrast(seeds, paired, paired.p_value, higher)
