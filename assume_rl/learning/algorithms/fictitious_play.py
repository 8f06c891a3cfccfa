"""Smooth fictitious play on published curves: bids that answer all that rivals have bid for long.

After each auction an agent on a ladder of prices knows what every rung would have brought it, its
reward curve: what exchanges publish of an auction is enough to work it out. So nothing has to be
tried, and no critic has to be learned. The policy moves up the expected reward of its own rungs,
drawn uniformly from the auctions that are remembered, plus a weighted entropy that vanishes as
training ends: against the mix of what was bid there, its best response, smoothed (Fudenberg and
Kreps 1993). A memory of the latest auctions only would let policies run in circles after each
other; one of all keeps answering what was bid at random in the beginning.

An agent that sells nothing whatever it asks would ask anything, and its rivals go by that: their
best response is a cent below it. With a tie break higher rungs cost a little, so that of rungs that
bring the same it asks the lowest, and always the same. The cost, too, vanishes as training ends.

An action of several entries has a curve for each, the others as they were played.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.learning.algorithms.base import NetSpec, Status, Work, settings_of
from assume_rl.learning.config import FictitiousPlayConfig
from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.heads import Categorical
from assume_rl.learning.types import CURVE, Number


@dataclass(frozen=True)
class FictitiousPlay:
    """Smooth fictitious play of policies on ladders."""

    name: str = "fictitious_play"
    paper: str = "Fudenberg and Kreps 1993, doi:10.1006/game.1993.1021"
    status: Status = "experimental"
    on_policy: bool = False

    @property
    def extras(self) -> Mapping[str, int | None]:
        """Return no extras: the update uses the reward curve of all rungs, not the action taken."""
        return {}

    @property
    def noises(self) -> tuple[str, ...]:
        """Return no names: the curves hold all rungs, so none is drawn."""
        return ()

    def networks(self) -> Mapping[str, NetSpec]:
        """Return an actor, which chooses rungs only."""
        return {"actor": NetSpec("actor", head=None, ladder="categorical")}

    def update(self, work: Work) -> int:
        """Make a step of all actors for each batch."""
        chosen = settings_of(work, FictitiousPlayConfig)
        weight = chosen.entropy_weight * work.progress**2
        tie_break = chosen.tie_break * work.progress if chosen.tie_break else 0.0
        loss, lengths = work.compiled(actor_loss), [1] * work.iterations
        for batch in work.batches.rounds(work.update, work.config.batch_size, lengths):
            work.log.iteration()
            for g, net in enumerate(work.nets["actor"]):
                obs, curve = batch.now.read[g], batch.extras[CURVE][g]
                found = loss(net.form, net.followed, obs, curve, weight, tie_break)
                rate, limit = work.rates["actor"], work.config.max_grad_norm
                (step,) = net.descend([found.total], rate, limit)
                work.log.step("actor", g, step)
                for name in ("entropy", "expected_reward", "gap"):
                    work.log.add(name, g, getattr(found, name))
        return work.iterations


class Loss(NamedTuple):
    """The loss of actors, and measures without a graph."""

    total: Float[Tensor, "seed agent"]
    entropy: Float[Tensor, "seed agent"]
    expected_reward: Float[Tensor, "seed agent"]
    gap: Float[Tensor, "seed agent"]  # of the expected reward to that of the best rungs


def actor_loss(
    form: ActorForm,
    nets: Any,
    obs: Float[Tensor, "seed agent row obs"],
    curve: Float[Tensor, "seed agent row _"],
    weight: Number,
    tie_break: Number = 0.0,
) -> Loss:
    """Return the loss whose descent raises expected rewards and the weighted entropy.

    Sums over the entries of an action, means over rows.

    :param form: of the actors
    :param nets: their parameters
    :param obs: observations
    :param curve: reward on every rung, entry by entry; rungs that were ruled out have that of the
        legal one next to them
    :param weight: of the entropy
    :param tie_break: what the highest rung costs more than the lowest, in rewards
    """
    law, out = form.law, form.outputs(nets, obs)
    assert isinstance(law, Categorical)
    expected, entropy = law.expected(out, curve).mean(dim=-1), law.entropy(out).mean(dim=-1)
    gap = law.greatest(curve).mean(dim=-1) - expected.detach()
    total = -expected - weight * entropy
    if isinstance(tie_break, Tensor) or tie_break > 0.0:  # few trainings have one
        height = torch.linspace(0.0, 1.0, law.rungs, device=curve.device, dtype=curve.dtype)
        heights = height.repeat(curve.shape[-1] // law.rungs).expand_as(curve)
        cost = tie_break * law.expected(out, heights).mean(dim=-1)
        total = cost - expected - weight * entropy
    return Loss(total, entropy.detach(), expected.detach(), gap)


FICTITIOUS_PLAY = FictitiousPlay()
