"""Regret matching on reward curves: mixed bids as the average of the bids of the training.

Each rung has a regret: what it would have brought more than the mix that bid, summed over updates
and never below 0 (regret matching+, Tammelin 2014, arXiv:1407.5042). In training rungs are drawn in
proportion to regrets (Hart and Mas-Colell 2000, doi:10.1111/1468-0262.00153). These mixes keep
moving; what comes near an equilibrium is their average, in which the t-th update weighs t. So the
average is the policy: it is saved and evaluated, and does not bid in training.

The reward of each rung is the reward curve of an auction in which rivals played one draw of their
mixes; means of many auctions are what counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.learning.algorithms.base import NetSpec, Status, Work, settings_of
from assume_rl.learning.algorithms.fitting import Aim, fit
from assume_rl.learning.config import RegretMatchingConfig
from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.heads import RULED_OUT, Averaged
from assume_rl.learning.nets.net import Net


@dataclass(frozen=True)
class RegretMatching:
    """Regret matching+ of policies on ladders, which are averages."""

    name: str = "regret_matching"
    paper: str = "Tammelin 2014, arXiv:1407.5042"
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
        """Return an actor of two choices: by regrets, and their average."""
        return {"actor": NetSpec("actor", head=None, ladder="averaged")}

    def update(self, work: Work) -> int:
        """Add to regrets and to the average, then let networks follow both."""

        def aim(net: Net[ActorForm], obs: Tensor, curve: Tensor) -> Aim:
            return aim_of(net.form, net.now, obs, curve, work.update + 1)

        return fit(work, settings_of(work, RegretMatchingConfig).passes, aim)


def aim_of(
    form: ActorForm,
    nets: Any,
    obs: Float[Tensor, "seed agent row obs"],
    curve: Float[Tensor, "seed agent row _"],
    number: Int[Tensor, ""],
) -> Aim:
    """Return the outputs that one update of regret matching+ leads to at each row, and measures.

    Measures are of regrets and averages before; the entropy is that of the average, the expected
    reward that of the mix that bid, and the regret the greatest one per update so far.

    Outputs of rungs that are ruled out stay as they are. Regrets are kept with what the last update
    took off, and cut off at 0 where they are used: so outputs are linear in the curve, and networks
    may follow its mean. The average is in shares times the number of rungs.

    :param form: of the actors
    :param nets: their parameters
    :param obs: observations
    :param curve: reward on every rung, entry by entry
    :param number: of the update, from 1 on
    """
    law = form.law
    assert isinstance(law, Averaged)
    out = form.outputs(nets, obs)
    average, regret = law.halves(out)
    share, values = law.shares(law.explored(out)), law.by_entry(curve)
    better = values - (share * values).sum(dim=-1, keepdim=True)
    weight = (2.0 / (number + 1).double()).to(average.dtype)
    mean = average.clamp(min=0.0).lerp(law.rungs * share.flatten(-2), weight)
    summed = regret.clamp(min=0.0) + better.flatten(-2)
    legal = out > 0.5 * RULED_OUT
    weights = torch.where(legal, torch.cat([mean, summed], dim=-1), out)
    expected = (share * values).sum(dim=(-2, -1)).mean(dim=-1)
    best = values.mean(dim=-3).amax(dim=-1).sum(dim=-1)
    most = law.by_entry(regret).clamp(min=0.0).mean(dim=-3).amax(dim=-1).sum(dim=-1)
    measures = {
        "entropy": law.entropy(out).mean(dim=-1),
        "expected_reward": expected,
        "gain": best - expected,
        "regret": most / (number - 1).clamp(min=1),
    }
    return Aim(weights, measures)


REGRET_MATCHING = RegretMatching()
