"""QR-DQN: the possible rewards of rungs, as quantiles, for bidders with an attitude to risk.

Dabney et al. 2018, arXiv:1710.10044. Where DQN learns the mean of what a rung brings, this learns
quantiles of it, by quantile regression: of each target those above count by a quantile's share,
those below by the rest. A bidder takes the rung whose quantiles have the best mean, or the best
mean of the worst share of them, its conditional value at risk (CVaR; Rockafellar and Uryasev 2000).
Policy files keep which, in the name of the head. All else is that of `q_learning`.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from assume_rl.learning.algorithms.q_learning import Lesson, QLearning, by_value
from assume_rl.learning.nets.actor import ActorForm


def quantile_target(
    reward: Float[Tensor, "seed agent row"],
    discount: Float[Tensor, "seed row"],
    following: Float[Tensor, "seed agent row quantile"],
    terminated: Bool[Tensor, "seed row"],
) -> Float[Tensor, "seed agent row quantile"]:
    """Return outcomes that are as likely as each other; nothing follows a termination.

    :param reward: of the transitions
    :param discount: of what follows
    :param following: quantiles of it
    :param terminated: whether nothing does
    """
    goes_on = (discount * ~terminated)[:, None, :, None]
    return reward[..., None] + goes_on * following


def quantile_loss(
    form: ActorForm,
    nets: Any,
    obs: Float[Tensor, "seed agent row obs"],
    action: Float[Tensor, "seed agent row act"],
    target: Float[Tensor, "seed agent row quantile"],
    weight: Float[Tensor, "seed row"] | None = None,
) -> tuple[Float[Tensor, "seed agent"], Float[Tensor, "seed agent row"]]:
    """Return the quantile losses of played rungs, and the errors of their means.

    :param form: of the actors
    :param nets: their parameters
    :param obs: observations
    :param action: as it was taken, on a rung or not
    :param target: outcomes that are as likely as each other
    :param weight: importance of each row; None: all alike
    """
    law = by_value(form)
    found = law.at(form.outputs(nets, obs), law.played(action, obs))
    count = found.shape[-1]
    share = (torch.arange(count, device=found.device, dtype=found.dtype) + 0.5) / count
    # (..., quantile, outcome)
    above = target[..., None, :] - found[..., :, None]
    pull = torch.where(above > 0, share[:, None], share[:, None] - 1.0)
    row = (pull * above).mean(dim=-1).sum(dim=-1)
    row = row if weight is None else row * weight[:, None]
    return row.mean(dim=-1), (target.mean(dim=-1) - found.mean(dim=-1)).detach()


DABNEY = "Dabney et al. 2018, arXiv:1710.10044"
QRDQN = QLearning("qrdqn", DABNEY, Lesson(quantile_target, quantile_loss), ladder="quantile")
