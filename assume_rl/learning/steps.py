"""A round of gradient steps: the iterations from one move of the targets to the next.

Targets stand still within a round and its batches are known beforehand, so target actions and
values of all its iterations are worked out together. What comes after is critic by critic, so that
on the CPU one critic's weights stay in cache for all the steps of its round.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from assume_rl.learning.critics.critic import Critic, Seen
from assume_rl.learning.data.draws import Round, joint
from assume_rl.learning.groups import Group
from assume_rl.learning.losses import td_target
from assume_rl.learning.metrics import Metrics
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.states import Networks


def play_round(
    networks: Networks,
    sampled: Round,
    iterations: int,
    rate: float,
    metrics: Metrics,
    *,
    actors_move: bool,
) -> None:
    """So many critic steps; then, if `actors_move`, one of the actors and a move of all targets."""
    tau, batch = networks.config.tau, sampled.terminated.shape[1] // iterations
    following = target_seen(networks.groups, sampled)
    parts = [slice(k * batch, (k + 1) * batch) for k in range(iterations)]
    batches = [sampled.now.rows(own.start, own.stop) for own in parts]
    for critic in networks.critics:
        targets = td_targets(critic, following, sampled, networks.config.gamma)
        for own, seen in zip(parts, batches, strict=True):
            steps = critic.descend(seen, [y[..., own] for y in targets], rate)
            for group, step in zip(critic.groups, steps, strict=True):
                metrics.critic_step(group, step)
        if actors_move:
            actor_steps(networks.groups, critic, batches[-1], rate, metrics)
            move(critic.target, critic.online, tau)
            for group in critic.groups:
                move(networks.groups[group].target, networks.groups[group].online, tau)


def target_seen(groups: Sequence[Group], sampled: Round) -> Seen:
    """Next observations and target actions, smoothed where noise was drawn."""
    actions = []
    for k, (group, obs) in enumerate(zip(groups, sampled.next_obs, strict=True)):
        action = group.target_act(obs)
        if sampled.noise is not None:
            action = (action + sampled.noise[k]).clamp_(-1.0, 1.0)
        actions.append(action)
    return joint(groups, sampled.next_obs, actions)


def td_targets(
    critic: Critic, following: Seen, sampled: Round, gamma: float
) -> list[Float[Tensor, "seed agent row"]]:
    """One-step targets of the critic's groups."""
    return [
        td_target(sampled.reward[group], gamma, value, sampled.terminated)
        for group, value in zip(critic.groups, critic.target_values(following), strict=True)
    ]


def actor_steps(
    groups: Sequence[Group], critic: Critic, seen: Seen, rate: float, metrics: Metrics
) -> None:
    """One step of each actor up its first critic, the others' actions as they were taken."""
    context = critic.context(seen)
    for k in critic.groups:
        action, hidden = groups[k].act(seen.obs[k])
        q1, slope = critic.uphill(context, seen, k, action)
        metrics.actor_step(k, groups[k].climb(seen.obs[k], action, hidden, q1, slope, rate))


def move(target: Flat, online: Flat, tau: float) -> None:
    """Move targets by the share `tau` towards the networks, in place."""
    target.buffer.lerp_(online.buffer, tau)
