"""An algorithm, a kind of critic, a kind of actor and a schedule, from one file."""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import torch
from pydantic import Field
from torch.nn.functional import pad

from assume_rl.learning.algorithms.base import NetSpec, critic_loss, settings_of
from assume_rl.learning.config import AlgorithmConfig
from assume_rl.learning.critics import Kind, of_shape
from assume_rl.learning.critics.base import states_only
from assume_rl.learning.nets import layers
from assume_rl.learning.nets.heads import SQUASHED_GAUSSIAN
from assume_rl.learning.nets.trunks import Mlp

# --- an algorithm ---------------------------------------------------------------------------------


class AdvantageConfig(AlgorithmConfig):
    """What a study case may set under `learning_config`."""

    on_policy: ClassVar[bool] = True
    spread: float = Field(0.1, gt=0)
    """Advantage, in rewards, whose bid counts e times as much as one that is just as expected."""
    passes: int = Field(10, ge=1)
    """Times that an update goes over its bids, with a gradient step each."""


@dataclass(frozen=True)
class AdvantageWeightedRegression:
    """Maximum likelihood of bids, each weighted by how much more it earned than was expected.

    Peng et al. 2019, without a discount: what follows a bid does not count.
    """

    name: str = "awr"
    paper: str = "Peng et al. 2019, arXiv:1910.00177"
    status: str = "experimental"
    on_policy: bool = True
    extras: dict = field(default_factory=lambda: {"raw": None})  # the bid before it is squashed
    noises: tuple = ()

    def networks(self):
        actor = NetSpec("actor", head="squashed_gaussian")
        return {"actor": actor, "value": NetSpec("state_value")}  # central: a critic

    def update(self, work):
        chosen = settings_of(work, AdvantageConfig)
        batch = work.batches.latest(sum(stretch.rows for stretch in work.stretches))
        seen = states_only(work.fleet.groups, batch.now.read)
        for _ in range(chosen.passes):
            work.log.iteration()
            advantage = self.expected(work, batch, seen)
            for group, actor in enumerate(work.nets["actor"]):
                weight = (advantage[group] / chosen.spread).clamp(max=3.0).exp()
                obs, raw = batch.now.read[group], batch.extras["raw"][group]
                log_prob = SQUASHED_GAUSSIAN.log_prob(actor.form.outputs(actor.followed, obs), raw)
                loss = -(weight * log_prob).mean(dim=-1)  # (seed, agent)
                (step,) = actor.descend([loss], work.rates["actor"], work.config.max_grad_norm)
                work.log.step("actor", group, step)
        return chosen.passes

    def expected(self, work, batch, seen):
        """Return advantages per group; values make a step towards rewards on the way."""
        advantage = [None] * len(work.fleet.groups)
        for net in work.nets["value"]:
            losses = []
            for group, value in zip(
                net.form.groups, net.form.values(net.followed, seen), strict=True
            ):
                reward = batch.reward[group]
                advantage[group] = reward - value[0].detach()
                losses.append(critic_loss(value, reward))
            steps = net.descend(losses, work.rates["value"], work.config.max_grad_norm)
            for group, step in zip(net.form.groups, steps, strict=True):
                work.log.step("value", group, step)
        return advantage


# --- a kind of critic -----------------------------------------------------------------------------


class MeanField:
    """What critics see of rivals is the mean of what they show and do.

    Yang et al. 2018, arXiv:1802.05438. Agents of all shapes are filled up with zeros.
    """

    def __init__(self, spec):
        agents = spec.fleet.agents
        self.hidden = (spec.hidden.sizes or of_shape.HIDDEN)[0]
        self.private = max(agent.unique_size for agent in agents)
        self.entries = self.private + max(agent.act_size for agent in agents)
        self.sizes_of = [(g.unique_size, len(g.specs)) for g in spec.fleet.groups]
        self.rivals = max(len(agents) - 1, 1)

    def sizes(self):
        return {"first.weight": (self.entries, self.hidden)}

    def look(self, weights, seen):
        shown = []
        for (private, _), obs, action in zip(self.sizes_of, seen.obs, seen.action, strict=True):
            own = pad(obs[..., obs.shape[-1] - private :], (0, self.private - private))
            both = torch.cat([own, action], dim=-1)
            shown.append(pad(both, (0, self.entries - both.shape[-1])))
        total = torch.stack([own.sum(dim=1) for own in shown]).sum(dim=0)
        return [(total.unsqueeze(1) - own) / self.rivals for own in shown]

    def added(self, weights, look, group, base):
        weight = weights["first.weight"]
        mean = look[group].repeat(len(weight) // len(look[group]), 1, 1, 1)  # critic by critic
        return base + torch.einsum("narx,nxh->narh", mean, weight)

    def own(self, weights, group, direct):
        return direct.expand(-1, self.sizes_of[group][1], -1, -1)  # an agent is no rival of its own


# --- a kind of actor ------------------------------------------------------------------------------

MLP = Mlp()
SKIP = "skip.weight"


class WithSkip:
    """Linear layers, and beside them one layer from the observation right to the outputs.

    Cheng et al. 2016, arXiv:1606.07792. It begins at zero.
    """

    hidden = (64, 64)

    def shapes(self, spec, hidden, outputs):
        return {SKIP: (spec.obs_size, outputs), **MLP.shapes(spec, hidden, outputs)}

    def bounds(self, shapes):
        return {SKIP: 0.0, **MLP.bounds({name: s for name, s in shapes.items() if name != SKIP})}

    def nets(self, weights, activation):
        skip, *deep = weights.values()
        return skip, layers.layers(deep, activation)

    def outputs(self, nets, obs):
        skip, deep = nets
        return layers.forward(deep, obs) + obs @ skip

    def names(self, linear):
        return [SKIP, *MLP.names(linear)]

    def fits(self, state):
        return MLP.fits(state) and tuple(state[SKIP].shape[::-1]) == MLP.sizes(state)

    def sizes(self, state, unique_size=0):
        return MLP.sizes(state)


# --- a schedule -----------------------------------------------------------------------------------


def warm_up(settings, left):
    """Return the share of a value at the start: it rises in a tenth of training, then falls.

    :param settings: `end`, of what is left at the end
    :param left: share of training, from 1 to 0
    """
    risen = min(1.0, 0.1 + 9.0 * (1.0 - left))
    return risen * (settings.end + (1.0 - settings.end) * left)


def register(registry):
    registry.algorithm(AdvantageWeightedRegression(), AdvantageConfig)
    registry.critic("mean_field", Kind(partial(of_shape.create, MeanField), own_nets=False))
    registry.actor("skip", WithSkip())
    registry.schedule("warm_up", warm_up)
