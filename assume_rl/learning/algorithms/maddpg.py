"""Multi-agent DDPG: one critic per agent, every step moves the actor too."""

from assume_rl.learning.algorithms.variant import Algorithm

MADDPG = Algorithm(
    critics=1,
    smooths_targets=False,
    delays_policy=False,
    paper="Lowe et al. 2017, arXiv:1706.02275",
)
