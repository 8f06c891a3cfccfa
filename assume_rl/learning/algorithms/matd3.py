"""Multi-agent TD3: twin critics, smoothed targets, delayed actors."""

from assume_rl.learning.algorithms.variant import Algorithm

MATD3 = Algorithm(
    critics=2,
    smooths_targets=True,
    delays_policy=True,
    paper="Ackermann et al. 2019, arXiv:1910.01465; Fujimoto et al. 2018, arXiv:1802.09477",
)
