"""How far a bidder stays behind the exact best response.

The gap is a difference, in reward and in EUR, and always has a meaning. A share has one only where
what it is a share of is clearly above zero: a policy that never sells "reaches" 323.5 % of a best
reward of -0.1, and could gain 4,000,000 % of a profit of 1 EUR. Everything that shows a share of
rewards asks `share_of_best`, of profits `share_of_profit` or `earned_only`.
"""

from collections.abc import Mapping

# Names of figures in manifests and in the metrics of studies.
SHARE = "share_of_best_response"
REWARD_GAP = "reward_gap_to_best_response"
PROFIT_GAP = "profit_gap_to_best_response"

LEAST_SHARE = 0.01  # of the sum of absolute hourly best rewards: what a denominator must exceed

MOST_SHARE = 10.0  # of a profit: from 1,000 % on it says only that the profit is next to nothing

ROUNDING = 1e-9  # relative, of sums over many auctions

NO_SHARE = (
    f"the best reward is not above {100 * LEAST_SHARE:g} % of the sum of its absolute values by "
    "auction"
)
"""Why there is a gap and no share."""


MORE_PROFIT = (
    "above 100 %: best bids maximise the reward, where regrets may count, so that other bids may "
    "earn more; plans are good bids, not the best"
)
"""Why a share of the profit of best bids, or of plans, may be above 1."""

TWO_PRICES = "above 100 %: the best response has one price in each auction, and two may earn more"
"""Why a share of the best reward of a single learner may be above 1."""


def share_of_best(reward: float, best: float, scale: float) -> float | None:
    """Return the share of the best reward that was reached; None where it has no meaning.

    :param reward: reached, sum over the auctions
    :param best: reward of the exact best response, sum over the auctions
    :param scale: sum of the absolute best rewards of the auctions
    """
    return reward / best if best > LEAST_SHARE * scale else None


def share_of_profit(part: float, profit: float) -> float | None:
    """Return the share that an amount is of a profit; None where it has no meaning.

    >>> share_of_profit(50.0, 200.0), share_of_profit(-50.0, 1.0), share_of_profit(50.0, -200.0)
    (0.25, None, None)

    :param part: EUR
    :param profit: EUR
    """
    return part / profit if profit > 0 and abs(part) <= MOST_SHARE * profit else None


def earned_only(share: float, amount: float) -> str | None:
    """Return the profit, in words, of which a share has no meaning; None where it has one.

    >>> earned_only(400.0, 1_200_000.0), earned_only(4.0, 1_200_000.0)
    ('earned only 3,000 EUR', None)

    :param share: of the profit
    :param amount: EUR, that is this share of it
    """
    return f"earned only {amount / share:,.0f} EUR" if share > MOST_SHARE else None


def is_above_all(share: float | None) -> bool:
    """Return whether a share is more than all, as it is printed."""
    return share is not None and round(share, 4) > 1.0


def is_undefined(figures: Mapping[str, object]) -> bool:
    """Return whether an experiment's figures have a gap but, see `NO_SHARE`, no share."""
    return REWARD_GAP in figures and figures.get(SHARE) is None


def share_text(share: float) -> str:
    """Return a share as text in per cent; a shortfall is never rounded away.

    >>> share_text(0.98765), share_text(0.999999), share_text(1.0)
    ('98.77%', '99.99%', '100.00%')

    :param share: 1: all of it; less by a rounding error of its sums is all of it too
    """
    return f"{min(share, 0.9999) if share < 1.0 - ROUNDING else share:.2%}"
