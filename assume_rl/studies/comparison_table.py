"""A comparison as a table for other programs."""

from collections.abc import Iterable

import pandas as pd

from assume_rl.evaluation.statistics import Interval
from assume_rl.studies.comparison import Comparison
from assume_rl.studies.contrasts import Contrast, DesignScore


def comparison_table(comparison: Comparison) -> pd.DataFrame:
    """Return a row per design; the columns from `baseline` on are empty for the baseline."""
    rows = [
        {"metric": comparison.metric, "step": comparison.step, **_design(one)}
        | ({"baseline": comparison.baseline, **_contrast(one.contrast)} if one.contrast else {})
        for one in comparison.designs
    ]
    table = pd.DataFrame(rows)
    return table.astype({"pairs": "Int64"}) if "pairs" in table else table


def _design(score: DesignScore) -> dict[str, object]:
    return {
        "design": score.design,
        "runs": len(score.runs.values),
        **_interval("iqm", score.iqm),
        "median": score.median,
        "lowest": score.lowest,
        "highest": score.highest,
        "seeds": _words(sorted(score.runs.values)),
        "missing_seeds": _words(score.runs.missing),
        "run_ids": _words(score.runs.run_ids.values()),
    }


def _contrast(contrast: Contrast) -> dict[str, object]:
    paired = contrast.paired
    return {
        "pairs": paired.pairs,
        **_interval("mean_difference", paired.mean),
        **_interval("median_difference", paired.median),
        "effect_size": paired.effect_size,
        "p_value": paired.p_value,
        "p_method": paired.method,
        "p_adjusted": contrast.p_adjusted,
        **_interval("probability_of_improvement", contrast.higher),
    }


def _interval(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _words(items: Iterable[object]) -> str:
    return " ".join(map(str, items))
