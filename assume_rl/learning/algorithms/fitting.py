"""Networks are fitted to where an update leads their outputs, by steps down a squared distance."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.learning.algorithms.base import Work
from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.net import Net
from assume_rl.learning.types import CURVE


class Aim(NamedTuple):
    """Outputs that actors should have, and measures of the policies before, by name."""

    outputs: Float[Tensor, "seed agent row out"]
    measures: Mapping[str, Float[Tensor, "seed agent"]]


def fit(work: Work, passes: int, aim_of: Callable[[Net[ActorForm], Tensor, Tensor], Aim]) -> int:
    """Fit actors to the targets of all auctions since the last update; return gradient steps.

    :param work: the learner's parts
    :param passes: gradient steps
    :param aim_of: returns the aim of actors at observations and reward curves
    """
    batch = work.batches.latest(sum(stretch.rows for stretch in work.stretches))
    shown, curves = batch.now.read, batch.extras[CURVE]
    with torch.no_grad():
        nets = enumerate(work.nets["actor"])
        aims = [aim_of(net, shown[g], curves[g]) for g, net in nets]
    loss, limit = work.compiled(distance), work.config.max_grad_norm
    for _ in range(passes):
        work.log.iteration()
        for g, net in enumerate(work.nets["actor"]):
            found = loss(net.form, net.followed, shown[g], aims[g].outputs)
            (done,) = net.descend([found], work.rates["actor"], limit)
            work.log.step("actor", g, done)
            for name, value in aims[g].measures.items():
                work.log.add(name, g, value)
    return passes


def distance(
    form: ActorForm,
    nets: Any,
    obs: Float[Tensor, "seed agent row obs"],
    aim: Float[Tensor, "seed agent row out"],
) -> Float[Tensor, "seed agent"]:
    """Return half the mean squared distance of outputs to where they should be.

    Aims are linear in curves: the mean over auctions leads networks to the mean of what rungs were
    worth against the bids of rivals.

    :param form: of the actors
    :param nets: their parameters
    :param obs: observations
    :param aim: outputs that they should have
    """
    return 0.5 * (form.outputs(nets, obs) - aim).square().mean(dim=(-2, -1))
