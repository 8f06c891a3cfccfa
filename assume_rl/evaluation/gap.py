"""How far a bidder stays behind the exact best response.

The gap is a difference, in reward and in EUR, and always has a meaning. A share of the best reward
has one only where that reward is clearly above zero: a policy that never sells "reaches" 323.5 % of
a best reward of -0.1. Everything that shows a share asks `share_of_best`.
"""

from collections.abc import Mapping

# Names of figures in manifests and in the metrics of studies.
SHARE = "share_of_best_response"
REWARD_GAP = "reward_gap_to_best_response"
PROFIT_GAP = "profit_gap_to_best_response"

LEAST_SHARE = 0.01  # of the sum of absolute hourly best rewards: what a denominator must exceed

NO_SHARE = (
    f"the best reward is not above {100 * LEAST_SHARE:g} % of the sum of its absolute values by "
    "auction"
)
"""Why there is a gap and no share."""


def share_of_best(reward: float, best: float, scale: float) -> float | None:
    """Return the share of the best reward that was reached; None where it has no meaning.

    :param reward: reached, sum over the auctions
    :param best: reward of the exact best response, sum over the auctions
    :param scale: sum of the absolute best rewards of the auctions
    """
    return reward / best if best > LEAST_SHARE * scale else None


def is_undefined(figures: Mapping[str, object]) -> bool:
    """Return whether an experiment's figures have a gap but, see `NO_SHARE`, no share."""
    return REWARD_GAP in figures and figures.get(SHARE) is None
