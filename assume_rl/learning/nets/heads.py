"""Heads: what the outputs of an actor network mean as a distribution over actions.

A head is a pure function of network outputs, so that both shells, the updates and a policy loaded
from a file act alike. Random numbers are arguments.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus, softsign


@dataclass(frozen=True)
class Drawn:
    """An action, and what an algorithm must know of how it was drawn.

    `raw` is the number from which the action was made; a log-probability can be computed of it
    again without loss, which it cannot out of an action close to a bound.
    """

    action: Float[Tensor, "... act"]
    raw: Float[Tensor, "... act"]
    log_prob: Float[Tensor, "..."]  # density of `raw`, summed over the entries of an action


@runtime_checkable
class Head(Protocol):
    """The distribution of an agent's actions, given the outputs of its network."""

    def outputs(self, act_size: int) -> int:
        """Return the number of outputs for actions of `act_size` entries."""
        ...

    def act_size(self, outputs: int) -> int:
        """Return the number of entries of actions that `outputs` outputs stand for."""
        ...

    def mean(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... act"]:
        """Return the action of an evaluation, in [-1, 1]."""
        ...


@runtime_checkable
class Stochastic(Head, Protocol):
    """A head from which actions are drawn."""

    def draw(self, out: Float[Tensor, "... out"], z: Float[Tensor, "... act"]) -> Drawn:
        """Return an action.

        :param out: outputs of the network
        :param z: standard normal draws
        """
        ...

    def log_prob(
        self, out: Float[Tensor, "... out"], raw: Float[Tensor, "... act"]
    ) -> Float[Tensor, "..."]:
        """Return the log-density of `raw`, summed over the entries of an action."""
        ...

    def entropy(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "..."]:
        """Return the entropy of `raw`, summed over the entries of an action."""
        ...


class Softsign:
    """A deterministic action, the outputs' softsign."""

    def outputs(self, act_size: int) -> int:
        """Return one output per entry."""
        return act_size

    def act_size(self, outputs: int) -> int:
        """Return one entry per output."""
        return outputs

    def mean(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... act"]:
        """Return the action."""
        return softsign(out)


LOG_STD = (-5.0, 2.0)  # bounds of the logarithm of a standard deviation
HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)


class SquashedGaussian:
    """The hyperbolic tangent of a normal number (Haarnoja et al. 2018, arXiv:1812.05905, App. C).

    Outputs are the means, then what the logarithms of the standard deviations follow from.
    """

    def outputs(self, act_size: int) -> int:
        """Return a mean and a spread per entry."""
        return 2 * act_size

    def act_size(self, outputs: int) -> int:
        """Return one entry per two outputs."""
        return outputs // 2

    def mean(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... act"]:
        """Return the action at the mean of the normal number."""
        return self._split(out)[0].tanh()

    def draw(self, out: Float[Tensor, "... out"], z: Float[Tensor, "... act"]) -> Drawn:
        """Return the action made of `z`, with the density of the normal number."""
        mean, log_std = self._split(out)
        raw = mean + log_std.exp() * z
        log_prob = -(0.5 * z.square() + log_std + HALF_LOG_TAU).sum(dim=-1)
        return Drawn(raw.tanh(), raw, log_prob)

    def log_prob(
        self, out: Float[Tensor, "... out"], raw: Float[Tensor, "... act"]
    ) -> Float[Tensor, "..."]:
        """Return the log-density of the normal number `raw`."""
        mean, log_std = self._split(out)
        z = (raw - mean) * (-log_std).exp()
        return -(0.5 * z.square() + log_std + HALF_LOG_TAU).sum(dim=-1)

    def entropy(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "..."]:
        """Return the entropy of the normal number."""
        return (self._split(out)[1] + HALF_LOG_TAU + 0.5).sum(dim=-1)

    def squash(self, raw: Float[Tensor, "... act"]) -> Float[Tensor, "..."]:
        """Return what the squashing takes from a log-density: log(1 - tanh(raw)^2), summed."""
        return (2.0 * (math.log(2.0) - raw - softplus(-2.0 * raw))).sum(dim=-1)

    def _split(self, out: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = out.chunk(2, dim=-1)
        least, most = LOG_STD
        # 0 gives a standard deviation of exp(-0.5): bids within about 60 % of the cap.
        log_std = (spread - 0.5).clamp(least, most)
        return mean, log_std


SQUASHED_GAUSSIAN = SquashedGaussian()
HEADS: dict[str, Head] = {"softsign": Softsign(), "squashed_gaussian": SQUASHED_GAUSSIAN}
"""What actor networks may end in, by the name that policy files keep."""
