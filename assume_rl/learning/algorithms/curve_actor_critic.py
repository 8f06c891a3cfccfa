"""Actor-critic on reward curves: bids whose hours hang together, of storages above all.

A reward curve says what every rung of a ladder would have brought in an auction, and the unit knows
as well where each would have left it: its state of charge, what its stored energy cost, whether it
runs. So a rung is worth its reward and the discounted value of what would have been observed next.
Only that value has to be learned, of observations, by two networks of which the lesser counts
(Fujimoto et al. 2018); none of them has to know what a bid does. The policy moves up the expected
worth of its own rungs, of all of them at once and without a sample (Allen et al. 2017: mean
actor-critic), plus a weighted entropy that vanishes as training ends.

Values are central, or see their own agent only. Central ones are shown of a rung what the agent
itself would have observed next, and of its rivals what these did observe: how they would have
reacted to the rung does not enter (as actions of others stay in Foerster et al. 2018).

Values are those of the present policy, whatever was played when a transition was stored: its
rungs, not the best of each auction, which nobody knows before. An action of several entries has
worths for each, the others as they were played; their mean counts. (The sum of what they add to
what was played would count twice what either of them brings, such as a start.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.learning.algorithms.base import (
    NetSpec,
    Status,
    Work,
    critic_losses,
    settings_of,
    targets_move,
)
from assume_rl.learning.algorithms.fictitious_play import actor_loss
from assume_rl.learning.config import CurveActorCriticConfig
from assume_rl.learning.critics.base import CriticForm, Seen, states_only
from assume_rl.learning.critics.normalised import follow
from assume_rl.learning.data.batches import Batch
from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.heads import Categorical
from assume_rl.learning.types import CURVE, NEXT_OWN


@dataclass(frozen=True)
class CurveActorCritic:
    """Policies on ladders, and values of the states that their rungs lead to."""

    name: str
    paper: str
    central: bool
    status: Status = "experimental"
    on_policy: bool = False

    @property
    def extras(self) -> Mapping[str, int | None]:
        """Return no extras: reward curves are extras of outcomes."""
        return {}

    @property
    def noises(self) -> tuple[str, ...]:
        """Return no names: the update uses all rungs and draws none."""
        return ()

    def networks(self) -> Mapping[str, NetSpec]:
        """Return an actor, which chooses rungs only, and two values with targets."""
        return {
            "actor": NetSpec("actor", head=None, ladder="categorical"),
            "value": NetSpec("state_value", count=2, target=True, central=self.central),
        }

    def update(self, work: Work) -> int:
        """Make a step of all values and actors for each batch."""
        chosen, done = settings_of(work, CurveActorCriticConfig), work.done
        weight = chosen.entropy_weight * work.progress**2
        losses = work.compiled(critic_losses), work.compiled(actor_loss)
        lengths, limit = [1] * work.iterations, work.config.max_grad_norm
        actors = work.nets["actor"]
        for batch in work.batches.rounds(work.update, work.config.batch_size, lengths):
            work.log.iteration()
            done += 1
            read = batch.now.read
            now = states_only(work.fleet.groups, read)
            following = states_only(work.fleet.groups, batch.next_obs)
            worth: dict[int, Tensor] = {}
            for value in work.nets["value"]:
                targets = []
                with torch.no_grad():
                    context = value.form.context(value.later, following)
                    for g in value.form.groups:
                        worth[g] = worths(value.form, context, following, batch, g)
                        form, nets = actors[g].form, actors[g].now
                        targets.append(policy_worth(form, nets, read[g], worth[g]))
                    follow(value, targets)
                found = losses[0](value.form, value.followed, now, targets)
                steps = value.descend(found, work.rates["value"], limit)
                for g, step, target in zip(value.form.groups, steps, targets, strict=True):
                    work.log.step("value", g, step)
                    work.log.add("expected_worth", g, target.mean(dim=-1))
                if targets_move(done, 1, chosen.target_interval):
                    value.move_target(chosen.tau)
            for g, actor in enumerate(actors):
                loss = losses[1](actor.form, actor.followed, read[g], worth[g], weight)
                (step,) = actor.descend([loss.total], work.rates["actor"], limit)
                work.log.step("actor", g, step)
                work.log.add("entropy", g, loss.entropy)
        return work.iterations


def worths(
    form: CriticForm, context: Any, following: Seen, batch: Batch, place: int
) -> Float[Tensor, "seed agent row _"]:
    """Return the worth of rungs, entry by entry: their reward and the next state's value.

    :param form: of the values
    :param context: of their targets, of what was observed next
    :param following: what was observed next, by all
    :param batch: transitions with reward curves, and what the agent would have observed next
    :param place: of the group in the fleet
    """
    curve = batch.extras[CURVE][place]
    own = batch.extras[NEXT_OWN][place].view(*curve.shape, -1)
    first, which = distinct(own)
    row = first // own.shape[-2]
    made = following.obs[place].take_along_dim(row.unsqueeze(-1), dim=-2)
    different = own.flatten(2, 3).take_along_dim(first.unsqueeze(-1), dim=-2)
    obs = torch.cat([made[..., : made.shape[-1] - own.shape[-1]], different], dim=-1)
    found = form.with_obs(context, following, place, row, obs)
    later = found.amin(dim=0).gather(-1, which).view(curve.shape)
    return curve + (batch.discount * ~batch.terminated)[:, None, :, None] * later


def distinct(
    own: Float[Tensor, "seed agent row rung entry"],
) -> tuple[Int[Tensor, "seed agent different"], Int[Tensor, "seed agent all"]]:
    """Return where next states differ from the rung below, and each rung's index among them.

    Most rungs lead to the same as their neighbours: all is sold, or nothing. Rungs are counted
    through, row by row.

    :param own: what would have been observed next after every rung
    """
    changes = (own[..., 1:, :] != own[..., :-1, :]).any(dim=-1)
    new = torch.cat([torch.ones_like(changes[..., :1]), changes], dim=-1).flatten(2)
    which = new.cumsum(dim=-1) - 1
    rung = torch.arange(new.shape[-1], device=own.device).expand_as(which)
    # Any rung stands for all that lead to the same.
    first = which.new_zeros(*which.shape[:-1], int(which.max()) + 1).scatter(-1, which, rung)
    return first, which


def policy_worth(
    form: ActorForm,
    nets: Any,
    obs: Float[Tensor, "seed agent row obs"],
    worth: Float[Tensor, "seed agent row _"],
) -> Float[Tensor, "seed agent row"]:
    """Return the worth of policies that choose one entry anew: the mean over the entries.

    :param form: of the actors
    :param nets: their parameters
    :param obs: observations
    :param worth: of all rungs, entry by entry, the others as they were played
    """
    law, out = form.law, form.outputs(nets, obs)
    assert isinstance(law, Categorical)
    return law.expected(out, worth) / law.by_entry(out).shape[-2]


ALLEN = "Allen et al. 2017, arXiv:1709.00503; Fujimoto et al. 2018, arXiv:1802.09477"
FOERSTER = f"{ALLEN}; Foerster et al. 2018, arXiv:1705.08926"
CURVE_ACTOR_CRITIC = CurveActorCritic("curve_actor_critic", FOERSTER, central=True)
INDEPENDENT_CURVE_ACTOR_CRITIC = CurveActorCritic(
    "independent_curve_actor_critic", ALLEN, central=False
)
