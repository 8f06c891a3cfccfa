"""A supply curve against a demand that is not known, as Klemperer and Meyer (1989) solved it.

Residual demand is e - p, and e one of three numbers that are not known when bids are made. Without
cost the best price is e/2 whatever e is, so that a curve through these three points is as good as
knowing e, and better than any single price. Econometrica 57(6), 1243-1277, section 1.
"""

import pytest
import torch
from jaxtyping import Float
from torch import Tensor
from toys import USUAL_SIZES, fleet, learner

from assume_rl.core.bidding.curve import decode
from assume_rl.learning.exploration import Exploration, decide
from assume_rl.learning.types import Joint, Transitions

pytestmark = pytest.mark.unchecked

SHOCKS = torch.tensor([0.4, 0.6, 0.8], dtype=torch.float64)
KNOWING = float((SHOCKS / 2).square().mean())
LAW = Exploration("noise", scale=0.2)


def profit(numbers: Float[Tensor, "... number"]) -> Float[Tensor, "..."]:
    """Return the mean profit over the shocks of a curve of 1 MW in all, with the cap 1."""
    price, share = decode(numbers)
    demand = (SHOCKS - price.unsqueeze(-1)).clamp(min=0)  # (... step shock)
    # Each step sells what demand at its price leaves of it; the last one to sell may set the price.
    sold = torch.minimum(share.cumsum(-1).unsqueeze(-1), demand).amax(-2)
    return (sold * (SHOCKS - sold)).mean(-1)


def best_single() -> float:
    return float(profit(torch.linspace(0, 1, 1001, dtype=torch.float64)[:, None]).max())


def test_the_answer_by_hand() -> None:
    price, share = torch.tensor([0.2, 0.3, 0.4]).double(), torch.tensor([0.2, 0.1, 0.7]).double()
    sold = torch.minimum(share.cumsum(-1)[:, None], (SHOCKS - price[:, None]).clamp(min=0)).amax(0)
    assert sold.tolist() == pytest.approx((SHOCKS / 2).tolist())
    assert pytest.approx(0.29 / 3) == KNOWING
    assert best_single() == pytest.approx(0.09, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["matd3", "isac", "mappo"])
def test_a_learned_curve_beats_every_single_price(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    rows = 32
    ours = learner(
        fleet((1, 5, 1)),
        algorithm=name,
        gamma=0.0,
        batch_size=64,
        gradient_steps=10,
        learning_rate=2e-3,
        actor_hidden=(32, 32),
        critic_hidden=USUAL_SIZES["critic_hidden"],  # smaller ones do not know such a peak
    )
    obs = torch.ones((1, rows, 1, 1), dtype=torch.float64)
    flags = torch.zeros((1, rows), dtype=torch.bool)
    for _ in range(30):
        with torch.no_grad():
            (out,) = ours.outputs([obs])
            act = ours.heads[0].act_size(out.shape[-1])
            z = torch.randn((1, rows, 1, act), generator=generator, dtype=out.dtype)
            drawn = decide(ours.heads[0], out, torch.zeros_like(z), z, LAW)
            extras = {n: drawn.extras[n] for n in ours.algorithm.extras}
            group = Transitions(obs, drawn.action, 10 * profit(drawn.action), obs, extras)
            ours.observe(Joint((group,), flags, flags))
        ours.update(1.0)
    (action,) = ours.actions([obs[:, :1]])
    assert best_single() < 0.96 * KNOWING < float(profit(action)) <= KNOWING
