"""The findings of a benchmark: interquartile means over seeds, with bootstrap intervals."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assume_rl.evaluation.statistics import bootstrap_interval
from assume_rl.experiments.outputs import versions
from assume_rl.scenario.read import NO_OVERRIDES
from assume_rl.studies.bench.cells import Measured

FIGURES = ("reward", "profit", "best_response", "perfect_foresight", "nash_conv_share")
LEVEL = 0.95
DRAWS = 0  # seed of the bootstrap


def summary(
    found: Sequence[Measured], budget: float, overrides: Mapping[str, str] = NO_OVERRIDES
) -> dict[str, Any]:
    """Return the benchmark as plain data, a row per study case and algorithm.

    A figure that is not known for every seed is null.

    :param found: in the order of its rows
    :param budget: seconds of processor time of each training
    :param overrides: what was changed of every study case, by dotted key
    """
    rows = dict.fromkeys((one.cell.scenario, one.cell.algorithm) for one in found)
    return {
        "budget": budget,
        "overrides": dict(overrides),
        "level": LEVEL,
        "versions": versions(),
        "rows": [_row(*key, [o for o in found if _key(o) == key]) for key in rows],
    }


def _key(one: Measured) -> tuple[str, str]:
    return one.cell.scenario, one.cell.algorithm


def _row(scenario: str, algorithm: str, own: Sequence[Measured]) -> dict[str, Any]:
    figures = {name: [getattr(one, name) for one in own] for name in FIGURES}
    return {
        "scenario": scenario,
        "algorithm": algorithm,
        "seeds": [one.cell.seed for one in own],
        "episodes": float(np.median([one.episodes for one in own])),
        "seconds": max(one.seconds for one in own),
        **{name: _interval(values) for name, values in figures.items()},
    }


def _interval(values: Sequence[float | None]) -> dict[str, float | None] | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    found = bootstrap_interval(known, seed=DRAWS, level=LEVEL)
    return {name: None if math.isnan(end) else end for name, end in vars(found).items()}
