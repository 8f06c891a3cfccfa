import math

import pytest

from assume_rl.evaluation.gap import earned_only, share_of_best, share_of_profit, share_text


@pytest.mark.parametrize(
    ("reward", "best", "scale", "share"),
    [
        (3.0, 4.0, 4.0, 0.75),
        (-1.0, 4.0, 10.0, -0.25),  # worse than nothing
        (-0.647, -0.2, 12.0, None),  # would be 323.5 %
        (-0.647, 0.2, 12.0, -0.647 / 0.2),
        (1.0, 0.1, 10.0, None),  # exactly 1 % is not above it
        (1.0, 0.1001, 10.0, 1.0 / 0.1001),
        (0.0, 0.0, 0.0, None),
        (1.0, math.nan, math.nan, None),
    ],
)
def test_a_share_needs_a_best_reward_clearly_above_zero(
    reward: float, best: float, scale: float, share: float | None
) -> None:
    assert share_of_best(reward, best, scale) == share


@pytest.mark.parametrize(
    ("part", "profit", "share"),
    [
        (50.0, 200.0, 0.25),
        (1_000.0, 100.0, 10.0),
        (1_001.0, 100.0, None),
        (-1_001.0, 100.0, None),
        (1.0, 0.0, None),
        (1.0, -5.0, None),
        (1.0, math.nan, None),
    ],
)
def test_a_share_of_a_profit_next_to_nothing_has_no_meaning(
    part: float, profit: float, share: float | None
) -> None:
    assert share_of_profit(part, profit) == share
    if profit > 0:
        amount = None if share is not None or part < 0 else "earned only 100 EUR"
        assert earned_only(part / profit, part) == amount


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.5, "50.00%"),
        (0.99987, "99.99%"),
        (0.99996, "99.99%"),  # not 100.00%, beside a gap that is not 0
        (0.99999999, "99.99%"),
        (1.0 - 1e-15, "100.00%"),
        (1.00004, "100.00%"),
        (1.2, "120.00%"),
        (-0.25, "-25.00%"),
    ],
)
def test_a_gap_is_never_rounded_away(share: float, text: str) -> None:
    assert share_text(share) == text
