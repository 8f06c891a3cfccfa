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
from typing import Any

from jaxtyping import Float
from torch import Tensor

from assume_rl.learning.algorithms.base import NetSpec, Status, Work, settings_of
from assume_rl.learning.algorithms.fitting import Aim, fit
from assume_rl.learning.config import MirrorDescentConfig
from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.heads import Categorical
from assume_rl.learning.nets.net import Net
from assume_rl.learning.types import Number


@dataclass(frozen=True)
class MirrorDescent:
    """Magnetic mirror descent of policies on ladders."""

    name: str = "mirror_descent"
    paper: str = "Sokota et al. 2023, arXiv:2206.05825; Yu et al. 2025, arXiv:2510.18183"
    status: Status = "experimental"
    on_policy: bool = True

    @property
    def extras(self) -> Mapping[str, int | None]:
        """Return no extras: the reward curves already reflect the rivals' actions."""
        return {}

    @property
    def noises(self) -> tuple[str, ...]:
        """Return no names: actions were drawn when they were taken."""
        return ()

    def networks(self) -> Mapping[str, NetSpec]:
        """Return an actor that draws rungs, always, and its target, which is the reference."""
        return {"actor": NetSpec("actor", head=None, ladder="mixed", target=True)}

    def update(self, work: Work) -> int:
        """Take the step of mirror descent, then let networks follow it; move the references."""
        chosen = settings_of(work, MirrorDescentConfig)
        step = chosen.mirror_step * work.progress

        def aim(net: Net[ActorForm], obs: Tensor, curve: Tensor) -> Aim:
            return aim_of(net.form, (net.now, net.later), obs, curve, step, chosen.pull)

        done = fit(work, chosen.passes, aim)
        for net in work.nets["actor"]:
            net.move_target(chosen.reference_share * work.progress)
        return done


def aim_of(
    form: ActorForm,
    nets: tuple[Any, Any],
    obs: Float[Tensor, "seed agent row obs"],
    curve: Float[Tensor, "seed agent row _"],
    step: Number,
    pull: float,
) -> Aim:
    """Return the logits that one step of mirror descent leads to at each row, and measures before.

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
    measures = {
        "entropy": law.entropy(out).mean(dim=-1),
        "expected_reward": mean,
        "gain": best - mean,
        "divergence": law.divergence(out, reference).mean(dim=-1),
    }
    return Aim(logits, measures)


MIRROR_DESCENT = MirrorDescent()
