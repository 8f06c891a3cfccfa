"""Deterministic policy gradients: MADDPG, MATD3 and their independent variants DDPG and TD3.

A critic learns the value of what an agent sees and does; the actor follows the critic's gradient at
its own action. With central critics (`maddpg`, `matd3`) a critic sees what all agents know and do;
independent ones (`iddpg`, `itd3`) see their own agent. TD3 has two critics and takes the lesser
value, smooths target actions with clipped noise, and moves actors every second step.

Targets stand still within a round, the gradient steps from one move of the targets to the next, so
target values of all its batches are computed together. What comes after is critic by critic, so
that on the CPU one critic's weights stay in cache for all the steps of its round.
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
from assume_rl.learning.config import DdpgConfig, Td3Config
from assume_rl.learning.critics.base import CriticForm, Seen, joint
from assume_rl.learning.critics.normalised import follow
from assume_rl.learning.data.batches import Batch
from assume_rl.learning.nets.net import Net


@dataclass(frozen=True)
class Deterministic:
    """A variant of deterministic policy gradients."""

    name: str
    paper: str
    central: bool
    twin: bool  # two critics, smoothed targets and delayed actors
    status: Status = "stable"
    on_policy: bool = False

    @property
    def extras(self) -> Mapping[str, int | None]:
        """Return no extras."""
        return {}

    @property
    def noises(self) -> tuple[str, ...]:
        """Return the name of the noise of target actions, if there is any."""
        return ("target_noise",) if self.twin else ()

    def networks(self) -> Mapping[str, NetSpec]:
        """Return an actor and one or two critics, all with targets."""
        critic = NetSpec(
            "action_value", count=2 if self.twin else 1, target=True, central=self.central
        )
        return {"actor": NetSpec("actor", target=True), "critic": critic}

    def update(self, work: Work) -> int:
        """Make critic steps, and an actor step after every `policy_delay` of them."""
        delay = settings_of(work, Td3Config).policy_delay if self.twin else 1
        lengths = round_lengths(work.iterations, work.done, delay)
        size, done = work.config.batch_size, work.done
        interval = settings_of(work, DdpgConfig).target_interval
        losses = work.compiled(critic_losses), work.compiled(actor_loss)
        for length, batch in zip(
            lengths, work.batches.rounds(work.update, size, lengths, work.progress), strict=True
        ):
            done += length
            moves = done % delay == 0
            shifts = moves and targets_move(done, delay, interval)
            self._round(work, batch, length, moves=moves, shifts=shifts, losses=losses)
        return done - work.done

    def _round(
        self,
        work: Work,
        batch: Batch,
        length: int,
        *,
        moves: bool,
        shifts: bool,
        losses: Sequence[Any],
    ) -> None:
        """Make `length` critic steps; then a step of actors and a move of targets, if due."""
        size, tau = batch.index.shape[1] // length, settings_of(work, DdpgConfig).tau
        with torch.no_grad():
            following = self._following(work, batch)
        parts = [slice(k * size, (k + 1) * size) for k in range(length)]
        seen = [batch.now.rows(own.start, own.stop) for own in parts]
        for _ in parts:
            work.log.iteration()
        errors: list[Tensor] = []
        for critic in work.nets["critic"]:
            with torch.no_grad():
                targets = self._targets(work, critic, following, batch)
                if batch.weight is not None:
                    errors += td_errors(critic, batch.now, targets)
            follow(critic, targets)
            for k, own in enumerate(parts):
                weight = None if batch.weight is None else batch.weight[:, own]
                goals = [y[..., own] for y in targets]
                found = losses[0](critic.form, critic.followed, seen[k], goals, weight)
                steps = critic.descend(found, work.rates["critic"], work.config.max_grad_norm)
                for group, step in zip(critic.form.groups, steps, strict=True):
                    work.log.step("critic", group, step, back=length - 1 - k)
            if moves:
                self._actor_steps(work, critic, seen[-1], losses[1])
            if shifts:
                critic.move_target(tau)
                for group in critic.form.groups:
                    work.nets["actor"][group].move_target(tau)
        work.batches.feedback(batch, errors)

    def _following(self, work: Work, batch: Batch) -> Seen:
        """Return next observations and target actions, smoothed where there is noise."""
        actions = []
        for k, (actor, obs) in enumerate(zip(work.nets["actor"], batch.next_obs, strict=True)):
            action = actor.form.actions(actor.later, obs)
            if self.twin:
                limit = settings_of(work, Td3Config).target_noise_clip
                noise = batch.noise["target_noise"][k] * work.scheduled["target_policy_noise"]
                action = (action + noise.clamp_(-limit, limit)).clamp_(-1.0, 1.0)
            actions.append(action)
        return joint(work.fleet.groups, batch.next_obs, actions)

    def _targets(
        self, work: Work, critic: Net[CriticForm], following: Seen, batch: Batch
    ) -> list[Float[Tensor, "seed agent row"]]:
        """Return targets of the critic's groups, with the least of its values."""
        values = critic.form.values(critic.later, following)
        targets = [
            td_target(batch.reward[group], batch.discount, q.amin(dim=0), batch.terminated)
            for group, q in zip(critic.form.groups, values, strict=True)
        ]
        if not settings_of(work, DdpgConfig).clip_targets:
            return targets
        return [
            y.clamp(*work.ranges[group])
            for group, y in zip(critic.form.groups, targets, strict=True)
        ]

    def _actor_steps(self, work: Work, critic: Net[CriticForm], seen: Seen, loss: Any) -> None:
        """Make one step of each actor up its first critic, the others' actions as taken."""
        with torch.no_grad():
            context = critic.form.context(critic.first, seen)
        for group in critic.form.groups:
            actor = work.nets["actor"][group]
            found = loss(actor.form, actor.followed, critic.form, context, seen, group)
            (step,) = actor.descend([found], work.rates["actor"], work.config.max_grad_norm)
            work.log.step("actor", group, step)


def actor_loss(
    form: Any, nets: Any, critic: CriticForm, context: Any, seen: Seen, group: int
) -> Float[Tensor, "seed agent"]:
    """Return the negative mean value of the actors' own actions (Silver et al. 2014).

    :param form: of the actors
    :param nets: their parameters
    :param critic: that values the actions
    :param context: of the batch, from `critic`
    :param seen: the batch
    :param group: of the agents, by position in the fleet
    """
    action = form.actions(nets, seen.read[group])
    q = critic.with_action(context, seen, group, action)[0]
    return -q.mean(dim=-1)


def round_lengths(count: int, done: int, delay: int) -> list[int]:
    """Return the iterations of each round; targets move at the end of all but, maybe, the last.

    :param count: iterations in all
    :param done: iterations before
    :param delay: critic steps per actor step
    """
    first = min(delay - done % delay, count)
    full, rest = divmod(count - first, delay)
    return [first, *[delay] * full, *([rest] if rest else [])]


LOWE = "Lowe et al. 2017, arXiv:1706.02275"
MATD3_PAPERS = "Ackermann et al. 2019, arXiv:1910.01465; Fujimoto et al. 2018, arXiv:1802.09477"

MADDPG = Deterministic("maddpg", LOWE, central=True, twin=False)
MATD3 = Deterministic("matd3", MATD3_PAPERS, central=True, twin=True)
IDDPG = Deterministic("iddpg", "Lillicrap et al. 2015, arXiv:1509.02971", central=False, twin=False)
ITD3 = Deterministic("itd3", "Fujimoto et al. 2018, arXiv:1802.09477", central=False, twin=True)
