"""Heads: how the outputs of an actor network are a distribution over actions.

A head is a pure function of network outputs, so that both shells, the updates and a policy loaded
from a file act alike. Random numbers are arguments.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import one_hot, softplus, softsign
from torch.special import ndtr

from assume_rl.errors import PolicyError, nearest


@dataclass(frozen=True)
class Drawn:
    """An action, and the extras of how it was drawn, which algorithms learn from.

    `raw` is the number from which the action was made; a log-probability can be computed of it
    again without loss, which it cannot out of an action close to a bound.
    """

    action: Float[Tensor, "... act"]
    raw: Float[Tensor, "... act"]
    log_prob: Float[Tensor, "..."]  # of `raw` or its density, summed over the entries of an action


@runtime_checkable
class Head(Protocol):
    """The distribution of an agent's actions, given the outputs of its network."""

    @property
    def rungs(self) -> int:
        """Return the rungs of the ladder that actions choose from; 0: any numbers in [-1, 1]."""
        ...

    @property
    def mixed(self) -> bool:
        """Return whether evaluations draw too: the policy is the distribution, not its centre."""
        ...

    def outputs(self, act_size: int) -> int:
        """Return the number of outputs for actions of `act_size` entries."""
        ...

    def act_size(self, outputs: int) -> int:
        """Return the number of entries of actions that `outputs` outputs stand for."""
        ...

    def masked(
        self, out: Float[Tensor, "... out"], obs: Float[Tensor, "... obs"]
    ) -> Float[Tensor, "... out"]:
        """Return outputs that stand for no action which the observation rules out."""
        ...

    def mean(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... act"]:
        """Return the action of an evaluation that draws none, in [-1, 1]."""
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

    def explored(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... out"]:
        """Return the outputs that actions of training are drawn by; for most heads the same."""
        ...

    def log_prob(
        self, out: Float[Tensor, "... out"], raw: Float[Tensor, "... act"]
    ) -> Float[Tensor, "..."]:
        """Return the logarithm of the density, or probability, of `raw`, summed over entries."""
        ...

    def entropy(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "..."]:
        """Return the entropy of `raw`, summed over the entries of an action."""
        ...


@runtime_checkable
class ByValue(Stochastic, Protocol):
    """A head of rungs whose outputs are the rungs' values."""

    def values(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... act rung"]:
        """Return the value of every rung, entry by entry; `RULED_OUT` where it is not legal."""
        ...

    def best(self, out: Float[Tensor, "... out"]) -> Int[Tensor, "... act"]:
        """Return the rungs that are worth most, the first of equal ones."""
        ...

    def at(self, out: Float[Tensor, "... out"], rung: Int[Tensor, "... act"]) -> Tensor:
        """Return the learned values of some rungs, summed over the entries of an action.

        :param out: outputs of the network
        :param rung: one of each entry, counted from 0
        """
        ...

    def played(
        self, action: Float[Tensor, "... act"], obs: Float[Tensor, "... obs"]
    ) -> Int[Tensor, "... act"]:
        """Return the legal rungs next to an action."""
        ...

    def place(self, rung: Float[Tensor, "... act"]) -> Float[Tensor, "... act"]:
        """Return the places of rungs, counted from 0."""
        ...


class AnyNumber:
    """Marks heads whose actions are any numbers in [-1, 1], whatever is observed."""

    rungs: int = 0
    mixed: bool = False

    def masked(
        self, out: Float[Tensor, "... out"], obs: Float[Tensor, "... obs"]
    ) -> Float[Tensor, "... out"]:
        """Return the outputs."""
        return out


class Softsign(AnyNumber):
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


class SquashedGaussian(AnyNumber):
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

    def explored(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... out"]:
        """Return the outputs."""
        return out

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
        """Return the logarithm of the derivative of tanh: log(1 - tanh(raw)^2), summed."""
        return (2.0 * (math.log(2.0) - raw - softplus(-2.0 * raw))).sum(dim=-1)

    def _split(self, out: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = out.chunk(2, dim=-1)
        least, most = LOG_STD
        # 0 gives a standard deviation of exp(-0.5): bids within about 60 % of the cap.
        log_std = (spread - 0.5).clamp(least, most)
        return mean, log_std


RULED_OUT = -1e9  # a logit whose probability is exactly 0
TINY = 1e-30  # a divisor in place of 0


@dataclass(frozen=True)
class Categorical:
    """The choice of one rung of a ladder for each entry of an action.

    Outputs are the logits of all rungs, entry by entry. An action is the place of the chosen rung:
    -1 is the lowest, 1 the highest, others lie evenly between. Observations end with the places of
    the lowest rung that each entry may choose, then with those of the highest.

    :param rungs: of the ladder, at least 2
    :param mixed: whether evaluations draw rungs too, as those of an equilibrium in mixed strategies
        must; else they take the most probable one
    :param dueling: whether networks give advantages of rungs, and after those of each entry what
        their mean is raised to (Wang et al. 2016, arXiv:1511.06581)
    """

    rungs: int
    mixed: bool = False
    dueling: bool = False

    def outputs(self, act_size: int) -> int:
        """Return a logit per entry and rung, and one per entry if they are dueling."""
        return act_size * (self.rungs + self.dueling)

    def act_size(self, outputs: int) -> int:
        """Return one entry per ladder of outputs."""
        return outputs // (self.rungs + self.dueling)

    def masked(
        self, out: Float[Tensor, "... given"], obs: Float[Tensor, "... obs"]
    ) -> Float[Tensor, "... out"]:
        """Return logits that leave no probability to rungs outside the observed bounds.

        :param out: outputs of the network
        :param obs: that the network has read
        """
        given = torch.unflatten(out, -1, (-1, self.rungs + self.dueling))
        legal = self.legal(obs, given.shape[-2])
        logits = raised(given, legal) if self.dueling else given
        return logits.masked_fill(~legal, RULED_OUT).flatten(-2)

    def legal(
        self, obs: Float[Tensor, "... obs"], entries: int
    ) -> Bool[Tensor, "... {entries} rung"]:
        """Return which rungs the observed bounds leave to each entry."""
        low, high = (bound.unsqueeze(-1) for bound in self._bounds(obs, entries))
        rung = torch.arange(self.rungs, device=obs.device)
        return (rung >= low) & (rung <= high)

    def mean(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... act"]:
        """Return the place of the most probable rung."""
        return self.place(self.best(out).to(out.dtype))

    def draw(self, out: Float[Tensor, "... out"], z: Float[Tensor, "... act"]) -> Drawn:
        """Return the rung in whose share of the distribution the quantile of `z` lies."""
        raw = _rung_of(self.shares(out), z)
        return Drawn(self.place(raw), raw, self.log_prob(out, raw))

    def explored(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... out"]:
        """Return the outputs."""
        return out

    def log_prob(
        self, out: Float[Tensor, "... out"], raw: Float[Tensor, "... act"]
    ) -> Float[Tensor, "..."]:
        """Return the logarithm of the probability of the rungs `raw`, counted from 0."""
        found = self.by_entry(out).log_softmax(dim=-1)
        return found.gather(-1, raw.long().unsqueeze(-1)).squeeze(-1).sum(dim=-1)

    def entropy(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "..."]:
        """Return the entropy of the choice, summed over the entries of an action."""
        found = self.by_entry(out).log_softmax(dim=-1)
        return -(found.exp() * found).sum(dim=(-2, -1))

    def expected(
        self, out: Float[Tensor, "... out"], values: Float[Tensor, "... out"]
    ) -> Float[Tensor, "..."]:
        """Return the mean of values over the choice, summed over the entries of an action.

        :param out: outputs of the network
        :param values: of all rungs, entry by entry
        """
        return (self.shares(out) * self.by_entry(values)).sum(dim=(-2, -1))

    def played(
        self, action: Float[Tensor, "... act"], obs: Float[Tensor, "... obs"]
    ) -> Int[Tensor, "... act"]:
        """Return the rungs that actions are bid at: the legal ones next to them, counted from 0.

        :param action: places of rungs, or any numbers
        :param obs: which rules rungs out
        """
        low, high = self._bounds(obs, action.shape[-1])
        return self._number(action).clamp(low, high).clamp(0, self.rungs - 1).long()

    def at(
        self, values: Float[Tensor, "... out"], rung: Int[Tensor, "... act"]
    ) -> Float[Tensor, "..."]:
        """Return values at some rungs, summed over the entries of an action.

        :param values: of all rungs, entry by entry
        :param rung: one of each entry, counted from 0
        """
        return self.by_entry(values).gather(-1, rung.unsqueeze(-1)).squeeze(-1).sum(dim=-1)

    def shares(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... act rung"]:
        """Return the probability of each rung, entry by entry."""
        return self.by_entry(out).softmax(dim=-1)

    def place(self, rung: Float[Tensor, "... act"]) -> Float[Tensor, "... act"]:
        """Return the places of rungs, counted from 0."""
        return rung * (2.0 / (self.rungs - 1)) - 1.0

    def values(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... act rung"]:
        """Return the value of every rung, where logits are values."""
        return self.by_entry(out)

    def by_entry(self, values: Float[Tensor, "... out"]) -> Float[Tensor, "... act rung"]:
        """Return values of all rungs, such as logits or a reward curve, with an axis of entries."""
        return values.reshape(*values.shape[:-1], values.shape[-1] // self.rungs, self.rungs)

    def divergence(
        self, out: Float[Tensor, "... out"], other: Float[Tensor, "... out"]
    ) -> Float[Tensor, "..."]:
        """Return the Kullback-Leibler divergence from another choice, summed over entries.

        :param out: outputs of the network
        :param other: those of the network of the other choice, at the same observation
        """
        found, theirs = (self.by_entry(own).log_softmax(dim=-1) for own in (out, other))
        return (found.exp() * (found - theirs)).sum(dim=(-2, -1))

    def centred(
        self, values: Float[Tensor, "... out"], out: Float[Tensor, "... out"]
    ) -> Float[Tensor, "... out"]:
        """Return values less their mean over the rungs of an entry; 0 where one is ruled out.

        :param values: of all rungs, entry by entry
        :param out: masked outputs of the network, which say what is ruled out
        """
        legal, found = self.by_entry(out) > 0.5 * RULED_OUT, self.by_entry(values)
        mean = torch.where(legal, found, 0.0).sum(dim=-1, keepdim=True)
        mean = mean / legal.sum(dim=-1, keepdim=True)
        return torch.where(legal, found - mean, 0.0).flatten(-2)

    def greatest(self, values: Float[Tensor, "... out"]) -> Float[Tensor, "..."]:
        """Return the greatest of values on all rungs, summed over the entries of an action."""
        return self.by_entry(values).amax(dim=-1).sum(dim=-1)

    def best(self, out: Float[Tensor, "... out"]) -> Int[Tensor, "... act"]:
        """Return the rungs that have the greatest logit, the first of equal ones."""
        return self.by_entry(out).argmax(dim=-1)

    def _bounds(self, obs: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Return the lowest and the highest rung that each of `size` entries may choose."""
        low, high = self._number(obs[..., -2 * size :]).chunk(2, dim=-1)
        return low, torch.maximum(low, high)

    def _number(self, place: Tensor) -> Tensor:
        return ((place + 1.0) * (0.5 * (self.rungs - 1))).round()


def _rung_of(
    share: Float[Tensor, "... act rung"], z: Float[Tensor, "... act"]
) -> Float[Tensor, "... act"]:
    """Return the rung, counted from 0, in whose share the quantile of `z` lies."""
    passed = (share.cumsum(dim=-1) <= ndtr(z).unsqueeze(-1)).sum(dim=-1)
    # Shares may add up to a little less than 1, so that a quantile lies above all of them.
    rung = torch.arange(share.shape[-1], device=share.device)
    last = torch.where(share > 0, rung, 0).amax(dim=-1)
    return torch.minimum(passed, last).to(share.dtype)


def raised(
    given: Float[Tensor, "... entry output"], legal: Bool[Tensor, "... entry rung"]
) -> Float[Tensor, "... entry rung"]:
    """Return advantages less their mean over legal rungs, plus the value of the state.

    :param given: advantages of all rungs and the value of the state
    :param legal: rungs that count
    """
    advantage, value = given[..., :-1], given[..., -1:]
    # At least one is legal.
    mean = torch.where(legal, advantage, 0.0).sum(-1, keepdim=True) / legal.sum(-1, keepdim=True)
    return value + advantage - mean


def greedy_shares(
    head: ByValue, out: Float[Tensor, "... out"], epsilon: float
) -> Float[Tensor, "... act rung"]:
    """Return the probability of each rung where the best is taken but for a share of draws.

    :param head: says what rungs are worth
    :param out: outputs of the network
    :param epsilon: the share, in which all legal rungs are alike
    """
    values = head.values(out)
    legal = values > 0.5 * RULED_OUT
    best = one_hot(values.argmax(dim=-1), values.shape[-1])
    share = (1.0 - epsilon) * best + epsilon * legal / legal.sum(dim=-1, keepdim=True)
    return share.to(out.dtype)


def mostly_best(
    head: ByValue, out: Float[Tensor, "... out"], z: Float[Tensor, "... act"], epsilon: float
) -> Drawn:
    """Return the best rung of each entry, but for a share of draws any legal one.

    :param head: says what rungs are worth
    :param out: outputs of the network
    :param z: standard normal draws, one for whether and which
    :param epsilon: the share
    """
    share = greedy_shares(head, out, epsilon)
    raw = _rung_of(share, z)
    probability = share.gather(-1, raw.long().unsqueeze(-1)).squeeze(-1)
    return Drawn(head.place(raw), raw, probability.log().sum(dim=-1))


@dataclass(frozen=True)
class Averaged:
    """Two choices of one rung of a ladder for each entry: that of training, and its average.

    Outputs are the weights of all rungs, entry by entry: first those of the average, which is the
    policy, then those that actions of training are drawn by. A rung has a probability in proportion
    to its weight, 0 if that is negative; where none is positive all legal rungs are alike. Actions
    and bounds are those of `Categorical`.

    :param rungs: of the ladder, at least 2
    """

    rungs: int
    mixed: bool = True

    def outputs(self, act_size: int) -> int:
        """Return two weights per entry and rung."""
        return 2 * act_size * self.rungs

    def act_size(self, outputs: int) -> int:
        """Return one entry per two ladders of outputs."""
        return outputs // (2 * self.rungs)

    def masked(
        self, out: Float[Tensor, "... out"], obs: Float[Tensor, "... obs"]
    ) -> Float[Tensor, "... out"]:
        """Return weights that leave no probability to rungs outside the observed bounds."""
        return torch.cat([self._choice.masked(half, obs) for half in self.halves(out)], dim=-1)

    def mean(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... act"]:
        """Return the place of the rung that is most probable in the average."""
        return self._choice.mean(self.halves(out)[0])

    def draw(self, out: Float[Tensor, "... out"], z: Float[Tensor, "... act"]) -> Drawn:
        """Return the rung in whose share of the average the quantile of `z` lies."""
        raw = _rung_of(self.shares(out), z)
        return Drawn(self._choice.place(raw), raw, self.log_prob(out, raw))

    def explored(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... out"]:
        """Return outputs that have the choice of training in place of the average."""
        training = self.halves(out)[1]
        return torch.cat([training, training], dim=-1)

    def log_prob(
        self, out: Float[Tensor, "... out"], raw: Float[Tensor, "... act"]
    ) -> Float[Tensor, "..."]:
        """Return the logarithm of the probability of the rungs `raw` in the average."""
        found = self.shares(out).gather(-1, raw.long().unsqueeze(-1))
        return found.squeeze(-1).log().sum(dim=-1)

    def entropy(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "..."]:
        """Return the entropy of the average, summed over the entries of an action."""
        share = self.shares(out)
        return -share.xlogy(share).sum(dim=(-2, -1))

    def shares(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... act rung"]:
        """Return the probability of each rung in the average, entry by entry."""
        weight = self._choice.by_entry(self.halves(out)[0])
        positive, alike = weight.clamp(min=0.0), weight.clamp(max=0.5 * RULED_OUT).softmax(dim=-1)
        total = positive.sum(dim=-1, keepdim=True)
        return torch.where(total > 0, positive / total.clamp(min=TINY), alike)

    def by_entry(self, values: Float[Tensor, "... half"]) -> Float[Tensor, "... act rung"]:
        """Return values of all rungs, such as a reward curve, with an axis of entries."""
        return self._choice.by_entry(values)

    def halves(
        self, out: Float[Tensor, "... out"]
    ) -> tuple[Float[Tensor, "... half"], Float[Tensor, "... half"]]:
        """Return the weights of the average, and those of training."""
        average, training = out.chunk(2, dim=-1)
        return average, training

    @property
    def _choice(self) -> Categorical:
        return Categorical(self.rungs)


@dataclass(frozen=True)
class Quantiles:
    """The possible rewards of rungs, as quantiles; the choice of one for each entry of an action.

    Outputs are `count` quantiles of each rung, entry by entry, at the middles of as many equal
    shares (Dabney et al. 2018, arXiv:1710.10044). What an action brings has the sums of the
    quantiles of its entries, as if luck were the same for all of them. Actions and bounds are those
    of `Categorical`.

    :param rungs: of the ladder, at least 2
    :param count: quantiles
    :param worst: share of the worst outcomes whose mean a rung is worth; 1: the mean of all
    """

    rungs: int
    count: int = 32
    worst: float = 1.0
    mixed: bool = False

    def outputs(self, act_size: int) -> int:
        """Return the quantiles per entry and rung."""
        return act_size * self.rungs * self.count

    def act_size(self, outputs: int) -> int:
        """Return one entry per ladder of quantiles."""
        return outputs // (self.rungs * self.count)

    def masked(
        self, out: Float[Tensor, "... out"], obs: Float[Tensor, "... obs"]
    ) -> Float[Tensor, "... out"]:
        """Return quantiles that are out of reach for rungs outside the observed bounds."""
        found = self.by_rung(out)
        legal = self._choice.legal(obs, found.shape[-3]).unsqueeze(-1)
        return found.masked_fill(~legal, RULED_OUT).flatten(-3)

    def values(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... act rung"]:
        """Return the mean of the worst outcomes of every rung."""
        found = self.by_rung(out)
        if self.worst == 1.0:
            return found.mean(dim=-1)
        # The share may end within a quantile, which then counts in part.
        order = torch.arange(self.count, device=out.device, dtype=out.dtype)
        weight = (self.worst * self.count - order).clamp(0.0, 1.0)
        return (found.sort(dim=-1).values * weight).sum(dim=-1) / weight.sum()

    def best(self, out: Float[Tensor, "... out"]) -> Int[Tensor, "... act"]:
        """Return the rungs that are worth most, the first of equal ones."""
        return self.values(out).argmax(dim=-1)

    def at(
        self, out: Float[Tensor, "... out"], rung: Int[Tensor, "... act"]
    ) -> Float[Tensor, "... quantile"]:
        """Return the quantiles of some rungs, summed over the entries of an action.

        :param out: outputs of the network
        :param rung: one of each entry, counted from 0
        """
        place = rung[..., None, None].expand(*rung.shape, 1, self.count)
        return self.by_rung(out).gather(-2, place).squeeze(-2).sum(dim=-2)

    def mean(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... act"]:
        """Return the places of the rungs that are worth most."""
        return self.place(self.best(out).to(out.dtype))

    def draw(self, out: Float[Tensor, "... out"], z: Float[Tensor, "... act"]) -> Drawn:
        """Return rungs drawn by their values, as `Categorical` does."""
        return self._choice.draw(self.values(out).flatten(-2), z)

    def explored(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... out"]:
        """Return the outputs."""
        return out

    def log_prob(
        self, out: Float[Tensor, "... out"], raw: Float[Tensor, "... act"]
    ) -> Float[Tensor, "..."]:
        """Return the logarithm of the probability of the rungs `raw`, counted from 0."""
        return self._choice.log_prob(self.values(out).flatten(-2), raw)

    def entropy(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "..."]:
        """Return the entropy of draws, summed over the entries of an action."""
        return self._choice.entropy(self.values(out).flatten(-2))

    def played(
        self, action: Float[Tensor, "... act"], obs: Float[Tensor, "... obs"]
    ) -> Int[Tensor, "... act"]:
        """Return the legal rungs next to an action."""
        return self._choice.played(action, obs)

    def place(self, rung: Float[Tensor, "... act"]) -> Float[Tensor, "... act"]:
        """Return the places of rungs, counted from 0."""
        return self._choice.place(rung)

    def by_rung(self, out: Float[Tensor, "... out"]) -> Float[Tensor, "... act rung quantile"]:
        """Return quantiles with axes of entries and rungs."""
        return torch.unflatten(out, -1, (-1, self.rungs, self.count))

    @property
    def _choice(self) -> Categorical:
        return Categorical(self.rungs)


SQUASHED_GAUSSIAN = SquashedGaussian()
HEADS: dict[str, Head] = {"softsign": Softsign(), "squashed_gaussian": SQUASHED_GAUSSIAN}
"""Heads of actions in [-1, 1], by the name that policy files keep."""

LADDER_HEADS: dict[str, Callable[..., Head]] = {
    "categorical": Categorical,
    "dueling": partial(Categorical, dueling=True),
    "mixed": partial(Categorical, mixed=True),
    "averaged": Averaged,
    "quantile": Quantiles,
}
"""Heads of actions on a ladder, given its rungs; policy files keep `<name>_<rungs>`."""


QUANTILE = r"quantile-(\d+)-(\d+(?:\.\d+)?(?:e-\d+)?)"
"""Head of quantiles: how many, and the share of the worst that counts."""


def head_of(name: str) -> Head:
    """Return the head that policy files call `name`.

    :raises PolicyError: there is none
    """
    if name in HEADS:
        return HEADS[name]
    kind, _, rungs = name.rpartition("_")
    if rungs.isdecimal() and int(rungs) >= 2:
        if kind in LADDER_HEADS:
            return LADDER_HEADS[kind](int(rungs))
        if found := re.fullmatch(QUANTILE, kind):
            count, worst = int(found[1]), float(found[2])
            if count >= 2 and 0 < worst <= 1:
                return Quantiles(int(rungs), count, worst)
    valid = [*HEADS, *(f"{own}_<rungs>" for own in LADDER_HEADS)]
    raise PolicyError(f"unknown head '{name}', {nearest(name, valid)}")
