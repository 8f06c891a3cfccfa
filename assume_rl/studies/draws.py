"""Random values of a study: a pure function of its seed and the name of the setting."""

import math
from typing import Any

import torch

from assume_rl import keyed
from assume_rl.studies.sections import Draws, Law


def draw(draws: Draws) -> list[dict[str, Any]]:
    """Return `count` rows with a value for each key; more rows leave the first ones unchanged."""
    columns = {key: _values(law, draws, key) for key, law in draws.keys.items()}
    return [{key: values[i] for key, values in columns.items()} for i in range(draws.count)]


def _values(law: Law, draws: Draws, key: str) -> list[Any]:
    """Return the values of a key; each depends only on the seed, the key and its number."""
    one = torch.tensor(keyed.key(draws.seed, "study", key))
    return [_value(law, u) for u in keyed.uniform(one, draws.count).tolist()]


def _value(law: Law, u: float) -> Any:
    """Return the value at `u` in [0, 1)."""
    if law.choice is not None:
        return law.choice[math.floor(u * len(law.choice))]
    assert law.bounds is not None
    low, high = law.bounds
    if law.log_uniform is not None:
        return _log_uniform(low, high, u)
    if law.log_integer is not None:  # each whole number has what is within half of one
        drawn = round(_log_uniform(low - 0.5, high + 0.5, u))
        return min(max(drawn, round(low)), round(high))
    if law.uniform is not None and law.step is None:
        return low + u * (high - low)
    step = law.step or 1
    value = low + step * math.floor(u * (round((high - low) / step) + 1))
    return value if law.integer is None else round(value)


def _log_uniform(low: float, high: float, u: float) -> float:
    return math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
