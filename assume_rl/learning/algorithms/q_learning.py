"""Q-learning on a ladder: bids from own results, where nothing else is known.

The network of an agent gives a value to every rung of its ladder, and learns that of the rungs that
were played: the reward, and the discounted value of the best rungs at what is observed next
(Watkins and Dayan 1992), from a replay and with a target network (Mnih et al. 2015). While it
learns, rungs are drawn with probabilities that grow with their values (Boltzmann); finished
policies take the best. So the network is the actor, whose logits are values over a temperature.

An action of several entries has a value for each, and is worth their sum: of a plant's two prices
each decides on the power that is offered at it, and earns on its own. (Sunehag et al. 2018 sum the
values of agents.) So the number of outputs grows with the entries, not with their combinations, and
the best action has the best rung of each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.learning.algorithms.base import (
    NetSpec,
    Status,
    Work,
    settings_of,
    targets_move,
    td_target,
)
from assume_rl.learning.config import QLearningConfig
from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.heads import Categorical


@dataclass(frozen=True)
class QLearning:
    """Q-learning of agents that each see and value their own."""

    name: str = "q_learning"
    paper: str = (
        "Watkins and Dayan 1992, doi:10.1007/BF00992698; "
        "Mnih et al. 2015, doi:10.1038/nature14236; "
        "Sunehag et al. 2018, arXiv:1706.05296"
    )
    status: Status = "experimental"
    on_policy: bool = False

    @property
    def extras(self) -> Mapping[str, int | None]:
        """Nothing beside the action."""
        return {}

    @property
    def noises(self) -> tuple[str, ...]:
        """None: the best rungs are not drawn."""
        return ()

    def networks(self) -> Mapping[str, NetSpec]:
        """Return an actor, which gives values to rungs, with a target."""
        return {"actor": NetSpec("actor", target=True, head=None, ladder="categorical")}

    def update(self, work: Work) -> int:
        """Make a step of all values for each batch."""
        chosen, done = settings_of(work, QLearningConfig), work.done
        loss, lengths = work.compiled(value_loss), [1] * work.iterations
        for batch in work.batches.rounds(
            work.update, work.config.batch_size, lengths, work.progress
        ):
            work.log.iteration()
            done += 1
            errors: list[Tensor] = []
            for g, net in enumerate(work.nets["actor"]):
                with torch.no_grad():
                    best = best_values(net.form, net.later, batch.next_obs[g])
                    target = td_target(batch.reward[g], batch.discount, best, batch.terminated)
                seen = batch.now.read[g], batch.now.action[g]
                found, error = loss(net.form, net.followed, *seen, target, batch.weight)
                rate, limit = work.rates["actor"], work.config.max_grad_norm
                (step,) = net.descend([found], rate, limit)
                work.log.step("actor", g, step)
                work.log.add("value", g, (target - error).mean(dim=-1))
                errors.append(error)
                if targets_move(done, 1, chosen.target_interval):
                    net.move_target(chosen.tau)
            work.batches.feedback(batch, errors)
        return work.iterations


def best_values(
    form: ActorForm, nets: Any, obs: Float[Tensor, "seed agent row obs"]
) -> Float[Tensor, "seed agent row"]:
    """Return the values of the best rungs that are legal.

    :param form: of the actors
    :param nets: their parameters
    :param obs: observations
    """
    law = form.law
    assert isinstance(law, Categorical)
    return law.greatest(form.outputs(nets, obs))


def value_loss(
    form: ActorForm,
    nets: Any,
    obs: Float[Tensor, "seed agent row obs"],
    action: Float[Tensor, "seed agent row act"],
    target: Float[Tensor, "seed agent row"],
    weight: Float[Tensor, "seed row"] | None = None,
) -> tuple[Float[Tensor, "seed agent"], Float[Tensor, "seed agent row"]]:
    """Return the mean squared errors of the values of what was played, and all errors.

    :param form: of the actors
    :param nets: their parameters
    :param obs: observations
    :param action: as it was taken, on a rung or not
    :param target: of the values
    :param weight: importance of each row; None: all alike
    """
    law = form.law
    assert isinstance(law, Categorical)
    error = target - law.at(form.outputs(nets, obs), law.played(action, obs))
    square = error.square() if weight is None else error.square() * weight[:, None]
    return square.mean(dim=-1), error.detach()


Q_LEARNING = QLearning()
