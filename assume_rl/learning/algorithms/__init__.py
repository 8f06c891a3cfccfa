"""Learning algorithms: one file and one line here for each."""

from assume_rl.learning.algorithms.maddpg import MADDPG
from assume_rl.learning.algorithms.matd3 import MATD3
from assume_rl.learning.algorithms.variant import Algorithm

ALGORITHMS: dict[str, Algorithm] = {"maddpg": MADDPG, "matd3": MATD3}

__all__ = ["ALGORITHMS", "Algorithm"]
