"""Plain policy gradients: REINFORCE, the vanilla policy gradient (VPG) and A2C.

One step per update along the gradient of log-densities times advantages, from the transitions that
came in since the last update. The variants differ by the advantage:

- `reinforce` (Williams 1992): the discounted sum of rewards up to the end of the stretch.
- `vpg` (Sutton et al. 1999, with a baseline): the same less its mean over the stretch.
- `a2c` (Mnih et al. 2016, arXiv:1602.01783): `n_step` rewards and the value of what follows, less
  the value of the agent's own observation. Actor and value have networks of their own, or one with
  a `shared_trunk`, which makes one step down the sum of both losses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from assume_rl.learning.algorithms.adaptive import adapt, adapts
from assume_rl.learning.algorithms.base import NetSpec, Status, Work, critic_loss, settings_of
from assume_rl.learning.config import A2cConfig, PolicyGradientConfig
from assume_rl.learning.critics.base import states_only
from assume_rl.learning.critics.normalised import follow
from assume_rl.learning.data.batches import Batch
from assume_rl.learning.data.on_policy import Stretch, advantages
from assume_rl.learning.nets.actor import ActorForm
from assume_rl.learning.nets.valued_actor import ValuedActorForm

Parts = list[Float[Tensor, "seed _ row"]]


@dataclass(frozen=True)
class PolicyGradient:
    """A variant of the policy gradient."""

    name: str
    paper: str
    baseline: Literal["none", "mean", "value"]
    status: Status = "experimental"
    on_policy: bool = True

    @property
    def extras(self) -> Mapping[str, int | None]:
        """Return the raw numbers that an action was computed from."""
        return {"raw": None}

    @property
    def noises(self) -> tuple[str, ...]:
        """Return no names: actions were drawn when they were taken."""
        return ()

    def networks(self) -> Mapping[str, NetSpec]:
        """Return an actor and, where it is the baseline, a value of the agent's own observation."""
        actor = {"actor": NetSpec("actor", head="squashed_gaussian", ladder="categorical")}
        value = {"value": NetSpec("state_value", central=False)}
        return actor | value if self.baseline == "value" else actor

    def update(self, work: Work) -> int:
        """Make one step of each actor, and of each value."""
        batch = work.batches.latest(sum(stretch.rows for stretch in work.stretches))
        work.log.iteration()
        before = log_probs(work, batch) if adapts(work) else None
        if work.config.settings.one_trunk:
            self._shared_steps(work, batch)
        else:
            self._actor_steps(work, batch)
        if before is not None:
            self._adapt(work, before, log_probs(work, batch))
        return 1

    def _actor_steps(self, work: Work, batch: Batch) -> None:
        """Make one step of each actor; values, where there are some, on the way."""
        with torch.no_grad():
            found = self._advantages(work, batch)
        limit = work.config.max_grad_norm
        weight = settings_of(work, PolicyGradientConfig).entropy_weight
        loss = work.compiled(actor_loss)
        for g, net in enumerate(work.nets["actor"]):
            obs, raw = batch.now.read[g], batch.extras["raw"][g]
            own, entropy = loss(net.form, net.followed, obs, raw, found[g], weight)
            (step,) = net.descend([own], work.rates["actor"], limit)
            work.log.step("actor", g, step)
            work.log.add("entropy", g, entropy)

    def _shared_steps(self, work: Work, batch: Batch) -> None:
        """Make one step of each network that is actor and value."""
        chosen, loss = settings_of(work, A2cConfig), work.compiled(shared_loss)
        weights = chosen.entropy_weight, chosen.value_weight
        for g, net in enumerate(work.nets["actor"]):
            obs, raw = batch.now.read[g], batch.extras["raw"][g]
            with torch.no_grad():
                value, after = (net.form.both(net.now, o)[1] for o in (obs, batch.next_obs[g]))
                found = windows(work, batch, g, value, after)
            own = loss(net.form, net.followed, obs, raw, found, found + value, weights)
            (step,) = net.descend([own.total], work.rates["actor"], work.config.max_grad_norm)
            work.log.step("actor", g, step)
            for name in ("actor_loss", "value_loss", "entropy"):
                work.log.add(name, g, getattr(own, name))

    def _adapt(self, work: Work, before: Parts, after: Parts) -> None:
        """Adapt the learning rates to the size of the policies' last step."""
        changes = [new - old for old, new in zip(before, after, strict=True)]
        kl = [(change.exp() - 1.0 - change).mean(dim=-1) for change in changes]
        for g, own in enumerate(kl):
            work.log.add("kl", g, own)
        adapt(work, kl)

    def _advantages(self, work: Work, batch: Batch) -> Parts:
        """Return advantages per group; values learn from them on the way."""
        if self.baseline == "value":
            return self._value_steps(work, batch)
        sums = [discounted(own, batch, work.stretches, work.config.gamma) for own in batch.reward]
        if self.baseline == "none":
            return sums
        return [own - own.mean(dim=-1, keepdim=True) for own in sums]

    def _value_steps(self, work: Work, batch: Batch) -> Parts:
        """Return advantages over the present values; then these make a step to their targets."""
        groups = work.fleet.groups
        now, following = (states_only(groups, obs) for obs in (batch.now.read, batch.next_obs))
        found: Parts = [torch.empty_like(own) for own in batch.reward]
        for net in work.nets["value"]:
            (g,) = net.form.groups
            (value,), (after,) = (net.form.values(net.now, seen) for seen in (now, following))
            found[g] = windows(work, batch, g, value[0], after[0])
            target = found[g] + value[0]
            follow(net, [target])
            with torch.enable_grad():
                loss = critic_loss(net.form.values(net.followed, now)[0], target)
                (step,) = net.descend([loss], work.rates["value"], work.config.max_grad_norm)
            work.log.step("value", g, step)
        return found


def log_probs(work: Work, batch: Batch) -> Parts:
    """Return the log-densities of the numbers that actions were made of, per group, no graph."""
    return [
        net.form.law.log_prob(net.form.outputs(net.now, obs), raw)
        for net, obs, raw in zip(
            work.nets["actor"], batch.now.read, batch.extras["raw"], strict=True
        )
    ]


def discounted(
    reward: Float[Tensor, "seed agent row"],
    batch: Batch,
    stretches: Sequence[Stretch],
    gamma: float,
) -> Float[Tensor, "seed agent row"]:
    """Return the discounted sums of rewards up to the ends of episodes or stretches.

    :param reward: of the rows
    :param batch: with the ends of episodes
    :param stretches: that the rows consist of
    :param gamma: discount per transition
    """
    nothing = torch.zeros_like(reward)
    ends = batch.terminated, batch.truncated
    return advantages(reward, nothing, nothing, *ends, stretches, gamma, 1.0)


def windows(
    work: Work,
    batch: Batch,
    group: int,
    value: Float[Tensor, "seed agent row"],
    after: Float[Tensor, "seed agent row"],
) -> Float[Tensor, "seed agent row"]:
    """Return advantages to the ends of windows of `n_step` transitions.

    :param work: of the update
    :param batch: the transitions that wait
    :param group: of the agents, by position in the fleet
    :param value: of their observations
    :param after: of the observations that followed
    """
    steps = settings_of(work, A2cConfig).n_step
    ends = batch.truncated | cuts(work.stretches, steps, batch.truncated)
    flags = batch.terminated, ends
    gamma = work.config.gamma
    return advantages(batch.reward[group], value, after, *flags, work.stretches, gamma, 1.0)


def cuts(
    stretches: Sequence[Stretch], n_step: int, like: Bool[Tensor, "seed row"]
) -> Bool[Tensor, "seed row"]:
    """Return whether a row is the last of `n_step` in its stretch.

    :param stretches: that the rows consist of
    :param n_step: times that are summed
    :param like: of the shape and on the device of the result
    """
    parts = [
        torch.arange(rows, device=like.device) // copies % n_step == n_step - 1
        for rows, copies in stretches
    ]
    return torch.cat(parts).expand_as(like)


def actor_loss(
    form: ActorForm,
    nets: Any,
    obs: Float[Tensor, "seed agent row obs"],
    raw: Float[Tensor, "seed agent row act"],
    advantage: Float[Tensor, "seed agent row"],
    weight: float,
) -> tuple[Float[Tensor, "seed agent"], Float[Tensor, "seed agent"]]:
    """Return the loss whose gradient is the policy gradient, and the entropy.

    :param form: of the actors
    :param nets: their parameters
    :param obs: observations
    :param raw: numbers that actions were made of
    :param advantage: of the actions
    :param weight: of the entropy, which the loss is less
    """
    return loss_of_outputs(form, form.outputs(nets, obs), raw, advantage, weight)


def loss_of_outputs(
    form: ActorForm,
    out: Float[Tensor, "seed agent row out"],
    raw: Float[Tensor, "seed agent row act"],
    advantage: Float[Tensor, "seed agent row"],
    weight: float,
) -> tuple[Float[Tensor, "seed agent"], Float[Tensor, "seed agent"]]:
    """Return loss and entropy as `actor_loss` does, from outputs of the actors.

    :param form: of the actors
    :param out: outputs of their networks
    :param raw: numbers that actions were computed from
    :param advantage: of the actions
    :param weight: of the entropy, which is subtracted from the loss
    """
    law = form.law
    entropy = law.entropy(out).mean(dim=-1)
    gain = (law.log_prob(out, raw) * advantage).mean(dim=-1)
    return -gain - weight * entropy, entropy.detach()


class SharedLoss(NamedTuple):
    """The loss of a network that is actor and value, and its parts."""

    total: Float[Tensor, "seed agent"]
    actor_loss: Float[Tensor, "seed agent"]
    value_loss: Float[Tensor, "seed agent"]
    entropy: Float[Tensor, "seed agent"]


def shared_loss(
    form: ValuedActorForm,
    nets: Any,
    obs: Float[Tensor, "seed agent row obs"],
    raw: Float[Tensor, "seed agent row act"],
    advantage: Float[Tensor, "seed agent row"],
    target: Float[Tensor, "seed agent row"],
    weights: tuple[float, float],
) -> SharedLoss:
    """Return the loss of the actor plus the weighted squared error of the value (Mnih et al. 2016).

    :param form: of the networks
    :param nets: their parameters
    :param obs: observations
    :param raw: numbers that actions were made of
    :param advantage: of the actions
    :param target: of the values
    :param weights: of the entropy, and of the value's error
    """
    out, value = form.both(nets, obs)
    own, entropy = loss_of_outputs(form, out, raw, advantage, weights[0])
    error = critic_loss(value[None], target)
    return SharedLoss(own + weights[1] * error, own.detach(), error.detach(), entropy)


WILLIAMS = "Williams 1992, doi:10.1007/BF00992696"
SUTTON = "Sutton et al. 1999, Advances in Neural Information Processing Systems 12"
REINFORCE = PolicyGradient("reinforce", WILLIAMS, "none")
VPG = PolicyGradient("vpg", SUTTON, "mean")
A2C = PolicyGradient("a2c", "Mnih et al. 2016, arXiv:1602.01783", "value")
