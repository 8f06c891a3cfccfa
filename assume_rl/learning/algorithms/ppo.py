"""Proximal policy optimisation: MAPPO with central values, IPPO with independent ones.

Schulman et al. 2017, arXiv:1707.06347; for several agents Yu et al. 2022, arXiv:2103.01955 (MAPPO)
and de Witt et al. 2020, arXiv:2011.09533 (IPPO). Each update takes the transitions that came in
since the last one, works out generalised advantages, and passes over them several times in
minibatches. The ratio of probabilities is that of the number an action was made of, before it is
squashed: what the squashing adds is the same above and below. Advantages are normalised agent by
agent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from assume_rl.learning.algorithms.adaptive import adapt, adapts
from assume_rl.learning.algorithms.base import NetSpec, Status, Work, settings_of
from assume_rl.learning.config import PpoConfig
from assume_rl.learning.critics.base import CriticForm, Seen, rows_at, states_only
from assume_rl.learning.critics.normalised import follow
from assume_rl.learning.data.batches import Batch
from assume_rl.learning.data.on_policy import advantages
from assume_rl.learning.nets.actor import ActorForm

Parts = tuple[Float[Tensor, "seed _ row"], ...]


@dataclass(frozen=True)
class Lesson:
    """The rows of all agents that an update learns from, in the groups of the fleet."""

    seen: Seen
    raw: tuple[Float[Tensor, "seed _ row _"], ...]  # numbers that actions were made of
    log_prob: Parts  # with which they were drawn
    value: Parts  # before the update
    advantage: Parts
    target: Parts  # of values

    def at(self, index: Int[Tensor, "seed row"]) -> "Lesson":
        """Return the rows at `index`."""
        parts = (self.raw, self.log_prob, self.value, self.advantage, self.target)
        return Lesson(
            self.seen.at(index), *(tuple(rows_at(one, index) for one in part) for part in parts)
        )


@dataclass(frozen=True)
class ProximalPolicyOptimisation:
    """A variant of proximal policy optimisation."""

    name: str
    paper: str
    central: bool
    status: Status = "experimental"
    on_policy: bool = True

    @property
    def extras(self) -> Mapping[str, int | None]:
        """Return the raw numbers that an action was computed from, and their log-density."""
        return {"raw": None, "log_prob": 1}

    @property
    def noises(self) -> tuple[str, ...]:
        """Return no names: actions were drawn when they were taken."""
        return ()

    def networks(self) -> Mapping[str, NetSpec]:
        """Return an actor and a value."""
        return {
            "actor": NetSpec("actor", head="squashed_gaussian", ladder="categorical"),
            "value": NetSpec("state_value", central=self.central),
        }

    def update(self, work: Work) -> int:
        """Pass over the transitions that wait, several times in minibatches."""
        rows = sum(stretch.rows for stretch in work.stretches)
        with torch.no_grad():
            lesson = prepare(work, work.batches.latest(rows))
        for net in work.nets["value"]:
            follow(net, [lesson.target[g] for g in net.form.groups])
        learns = [
            torch.ones_like(net.form.of_policies(part[..., 0]), dtype=torch.bool)
            for net, part in zip(work.nets["actor"], lesson.advantage, strict=True)
        ]
        losses = work.compiled(value_losses), work.compiled(actor_loss)
        steps = 0
        for epoch in range(settings_of(work, PpoConfig).epochs):
            moved, found = list(learns), []
            for index in _minibatches(work, epoch, rows):
                work.log.iteration()
                part = lesson.at(index)
                self._value_steps(work, part, losses[0])
                found.append(self._actor_steps(work, part, learns, losses[1]))
                steps += 1
            if adapts(work):
                adapt(work, [mean_where(own, *kl) for own, *kl in zip(moved, *found, strict=True)])
        return steps

    def _value_steps(self, work: Work, lesson: Lesson, loss: Any) -> None:
        """Make one step of all values."""
        for net in work.nets["value"]:
            own = net.form.groups
            found = loss(
                net.form,
                net.followed,
                lesson.seen,
                [lesson.value[g] for g in own],
                [lesson.target[g] for g in own],
                settings_of(work, PpoConfig).clip_range_value,
            )
            steps = net.descend(found, work.rates["value"], work.config.max_grad_norm)
            for group, step in zip(own, steps, strict=True):
                work.log.step("value", group, step)

    def _actor_steps(
        self, work: Work, lesson: Lesson, learns: list[Bool[Tensor, "seed _"]], loss: Any
    ) -> list[Float[Tensor, "seed _"]]:
        """Make one step of all actors; those that have moved far enough stay; return how far.

        A policy that agents share has moved by the mean over them.
        """
        chosen, divergences = settings_of(work, PpoConfig), []
        for g, net in enumerate(work.nets["actor"]):
            found, entropy, kl, clipped = loss(
                net.form, net.followed, lesson, g, chosen.clip_range, chosen.entropy_weight
            )
            if chosen.target_kl is not None:
                learns[g] = learns[g] & (net.form.of_policies(kl) <= chosen.target_kl)
            rate, limit = work.rates["actor"], work.config.max_grad_norm
            (step,) = net.descend([found], rate, limit, learns[g])
            work.log.step("actor", g, step)
            for name, value in (("entropy", entropy), ("kl", kl), ("clip_share", clipped)):
                work.log.add(name, g, value)
            divergences.append(kl)
        return divergences


def prepare(work: Work, batch: Batch) -> Lesson:
    """Return the rows that an update learns from, with advantages and targets of values.

    :param work: of the update
    :param batch: the transitions that wait, in order of time
    """
    groups = work.fleet.groups
    now = states_only(groups, batch.now.read)
    following = states_only(groups, batch.next_obs)
    value, next_value = values(work, now), values(work, following)
    found = [
        advantages(
            batch.reward[g],
            value[g],
            next_value[g],
            batch.terminated,
            batch.truncated,
            work.stretches,
            work.config.gamma,
            settings_of(work, PpoConfig).gae_lambda,
        )
        for g in range(len(groups))
    ]
    return Lesson(
        now,
        batch.extras["raw"],
        tuple(part[..., 0] for part in batch.extras["log_prob"]),
        value,
        tuple(normalised(own) for own in found),
        tuple(own + before for own, before in zip(found, value, strict=True)),
    )


def values(work: Work, seen: Seen) -> Parts:
    """Return the values of observations per group, no graph."""
    found: dict[int, Tensor] = {}
    for net in work.nets["value"]:
        parts = net.form.values(net.now, seen)
        found |= {g: part[0] for g, part in zip(net.form.groups, parts, strict=True)}
    return tuple(found[g] for g in range(len(work.fleet.groups)))


def normalised(advantage: Float[Tensor, "seed agent row"]) -> Float[Tensor, "seed agent row"]:
    """Return advantages with mean 0 and standard deviation 1 for each agent."""
    centred = advantage - advantage.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True).sqrt() + 1e-8)


def value_losses(
    form: CriticForm,
    nets: Any,
    seen: Seen,
    before: Sequence[Float[Tensor, "seed _ row"]],
    target: Sequence[Float[Tensor, "seed _ row"]],
    clip_range: float,
) -> list[Float[Tensor, "seed _"]]:
    """Return the mean squared errors of values, per group (seed, agent).

    :param form: of the values
    :param nets: their parameters
    :param seen: a batch
    :param before: values before the update, per group
    :param target: of the values, per group
    :param clip_range: how far they may move from `before`; 0: not clipped
    """
    found = []
    for value, old, goal in zip(form.values(nets, seen), before, target, strict=True):
        error = (value[0] - goal).square()
        if clip_range > 0:
            moved = old + (value[0] - old).clamp(-clip_range, clip_range)
            error = torch.maximum(error, (moved - goal).square())
        found.append(0.5 * error.mean(dim=-1))
    return found


def actor_loss(
    form: ActorForm, nets: Any, lesson: Lesson, group: int, clip_range: float, weight: float
) -> tuple[
    Float[Tensor, "seed agent"],
    Float[Tensor, "seed agent"],
    Float[Tensor, "seed agent"],
    Float[Tensor, "seed agent"],
]:
    """Return the clipped loss (eq. 7 of the paper) less the weighted entropy; and three measures.

    Those are the entropy, the divergence from the policy that acted (estimated by r - 1 - log r),
    and the share of rows whose ratio is clipped.

    :param form: of the actors
    :param nets: their parameters
    :param lesson: a batch
    :param group: of the agents, by position in the fleet
    :param clip_range: how far the ratio of probabilities may move from 1
    :param weight: of the entropy
    """
    law, out = form.law, form.outputs(nets, lesson.seen.read[group])
    change = law.log_prob(out, lesson.raw[group]) - lesson.log_prob[group]
    ratio, advantage = change.exp(), lesson.advantage[group]
    clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
    gain = torch.minimum(ratio * advantage, clipped * advantage).mean(dim=-1)
    entropy = law.entropy(out).mean(dim=-1)
    kl = (ratio - 1.0 - change).mean(dim=-1).detach()
    share = ((ratio - 1.0).abs() > clip_range).to(out.dtype).mean(dim=-1)
    return -gain - weight * entropy, entropy.detach(), kl, share


def mean_where(
    there: Bool[Tensor, " seed #agent"], *values: Float[Tensor, "seed agent"]
) -> Float[Tensor, "seed agent"]:
    """Return the mean of values; NaN where there is none."""
    return torch.stack(values).mean(dim=0).masked_fill(~there, torch.nan)


def _minibatches(work: Work, epoch: int, rows: int) -> tuple[Int[Tensor, "seed row"], ...]:
    """Return the rows of each minibatch of a pass, which has an order of its own."""
    order = work.batches.order(work.update, epoch, rows)
    return order.chunk(min(settings_of(work, PpoConfig).minibatches, rows), dim=-1)


PPO = "Schulman et al. 2017, arXiv:1707.06347"
YU = f"Yu et al. 2022, arXiv:2103.01955; {PPO}"
DE_WITT = f"de Witt et al. 2020, arXiv:2011.09533; {PPO}"
MAPPO = ProximalPolicyOptimisation("mappo", YU, central=True)
IPPO = ProximalPolicyOptimisation("ippo", DE_WITT, central=False)
