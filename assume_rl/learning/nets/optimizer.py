"""Optimisers of one buffer of parameters, by their names in `learning_config.optimizer`.

They work entry by entry, so one optimiser of many networks equals one per network; and a step is
linear in the learning rate, so that networks beside each other can have rates of their own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw

from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.types import Number

BETAS, EPSILON = (0.9, 0.999), 1e-8
ALPHA = 0.99


@dataclass(frozen=True)
class Optimizer:
    """An optimiser with its moments; steps are written in place."""

    kind: str  # key of `OPTIMIZERS`
    weight_decay: float
    parameters: Flat
    moments: Mapping[str, Flat]  # by the names that torch gives them
    step: Float[Tensor, ""]  # counts steps

    @classmethod
    def of(
        cls, parameters: Flat, kind: str = "adamw", weight_decay: float | None = None
    ) -> "Optimizer":
        """Return an optimiser with moments of zero.

        :param parameters: that it changes
        :param kind: key of `OPTIMIZERS`
        :param weight_decay: None: that of the kind
        """
        own = OPTIMIZERS[kind]
        decay = own.weight_decay if weight_decay is None else weight_decay
        step = torch.zeros((), dtype=torch.float32, device=parameters.buffer.device)
        moments = {name: parameters.like() for name in own.moments}
        return cls(kind, decay, parameters, moments, step)

    def descend(self, gradient: Flat, rate: Number) -> None:
        """Make one step down the gradient, in place."""
        OPTIMIZERS[self.kind].descend(self, gradient, rate)


@dataclass(frozen=True)
class Kind:
    """A kind of optimiser."""

    moments: tuple[str, ...]
    weight_decay: float  # unless a user wants another
    descend: Callable[[Optimizer, Flat, Number], None]  # (optimiser, gradient, learning rate)


def _adaptive_moments(
    function: Callable[..., None],
) -> Callable[[Optimizer, Flat, Number], None]:
    """Return a function for a step of Adam or AdamW, which have the same arguments in torch."""

    def descend(own: Optimizer, gradient: Flat, rate: Number) -> None:
        if isinstance(rate, Tensor) and rate.is_cuda:
            rate = rate.float()  # as its fused kernel reads it
        function(
            [own.parameters.buffer],
            [gradient.buffer],
            [own.moments["exp_avg"].buffer],
            [own.moments["exp_avg_sq"].buffer],
            [],
            [own.step],
            foreach=False,
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=rate,
            weight_decay=own.weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    return descend


def _sgd(own: Optimizer, gradient: Flat, rate: Number) -> None:
    """Make a step of stochastic gradient descent, without momentum."""
    own.step.add_(1.0)
    _move(own, _decayed(own, gradient), rate)


def _rmsprop(own: Optimizer, gradient: Flat, rate: Number) -> None:
    """Make a step of RMSProp (Tieleman and Hinton 2012, Coursera lecture 6.5), without momentum."""
    own.step.add_(1.0)
    slope, square = _decayed(own, gradient), own.moments["square_avg"].buffer
    square.mul_(ALPHA).addcmul_(slope, slope, value=1.0 - ALPHA)
    _move(own, slope / square.sqrt().add_(EPSILON), rate)


def _decayed(own: Optimizer, gradient: Flat) -> Float[Tensor, " entry"]:
    """Return the gradient, plus the weight decay."""
    if own.weight_decay == 0:
        return gradient.buffer
    return gradient.buffer.add(own.parameters.buffer, alpha=own.weight_decay)


def _move(own: Optimizer, slope: Float[Tensor, " entry"], rate: Number) -> None:
    """Move parameters against a direction; torch's own in-place steps read a tensor rate back."""
    own.parameters.buffer.sub_(slope * rate)


OPTIMIZERS: dict[str, Kind] = {
    # Loshchilov and Hutter 2019, arXiv:1711.05101; Kingma and Ba 2015, arXiv:1412.6980
    "adamw": Kind(("exp_avg", "exp_avg_sq"), 0.01, _adaptive_moments(adamw)),
    "adam": Kind(("exp_avg", "exp_avg_sq"), 0.0, _adaptive_moments(adam)),
    "sgd": Kind((), 0.0, _sgd),
    "rmsprop": Kind(("square_avg",), 0.0, _rmsprop),
}
"""Kinds of optimisers. `adamw` shrinks parameters, others add the decay of weights to gradients."""
