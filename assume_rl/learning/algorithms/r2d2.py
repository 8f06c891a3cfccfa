"""R2D2: Q-learning of bidders that remember, from sequences of their decisions.

Kapturowski et al. 2019, openreview.net/forum?id=r1lyTjAqYX. Networks with memory give values to
rungs, as in `q_learning`. A row of a batch is a sequence: the latest decisions up to one that was
drawn, worked through from the memory that was stored with the first of them. The first ones, the
burn-in, only bring the memory up to date; every other one has a target and an error. Sequences with
large errors are drawn more often, by a mixture of their largest error and the mean.
"""

from collections.abc import Mapping
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
)
from assume_rl.learning.algorithms.q_learning import by_value, drawn
from assume_rl.learning.config import R2d2Config
from assume_rl.learning.data.batches import Batch, Sequences
from assume_rl.learning.nets.net import Net
from assume_rl.learning.nets.recurrent_actor import RecurrentActorForm

LARGEST = 0.9  # weight of the largest error of a sequence in its priority, the paper's eta


@dataclass(frozen=True)
class R2d2:
    """Recurrent Q-learning of agents that each see and value their own."""

    name: str = "r2d2"
    paper: str = "Kapturowski et al. 2019, openreview.net/forum?id=r1lyTjAqYX"
    status: Status = "experimental"
    on_policy: bool = False

    @property
    def extras(self) -> Mapping[str, int | None]:
        """Return no extras; the memory is kept for every recurrent actor anyway."""
        return {}

    @property
    def noises(self) -> tuple[str, ...]:
        """Return no names: the best rungs are not drawn."""
        return ()

    def networks(self) -> Mapping[str, NetSpec]:
        """Return an actor, which gives values to rungs, with a target."""
        return {"actor": NetSpec("actor", target=True, head=None, ladder="categorical")}

    def update(self, work: Work) -> int:
        """Make a step of all values for each batch of sequences."""
        chosen, done = settings_of(work, R2d2Config), work.done
        loss, lengths = work.compiled(sequence_loss), [1] * work.iterations
        for batch in work.batches.rounds(
            work.update, work.config.batch_size, lengths, work.progress
        ):
            work.log.iteration()
            done += 1
            sequences = work.batches.sequences(batch)
            errors: list[Tensor] = []
            for g, net in enumerate(work.nets["actor"]):
                with torch.no_grad():
                    target = targets_of(work, g, net, batch, sequences, done)
                counted = sequences.there & after(net.form.burn_in, sequences.there)
                found: Lessons = loss(
                    net.form,
                    drawn(work, net, net.followed, "now", done),
                    batch.next_obs[g],
                    sequences.action[g],
                    target,
                    counted,
                    batch.weight,
                )
                (step,) = net.descend([found.loss], work.rates["actor"], work.config.max_grad_norm)
                work.log.step("actor", g, step)
                work.log.add("value", g, found.value)
                errors.append(found.priority)
                if targets_move(done, 1, chosen.target_interval):
                    net.move_target(chosen.tau)
            work.batches.feedback(batch, errors)
        return work.iterations


class Lessons(NamedTuple):
    """The parts of a gradient step of values."""

    loss: Float[Tensor, "seed agent"]
    value: Float[Tensor, "seed agent"]  # of what was played, mean
    priority: Float[Tensor, "seed agent row"]  # before exponents


def after(burn_in: int, there: Bool[Tensor, "seed row step"]) -> Bool[Tensor, " step"]:
    """Return which steps come after the burn-in; the last one does.

    :param burn_in: steps
    :param there: which steps there are
    """
    steps = there.shape[-1]
    return torch.arange(steps, device=there.device) >= min(burn_in, steps - 1)


def targets_of(
    work: Work,
    group: int,
    net: Net[RecurrentActorForm],
    batch: Batch,
    sequences: Sequences,
    done: int,
) -> Float[Tensor, "seed agent row step"]:
    """Return the target of each step.

    :param work: of the update
    :param group: of the agents, by position in the fleet
    :param net: of the group
    :param batch: whose next observations are sequences and what follows them
    :param sequences: decisions
    :param done: gradient steps made, which key the noise of layers
    """
    chosen, form, obs = settings_of(work, R2d2Config), net.form, batch.next_obs[group]
    law, out = by_value(form), form.sequence(drawn(work, net, net.later, "target", done), obs)
    chooses = out
    if chosen.double is not None:
        chooses = form.sequence(drawn(work, net, net.now, "choice", done), obs)
    following = law.at(out, law.best(chooses))
    rewards = sequences.reward[group], batch.terminated
    found = several_steps(*rewards, following, work.config.gamma, chosen.n_step)
    if not chosen.clip_targets:
        return found
    low, high = work.ranges[group]
    return found.clamp(low[..., None], high[..., None])


def several_steps(
    reward: Float[Tensor, "seed agent row step"],
    terminated: Bool[Tensor, "seed row"],
    value: Float[Tensor, "seed agent row after"],
    gamma: float,
    n_step: int,
) -> Float[Tensor, "seed agent row step"]:
    """Return sums of `n_step` discounted rewards and the value of the state after them.

    They end with the sequence, after which nothing follows a termination.

    :param reward: of the steps
    :param terminated: whether the last of them was the last of its episode
    :param value: of what is observed at each step, and after the last one
    :param gamma: discount
    :param n_step: rewards
    """
    steps = reward.shape[-1]
    last = value[..., -1:] * ~terminated[:, None, :, None]
    value = torch.cat([value[..., :-1], last], dim=-1)
    found = torch.empty_like(reward)
    for first in range(steps):
        end = min(first + n_step, steps)
        total = value[..., end]
        for step in reversed(range(first, end)):
            total = reward[..., step] + gamma * total
        found[..., first] = total
    return found


def sequence_loss(
    form: RecurrentActorForm,
    nets: Any,
    windows: Float[Tensor, "seed agent row window"],
    action: Float[Tensor, "seed agent row step act"],
    target: Float[Tensor, "seed agent row step"],
    counted: Bool[Tensor, "seed row step"],
    weight: Float[Tensor, "seed row"] | None = None,
) -> Lessons:
    """Return the mean squared errors of played rungs, mean over the steps of each sequence.

    :param form: of the actors
    :param nets: their parameters
    :param windows: of observations, one more than there are decisions
    :param action: as they were taken, on a rung or not
    :param target: of the values
    :param counted: steps that are learned from, the last one of each row among them
    :param weight: importance of each row; None: all alike
    """
    law = by_value(form)
    obs = form.observations(windows)[..., :-1, :]
    out = form.sequence(nets, windows)[..., :-1, :]
    value = law.at(out, law.played(action, obs))
    there = counted[:, None].to(value.dtype)
    error, count = (target - value) * there, there.sum(dim=-1)
    row = error.square().sum(dim=-1) / count
    row = row if weight is None else row * weight[:, None]
    size = error.detach().abs()
    priority = LARGEST * size.amax(dim=-1) + (1.0 - LARGEST) * size.sum(dim=-1) / count
    mean = ((value * there).sum(dim=-1) / count).mean(dim=-1)
    return Lessons(row.mean(dim=-1), mean.detach(), priority)


R2D2 = R2d2()
