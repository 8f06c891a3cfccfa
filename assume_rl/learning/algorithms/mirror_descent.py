"""Magnetic mirror descent on reward curves: mixed bids that no rival can gain from.

Where every price that is certain can be undercut, an equilibrium is in mixed strategies, and
policies that answer each other with one best price run in circles. Mirror descent takes short steps
instead: the logits `z` of a choice move by what each rung brings against the mixes of others more
than the mean, and are pulled towards those of a reference, the magnet (Sokota et al. 2023,
arXiv:2206.05825, with the divergence to the policy as Bregman divergence):

    z' = (z + step * (reward - mean reward) + step * pull * z_reference) / (1 + step * pull)

With a reference that stays this comes to rest near an equilibrium, the nearer the weaker the pull;
a pull that is too weak lets policies circle. So the pull is firm and the reference follows the
policies slowly: then what it comes to rest at is an equilibrium itself (Yu et al. 2025,
arXiv:2510.18183).

The reward of each rung is the reward curve of an auction in which rivals played one draw of their
mixes; means of many auctions are what counts. The policy is the mix: evaluations draw from it too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.learning.algorithms.base import NetSpec, Status, Work, settings_of
from assume_rl.learning.config import MirrorDescentConfig
from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.heads import Categorical
from assume_rl.learning.types import CURVE


@dataclass(frozen=True)
class MirrorDescent:
    """Magnetic mirror descent of policies on ladders."""

    name: str = "mirror_descent"
    paper: str = "Sokota et al. 2023, arXiv:2206.05825; Yu et al. 2025, arXiv:2510.18183"
    status: Status = "experimental"
    on_policy: bool = True

    @property
    def extras(self) -> Mapping[str, int | None]:
        """Nothing beside the action: rivals' curves know what was played."""
        return {}

    @property
    def noises(self) -> tuple[str, ...]:
        """None: actions were drawn when they were taken."""
        return ()

    def networks(self) -> Mapping[str, NetSpec]:
        """Return an actor that draws rungs, always, and its target, which is the reference."""
        return {"actor": NetSpec("actor", head=None, ladder="mixed", target=True)}

    def update(self, work: Work) -> int:
        """Take the step of mirror descent, then let networks follow it; move the references."""
        chosen = settings_of(work, MirrorDescentConfig)
        batch = work.batches.latest(sum(stretch.rows for stretch in work.stretches))
        step, limit = chosen.mirror_step * work.progress, work.config.max_grad_norm
        shown, aims = [], []
        for g, net in enumerate(work.nets["actor"]):
            obs, curve = summed_up(batch.now.read[g], batch.extras[CURVE][g])
            with torch.no_grad():
                nets = (net.now, net.later)
                aims.append(aim_of(net.form, nets, obs, curve, step, chosen.pull))
            shown.append(obs)
        loss = work.compiled(distance)
        for _ in range(chosen.passes):
            work.log.iteration()
            for g, net in enumerate(work.nets["actor"]):
                aim = aims[g]
                found = loss(net.form, net.followed, shown[g], aim.logits)
                (done,) = net.descend([found], work.rates["actor"], limit)
                work.log.step("actor", g, done)
                for name in ("entropy", "expected_reward", "gain", "divergence"):
                    work.log.add(name, g, getattr(aim, name))
        for net in work.nets["actor"]:
            net.move_target(chosen.reference_share * work.progress)
        return chosen.passes


class Aim(NamedTuple):
    """What mirror descent makes of policies, and measures of these before."""

    logits: Float[Tensor, "seed agent row out"]
    entropy: Float[Tensor, "seed agent"]
    expected_reward: Float[Tensor, "seed agent"]
    gain: Float[Tensor, "seed agent"]  # of the rung that is best for all rows over that
    divergence: Float[Tensor, "seed agent"]  # of the policy from the reference


def summed_up(
    obs: Float[Tensor, "seed agent row *see"], curve: Float[Tensor, "seed agent row out"]
) -> tuple[Float[Tensor, "seed agent _ *see"], Float[Tensor, "seed agent _ out"]]:
    """Return one row with the mean curve where all rows show the same, as in small games.

    Steps of mirror descent are linear in the curve, so that nothing else changes by it.

    :param obs: observations
    :param curve: reward on every rung, entry by entry
    """
    first = obs[:, :, :1]
    if bool((obs == first).all()):
        return first, curve.mean(dim=2, keepdim=True)
    return obs, curve


def aim_of(
    form: ActorForm,
    nets: tuple[Any, Any],
    obs: Float[Tensor, "seed agent row obs"],
    curve: Float[Tensor, "seed agent row _"],
    step: float,
    pull: float,
) -> Aim:
    """Return the logits that one step of mirror descent leads to at each row.

    Those of rungs that are ruled out stay as they are, and so does the mean of the others, which
    says nothing.

    :param form: of the actors
    :param nets: their parameters, and those of the references
    :param obs: observations
    :param curve: reward on every rung, entry by entry
    :param step: length of the step, in logits per reward
    :param pull: towards the reference, in rewards per logit
    """
    law = form.law
    assert isinstance(law, Categorical)
    out, reference = (form.outputs(own, obs) for own in nets)
    share, values = law.shares(out), law.by_entry(curve)
    better = values - (share * values).sum(dim=-1, keepdim=True)
    change = better.flatten(-2) + pull * (reference - out)
    logits = out + law.centred(change, out) * (step / (1.0 + step * pull))
    mean = (share * values).sum(dim=(-2, -1)).mean(dim=-1)
    best = values.mean(dim=-3).amax(dim=-1).sum(dim=-1)
    divergence = law.divergence(out, reference).mean(dim=-1)
    return Aim(logits, law.entropy(out).mean(dim=-1), mean, best - mean, divergence)


def distance(
    form: ActorForm,
    nets: Any,
    obs: Float[Tensor, "seed agent row obs"],
    aim: Float[Tensor, "seed agent row out"],
) -> Float[Tensor, "seed agent"]:
    """Return half the mean squared distance of logits to where they should be.

    The mean over auctions makes networks follow the mean of what rungs were worth against the bids
    of rivals, as mirror descent asks.

    :param form: of the actors
    :param nets: their parameters
    :param obs: observations
    :param aim: logits that they should have
    """
    return 0.5 * (form.outputs(nets, obs) - aim).square().mean(dim=(-2, -1))


MIRROR_DESCENT = MirrorDescent()
