import math

import pytest

from assume_rl.evaluation.gap import share_of_best


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
