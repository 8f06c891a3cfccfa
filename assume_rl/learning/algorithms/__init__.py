"""Learning algorithms: one file and one line here for each."""

from assume_rl.learning.algorithms.base import Algorithm
from assume_rl.learning.algorithms.deterministic import IDDPG, ITD3, MADDPG, MATD3
from assume_rl.learning.algorithms.policy_gradient import A2C, REINFORCE, VPG
from assume_rl.learning.algorithms.ppo import IPPO, MAPPO
from assume_rl.learning.algorithms.sac import ISAC, MASAC

_ALL: tuple[Algorithm, ...] = (
    *(IDDPG, ITD3, MADDPG, MATD3),
    *(ISAC, MASAC),
    *(IPPO, MAPPO),
    *(A2C, REINFORCE, VPG),
)

ALGORITHMS: dict[str, Algorithm] = {own.name: own for own in _ALL}
"""Algorithms by the name that `learning_config.algorithm` has for them."""

__all__ = ["ALGORITHMS", "Algorithm"]
