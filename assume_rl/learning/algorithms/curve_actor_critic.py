"""Actor-critic on reward curves: bids whose hours hang together, of storages above all.

A reward curve says what every rung of a ladder would have brought in an auction, and the unit knows
as well where each would have left it: its state of charge, what its stored energy cost, whether it
runs. So a rung is worth its reward and the discounted value of what would have been observed next.
Only that value has to be learned, of observations, by two networks of which the lesser counts
(Fujimoto et al. 2018); none of them has to know what a bid does. The policy moves up the expected
worth of its own rungs, of all of them at once and without a sample (Allen et al. 2017: mean
actor-critic), plus a weighted entropy that vanishes as training ends.

Values are those of the present policy, whatever was played when a transition was stored: its
rungs, not the best of each auction, which nobody knows before. An action of several entries has
worths for each, the others as they were played; what they add to what was played is summed.
"""

from collections.abc import Mapping, Sequence
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
from assume_rl.learning.fleet import Group
from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.heads import Categorical
from assume_rl.learning.nets.net import Net
from assume_rl.learning.types import CURVE, NEXT_OWN


@dataclass(frozen=True)
class CurveActorCritic:
    """Policies on ladders, and values of what their rungs lead to."""

    name: str = "curve_actor_critic"
    paper: str = "Allen et al. 2017, arXiv:1709.00503; Fujimoto et al. 2018, arXiv:1802.09477"
    status: Status = "experimental"
    on_policy: bool = False

    @property
    def extras(self) -> Mapping[str, int | None]:
        """Nothing beside the action: curves and what follows are of outcomes."""
        return {}

    @property
    def noises(self) -> tuple[str, ...]:
        """None: all rungs count, so that none is drawn."""
        return ()

    def networks(self) -> Mapping[str, NetSpec]:
        """Return an actor, which chooses rungs only, and two values with targets."""
        return {
            "actor": NetSpec("actor", head=None, ladder="categorical"),
            "value": NetSpec("state_value", count=2, target=True, central=False),
        }

    def update(self, work: Work) -> int:
        """Make a step of all values and actors for each batch."""
        chosen, done = settings_of(work, CurveActorCriticConfig), work.done
        weight = chosen.entropy_weight * work.progress**2
        losses = work.compiled(critic_losses), work.compiled(actor_loss)
        lengths, limit = [1] * work.iterations, work.config.max_grad_norm
        for batch in work.batches.rounds(work.update, work.config.batch_size, lengths):
            work.log.iteration()
            done += 1
            now = states_only(work.fleet.groups, batch.now.read)
            nets = zip(work.nets["actor"], work.nets["value"], strict=True)
            for g, (actor, value) in enumerate(nets):
                read = batch.now.read[g]
                with torch.no_grad():
                    worth = worths(value, work.fleet.groups[g], batch, g)
                    target = policy_worth(actor.form, actor.now, read, batch.now.action[g], worth)
                    follow(value, [target])
                loss = losses[0](value.form, value.followed, now, [target])
                (step,) = value.descend(loss, work.rates["value"], limit)
                work.log.step("value", g, step)
                found = losses[1](actor.form, actor.followed, read, worth, weight)
                (step,) = actor.descend([found.total], work.rates["actor"], limit)
                work.log.step("actor", g, step)
                work.log.add("entropy", g, found.entropy)
                work.log.add("expected_worth", g, target.mean(dim=-1))
                if targets_move(done, 1, chosen.target_interval):
                    value.move_target(chosen.tau)
        return work.iterations


def worths(
    value: Net[CriticForm], group: Group, batch: Batch, place: int
) -> Float[Tensor, "seed agent row _"]:
    """Return what rungs are worth, entry by entry: their reward and the value of what follows.

    :param value: networks of a group
    :param group: of agents, as they see it
    :param batch: transitions with reward curves, and what would have been observed next
    :param place: of the group in the fleet
    """
    curve = batch.extras[CURVE][place]
    own = batch.extras[NEXT_OWN][place].view(*curve.shape, -1)
    first, which = distinct(own)
    following = batch.next_obs[place][..., -group.obs_size :]
    row = (first // own.shape[-2]).unsqueeze(-1)
    shared = following[..., : group.obs_size - own.shape[-1]].take_along_dim(row, dim=-2)
    different = own.flatten(2, 3).take_along_dim(first.unsqueeze(-1), dim=-2)
    seen = torch.cat([shared, different], dim=-1)
    (found,) = value.form.values(value.later, only(batch.next_obs, place, seen))
    later = found.amin(dim=0).gather(-1, which).view(curve.shape)
    return curve + (batch.discount * ~batch.terminated)[:, None, :, None] * later


def distinct(
    own: Float[Tensor, "seed agent row rung entry"],
) -> tuple[Int[Tensor, "seed agent different"], Int[Tensor, "seed agent all"]]:
    """Return where what follows differs from the rung below, and which of it each rung leads to.

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


def only(
    read: Sequence[Float[Tensor, "seed _ row _"]],
    place: int,
    obs: Float[Tensor, "seed agent all obs"],
) -> Seen:
    """Return rows of values that see their own agent only: those of one group.

    :param read: what actors read, one tensor per group
    :param place: of the group
    :param obs: its rows
    """
    rows = obs.shape[2]
    parts = tuple(
        obs if k == place else part[:, :, :1].expand(-1, -1, rows, -1)
        for k, part in enumerate(read)
    )
    nothing = tuple(part[..., :0] for part in parts)
    return Seen(parts, nothing, obs.new_zeros(len(obs), rows, 0), parts)


def policy_worth(
    form: ActorForm,
    nets: Any,
    obs: Float[Tensor, "seed agent row obs"],
    action: Float[Tensor, "seed agent row act"],
    worth: Float[Tensor, "seed agent row _"],
) -> Float[Tensor, "seed agent row"]:
    """Return what policies are worth: what was played, and what each entry's choice adds to it.

    :param form: of the actors
    :param nets: their parameters
    :param obs: observations
    :param action: as it was taken, on a rung or not
    :param worth: of all rungs, entry by entry, the others as they were played
    """
    law = form.law
    assert isinstance(law, Categorical)
    entries = action.shape[-1]
    expected = law.expected(form.outputs(nets, obs), worth)
    if entries == 1:
        return expected
    return expected - law.at(worth, law.played(action, obs)) * ((entries - 1) / entries)


CURVE_ACTOR_CRITIC = CurveActorCritic()
