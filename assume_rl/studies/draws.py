"""Random values of a study: a pure function of its seed and the name of what is drawn."""

import math
from typing import Any

import torch

from assume_rl import keyed
from assume_rl.studies.sections import Draws, Law


def draw(draws: Draws) -> list[dict[str, Any]]:
    """`count` rows with a value for each key; more rows leave the first ones as they are."""
    columns = {key: _values(law, draws, key) for key, law in draws.keys.items()}
    return [{key: values[i] for key, values in columns.items()} for i in range(draws.count)]


def _values(law: Law, draws: Draws, key: str) -> list[Any]:
    """Each value depends on nothing but the seed, its key and its number."""
    one = torch.tensor(keyed.key(draws.seed, "study", key))
    return [_value(law, u) for u in keyed.uniform(one, draws.count).tolist()]


def _value(law: Law, u: float) -> Any:
    """The value at `u` in [0, 1)."""
    if law.uniform is not None:
        low, high = law.uniform
        return low + u * (high - low)
    if law.log_uniform is not None:
        low, high = (math.log(bound) for bound in law.log_uniform)
        return math.exp(low + u * (high - low))
    if law.integer is not None:
        first, last = law.integer
        return first + math.floor(u * (last - first + 1))
    assert law.choice is not None
    return law.choice[math.floor(u * len(law.choice))]
