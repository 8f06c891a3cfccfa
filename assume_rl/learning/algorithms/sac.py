"""Soft actor-critic: MASAC with central critics, ISAC with independent ones.

Haarnoja et al. 2018, arXiv:1812.05905: a stochastic policy that earns the entropy of its bids
beside its reward, two critics of which the lesser counts, and a temperature that is learned so that
the entropy stays near a target. Each agent has its own temperature. Central critics see what all
agents know and do (as in Lowe et al. 2017); the next actions of all agents are drawn from their
present policies. The paper has no target actors, and neither has this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.learning.algorithms.base import (
    NetSpec,
    Status,
    Work,
    critic_losses,
    settings_of,
    targets_move,
    td_errors,
    td_target,
)
from assume_rl.learning.config import SacConfig
from assume_rl.learning.critics.base import CriticForm, Seen, joint
from assume_rl.learning.critics.normalised import follow
from assume_rl.learning.data.batches import Batch
from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.heads import SQUASHED_GAUSSIAN
from assume_rl.learning.nets.net import Net


@dataclass(frozen=True)
class SoftActorCritic:
    """A variant of soft actor-critic."""

    name: str
    central: bool
    paper: str = "Haarnoja et al. 2018, arXiv:1812.05905"
    status: Status = "experimental"
    on_policy: bool = False

    @property
    def extras(self) -> Mapping[str, int | None]:
        """Return no extras."""
        return {}

    @property
    def noises(self) -> tuple[str, ...]:
        """Return the names of the draws of next actions and of actions in the actor's loss."""
        return ("next_action", "action")

    def networks(self) -> Mapping[str, NetSpec]:
        """Return an actor, two critics with targets, and the logarithm of a temperature."""
        return {
            "actor": NetSpec("actor", head="squashed_gaussian"),
            "critic": NetSpec("action_value", count=2, target=True, central=self.central),
            "log_temperature": NetSpec("number"),
        }

    def update(self, work: Work) -> int:
        """Make a step of critics, actors and temperatures for each batch."""
        size = work.config.batch_size
        losses = work.compiled(critic_losses), work.compiled(actor_loss)
        lengths, chosen, done = [1] * work.iterations, settings_of(work, SacConfig), work.done
        for batch in work.batches.rounds(work.update, size, lengths, work.progress):
            work.log.iteration()
            done += 1
            with torch.no_grad():
                following, bonus = self._following(work, batch)
            errors: list[Tensor] = []
            for critic in work.nets["critic"]:
                errors += self._critic_step(work, critic, following, bonus, batch, losses[0])
                self._actor_steps(work, critic, batch, losses[1])
                if targets_move(done, 1, chosen.target_interval):
                    critic.move_target(chosen.tau)
            work.batches.feedback(batch, errors)
        return work.iterations

    def _following(
        self, work: Work, batch: Batch
    ) -> tuple[Seen, list[Float[Tensor, "seed agent row"]]]:
        """Return next observations and drawn actions, and the worth of their entropy."""
        actions, bonus = [], []
        for k, (actor, obs) in enumerate(zip(work.nets["actor"], batch.next_obs, strict=True)):
            action, log_prob = drawn(actor.form, actor.now, obs, batch.noise["next_action"][k])
            actions.append(action)
            bonus.append(-temperature(work, k)[..., None] * log_prob)
        return joint(work.fleet.groups, batch.next_obs, actions), bonus

    def _critic_step(
        self,
        work: Work,
        critic: Net[CriticForm],
        following: Seen,
        bonus: Sequence[Tensor],
        batch: Batch,
        loss: Any,
    ) -> list[Tensor]:
        """Make one step of the critics of some groups to their soft targets; return errors."""
        with torch.no_grad():
            values = critic.form.values(critic.later, following)
            targets = [
                td_target(
                    batch.reward[g], batch.discount, q.amin(dim=0) + bonus[g], batch.terminated
                )
                for g, q in zip(critic.form.groups, values, strict=True)
            ]
            errors = [] if batch.weight is None else td_errors(critic, batch.now, targets)
        follow(critic, targets)
        found = loss(critic.form, critic.followed, batch.now, targets, batch.weight)
        steps = critic.descend(found, work.rates["critic"], work.config.max_grad_norm)
        for group, step in zip(critic.form.groups, steps, strict=True):
            work.log.step("critic", group, step)
        return errors

    def _actor_steps(self, work: Work, critic: Net[CriticForm], batch: Batch, loss: Any) -> None:
        """Make one step of actors and temperatures, the others' actions as they were taken."""
        limit = work.config.max_grad_norm
        with torch.no_grad():
            context = critic.form.context(critic.now, batch.now)
        for g in critic.form.groups:
            actor, number = work.nets["actor"][g], work.nets["log_temperature"][g]
            worth, z = temperature(work, g), batch.noise["action"][g]
            found, log_prob = loss(
                actor.form, actor.followed, critic.form, context, batch.now, g, z, worth
            )
            (step,) = actor.descend([found], work.rates["actor"], limit)
            work.log.step("actor", g, step)
            target = entropy_target(work, g)
            lesson = temperature_loss(number.followed, log_prob, target)
            (step,) = number.descend([lesson], work.rates["log_temperature"], 0.0)
            work.log.step("log_temperature", g, step)
            work.log.add("entropy", g, -log_prob.mean(dim=-1))
            work.log.add("temperature", g, worth)


def drawn(
    form: ActorForm,
    nets: Any,
    obs: Float[Tensor, "seed agent row obs"],
    z: Float[Tensor, "seed agent row act"],
) -> tuple[Float[Tensor, "seed agent row act"], Float[Tensor, "seed agent row"]]:
    """Return drawn actions and their log-densities (App. C of the paper).

    :param form: of the actors
    :param nets: their parameters
    :param obs: observations
    :param z: standard normal draws
    """
    found = SQUASHED_GAUSSIAN.draw(form.outputs(nets, obs), z)
    return found.action, found.log_prob - SQUASHED_GAUSSIAN.squash(found.raw)


def actor_loss(
    form: ActorForm,
    nets: Any,
    critic: CriticForm,
    context: Any,
    seen: Seen,
    group: int,
    z: Float[Tensor, "seed agent row act"],
    worth: Float[Tensor, "seed agent"],
) -> tuple[Float[Tensor, "seed agent"], Float[Tensor, "seed agent row"]]:
    """Return the actors' losses (eq. 7 of the paper) and log-densities without a graph.

    :param form: of the actors
    :param nets: their parameters
    :param critic: that values the actions
    :param context: of the batch, from `critic`
    :param seen: the batch
    :param group: of the agents, by position in the fleet
    :param z: standard normal draws
    :param worth: temperatures
    """
    action, log_prob = drawn(form, nets, seen.read[group], z)
    q = critic.with_action(context, seen, group, action).amin(dim=0)
    return (worth[..., None] * log_prob - q).mean(dim=-1), log_prob.detach()


def temperature_loss(
    log_temperature: Float[Tensor, "seed agent"],
    log_prob: Float[Tensor, "seed agent row"],
    target: float,
) -> Float[Tensor, "seed agent"]:
    """Return the temperatures' losses (eq. 18 of the paper), in the logarithm.

    :param log_temperature: with a graph
    :param log_prob: log-densities of drawn actions
    :param target: entropy to be kept
    """
    return -log_temperature * (log_prob + target).mean(dim=-1)


def temperature(work: Work, group: int) -> Float[Tensor, "seed agent"]:
    """Return the temperatures of a group's agents, no graph.

    Their learned number is the logarithm of their ratio to the initial temperature.
    """
    net = work.nets["log_temperature"][group]
    initial = settings_of(work, SacConfig).initial_temperature
    numbers: Tensor = net.now.exp() * initial
    return numbers


def entropy_target(work: Work, group: int) -> float:
    """Return the entropy that a group's agents should keep; by default -1 per action entry."""
    chosen = settings_of(work, SacConfig).target_entropy
    return -float(work.fleet.groups[group].act_size) if chosen is None else chosen


MASAC = SoftActorCritic("masac", central=True)
ISAC = SoftActorCritic("isac", central=False)
