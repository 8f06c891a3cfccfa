"""Q-learning on a ladder: bids from own results, where nothing else is known.

The network of an agent gives a value to every rung of its ladder, and learns that of the rungs that
were played: the reward, and the discounted value of the best rungs at what is observed next
(Watkins and Dayan 1992), from a replay and with a target network (Mnih et al. 2015). Finished
policies take the best rung: the network is the actor. While it learns, `dqn` takes any legal rung
now and then, and `q_learning` draws rungs with probabilities that grow with their values
(Boltzmann); all else is the same.

An action of several entries has a value for each, and is worth their sum: of a plant's two prices
each decides on the power that is offered at it, and earns on its own. (Sunehag et al. 2018 sum the
values of agents.) So the number of outputs grows with the entries, not with their combinations, and
the best action has the best rung of each.

The best of values that are guessed is guessed too high. With `double: main_chooses` the network
chooses and the target values what was chosen (van Hasselt et al. 2016). With `random_roles` there
are two networks: from each transition one learns, drawn at random, which chooses, and the target of
the other values (van Hasselt 2010).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from assume_rl.learning.algorithms.base import (
    NetSpec,
    Status,
    Work,
    settings_of,
    targets_move,
    td_target,
)
from assume_rl.learning.config import RungValuesConfig
from assume_rl.learning.data.batches import Batch
from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.heads import ByValue
from assume_rl.learning.nets.net import Net
from assume_rl.learning.nets.noisy import Draws

NETWORKS = ("actor", "twin")
"""Names of the networks that learn, of which the second is there for `random_roles` only."""


class Lesson(NamedTuple):
    """The learned quantities of rungs: a value, or more.

    `target`: of reward, discount, what follows and whether nothing does. `loss`: of the form of
    actors, their parameters, observations, actions, targets and importance of rows; it returns the
    loss and the error of each row.
    """

    target: Callable[..., Tensor]
    loss: Callable[..., tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class QLearning:
    """Q-learning of agents that each see and value their own."""

    name: str
    paper: str
    lesson: Lesson
    ladder: str = "categorical"  # key of `LADDER_HEADS`
    status: Status = "experimental"
    on_policy: bool = False

    @property
    def extras(self) -> Mapping[str, int | None]:
        """Return no extras."""
        return {}

    @property
    def noises(self) -> tuple[str, ...]:
        """Return no names: the best rungs are not drawn."""
        return ()

    def networks(self) -> Mapping[str, NetSpec]:
        """Return an actor, which gives values to rungs, with a target."""
        return {"actor": NetSpec("actor", target=True, head=None, ladder=self.ladder)}

    def update(self, work: Work) -> int:
        """Make a step of all values for each batch."""
        chosen, done = settings_of(work, RungValuesConfig), work.done
        names = [name for name in NETWORKS if name in work.nets]
        loss, lengths = work.compiled(self.lesson.loss), [1] * work.iterations
        for batch in work.batches.rounds(
            work.update, work.config.batch_size, lengths, work.progress
        ):
            work.log.iteration()
            done += 1
            learns = work.batches.roles(batch) if len(names) > 1 else None
            errors: list[Tensor] = []
            for g in range(len(work.fleet.groups)):
                nets = [work.nets[name][g] for name in names]
                with torch.no_grad():
                    targets = targets_of(self.lesson, work, g, nets, batch, done)
                importance = weights(batch.weight, learns)
                goals = list(zip(targets, importance, strict=True))
                found = [
                    _step(work, g, net, batch, goal, loss, done)
                    for net, goal in zip(nets, goals, strict=True)
                ]
                mean = targets[0].flatten(2).mean(dim=-1)  # of quantiles, too
                work.log.add("value", g, mean - found[0].mean(dim=-1))
                own = found[0]
                if learns is not None:
                    own = torch.where(learns[:, None], own, found[1])
                errors.append(own)
                if targets_move(done, 1, chosen.target_interval):
                    for net in nets:
                        net.move_target(chosen.tau)
            work.batches.feedback(batch, errors)
        return work.iterations


def targets_of(
    lesson: Lesson,
    work: Work,
    group: int,
    nets: Sequence[Net[ActorForm]],
    batch: Batch,
    done: int,
) -> list[Float[Tensor, "seed agent row *quantile"]]:
    """Return the target of each network of a group.

    :param lesson: says what a target is made of
    :param work: of the update
    :param group: of the agents, by position in the fleet
    :param nets: the actors, or these and their twins
    :param batch: of rows
    :param done: gradient steps made, counted as `work.done` is, which key the noise of layers
    """
    chosen, obs, form = settings_of(work, RungValuesConfig), batch.next_obs[group], nets[0].form
    later = [drawn(work, net, net.later, "target", done) for net in nets]
    if chosen.double is None:
        following = [following_values(form, None, later[0], obs)]
    else:  # the one that values is the same network, or the other
        chooses = [drawn(work, net, net.now, "choice", done) for net in nets]
        pairs = zip(chooses, reversed(later), strict=True)
        following = [following_values(form, own, other, obs) for own, other in pairs]
    found = [
        lesson.target(batch.reward[group], batch.discount, value, batch.terminated)
        for value in following
    ]
    if not chosen.clip_targets:
        return found
    low, high = work.ranges[group]
    apart = (len(low), *[1] * (found[0].ndim - 2))
    return [y.clamp(low.view(apart), high.view(apart)) for y in found]


def drawn(work: Work, net: Net[Any], own: Any, purpose: str, done: int) -> Any:
    """Return parameters of networks with a draw of the noise of their layers, if they have any.

    :param work: of the update
    :param net: the networks
    :param own: their parameters
    :param purpose: keys the draw
    :param done: gradient steps made, counted as `work.done` is, which key it too
    """
    number = work.step + (done - work.done)
    return net.form.noisy(own, Draws(work.seeds, f"{net.form.name} {purpose}", number))


def _step(
    work: Work,
    group: int,
    net: Net[ActorForm],
    batch: Batch,
    goal: tuple[Tensor, Float[Tensor, "seed row"] | None],
    loss: Any,
    done: int,
) -> Float[Tensor, "seed agent row"]:
    """Make a step of the networks of a group to targets of some importance; return errors."""
    seen, name = (batch.now.read[group], batch.now.action[group]), net.form.name
    followed = drawn(work, net, net.followed, "now", done)
    found, error = loss(net.form, followed, *seen, *goal)
    (step,) = net.descend([found], work.rates[name], work.config.max_grad_norm)
    work.log.step(name, group, step)
    errors: Tensor = error
    return errors


def weights(
    importance: Float[Tensor, "seed row"] | None, learns: Bool[Tensor, "seed row"] | None
) -> list[Float[Tensor, "seed row"] | None]:
    """Return the importance of rows for each network: none of those from which another learns.

    Others count twice, so that losses are as large as those of one network.

    :param importance: of rows; None: all alike
    :param learns: rows of the first network; None: it is the only one
    """
    if learns is None:
        return [importance]
    whole = torch.full(learns.shape, 2.0, device=learns.device)
    whole = whole if importance is None else 2.0 * importance
    return [whole * learns, whole * ~learns]


def following_values(
    form: ActorForm, chooses: Any, values: Any, obs: Float[Tensor, "seed agent row obs"]
) -> Tensor:
    """Return the networks' values of the rungs that they, or others, consider best.

    :param form: of the actors
    :param chooses: parameters of those that choose; None: the same as value
    :param values: parameters of those that value
    :param obs: observations
    """
    law, out = by_value(form), form.outputs(values, obs)
    return law.at(out, law.best(out if chooses is None else form.outputs(chooses, obs)))


def by_value(form: ActorForm) -> ByValue:
    """Return the head of actors that choose by value."""
    law = form.law
    assert isinstance(law, ByValue)
    return law


def value_loss(
    form: ActorForm,
    nets: Any,
    obs: Float[Tensor, "seed agent row obs"],
    action: Float[Tensor, "seed agent row act"],
    target: Float[Tensor, "seed agent row"],
    weight: Float[Tensor, "seed row"] | None = None,
) -> tuple[Float[Tensor, "seed agent"], Float[Tensor, "seed agent row"]]:
    """Return the mean squared errors of the values of played rungs, and all errors.

    :param form: of the actors
    :param nets: their parameters
    :param obs: observations
    :param action: as it was taken, on a rung or not
    :param target: of the values
    :param weight: importance of each row; None: all alike
    """
    law = by_value(form)
    error = target - law.at(form.outputs(nets, obs), law.played(action, obs))
    square = error.square() if weight is None else error.square() * weight[:, None]
    return square.mean(dim=-1), error.detach()


VALUES = Lesson(td_target, value_loss)
WATKINS = "Watkins and Dayan 1992, doi:10.1007/BF00992698"
MNIH = "Mnih et al. 2015, doi:10.1038/nature14236"
SUNEHAG = "Sunehag et al. 2018, arXiv:1706.05296"
DOUBLE = "van Hasselt et al. 2016, arXiv:1509.06461"
DUELING = "Wang et al. 2016, arXiv:1511.06581"
NOISY = "Fortunato et al. 2018, arXiv:1706.10295"

DQN = QLearning("dqn", "; ".join((MNIH, DOUBLE, DUELING, NOISY, SUNEHAG)), VALUES)
Q_LEARNING = QLearning("q_learning", "; ".join((WATKINS, MNIH, SUNEHAG)), VALUES)
