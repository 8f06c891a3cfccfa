"""Price ladders as other libraries have them: rungs by number, and which of them are legal.

A learner on a ladder decides `size` prices, each of them one of `rungs`. Its action is then the
number of a rung, counted from 0, or of several prices that of each. A mask of those that are legal
is (rung), or of several prices (price rung), which is what TorchRL, and through it BenchMARL, takes
for such actions.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from assume_rl.core.bidding.base import ActionSpec
from assume_rl.errors import ConfigurationError
from assume_rl.learning.nets.heads import Categorical


def legal_rungs(
    action: ActionSpec, observation: Float[Tensor, "*row obs"]
) -> Bool[Tensor, "*row_price rung"] | None:
    """Return the mask of each observation, see above; None: there is no ladder.

    :param action: of the bidder
    :param observation: which ends with the bounds of the rungs
    """
    if not action.rungs:
        return None
    mask = Categorical(action.rungs).legal(observation, action.size)
    return mask.squeeze(-2) if action.size == 1 else mask


def as_bid(action: ActionSpec, given: Tensor) -> Float[Tensor, "*row act"]:
    """Return actions as the environment takes them: in [-1, 1], on a ladder the places of rungs.

    :param action: of the bidder
    :param given: numbers (*row act), clipped to [-1, 1], or on a ladder rungs, counted from 0
    :raises ConfigurationError: one is not finite, or there is no such rung
    """
    if not bool(given.isfinite().all()):
        raise ConfigurationError("an action is not a finite number")
    if not action.rungs:
        return given.clamp(-1.0, 1.0)
    whole = given.round().to(torch.float64)
    wrong = (whole != given) | (whole < 0) | (whole >= action.rungs)
    if bool(wrong.any()):
        raise ConfigurationError(
            f"an action is the number of a rung, 0 to {action.rungs - 1}, not {given[wrong][0]:g}"
        )
    return Categorical(action.rungs).place(whole)
