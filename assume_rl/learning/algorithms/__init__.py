"""Learning algorithms: one file and one line here for each."""

from assume_rl.learning.algorithms.base import Algorithm
from assume_rl.learning.algorithms.deterministic import IDDPG, ITD3, MADDPG, MATD3

ALGORITHMS: dict[str, Algorithm] = {own.name: own for own in (IDDPG, ITD3, MADDPG, MATD3)}
"""Algorithms by the name that `learning_config.algorithm` has for them."""

__all__ = ["ALGORITHMS", "Algorithm"]
