"""Critics of any kind whose inputs, or whose values, are on a common scale.

Inputs: observations are normalised by running statistics of each agent; actions are left as they
are. Values: the networks give numbers of mean 0 and variance 1 (van Hasselt et al. 2016,
arXiv:1602.07714), so that gradients do not depend on the scale of rewards. Whoever asks for values
gets them in the units of rewards, and gives targets in these. Where the statistics of the targets
move, the last layers move the other way, so that values stay what they were (Pop-Art, section 2.2).
Networks that agents share have statistics of all these agents together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.learning.critics.base import CriticForm, CriticNets, Seen, joint
from assume_rl.learning.fleet import Fleet
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.nets.moments import Moments
from assume_rl.learning.nets.net import Net, States, Weights
from assume_rl.learning.nets.stack import CriticStack


@dataclass(frozen=True)
class NormalisedForm:
    """Critics of any kind with inputs or values on a common scale.

    :param inner: the critics
    :param fleet: of the learner
    :param inputs: statistics of observations, per group of the fleet; empty: read as they are
    :param scale: statistics of values; None: the networks give them as they are
    """

    inner: CriticForm
    fleet: Fleet
    inputs: tuple[Moments, ...]
    scale: Moments | None

    @property
    def axes(self) -> tuple[str, ...]:
        """Return the axes of the critics."""
        return self.inner.axes

    @property
    def groups(self) -> tuple[int, ...]:
        """Return the groups of the critics."""
        return self.inner.groups

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the critics."""
        return self.inner.names

    @property
    def share(self) -> float | Float[Tensor, "seed name"]:
        """Return the weight of losses, which are in the units of rewards."""
        if self.scale is None:
            return self.inner.share
        return self.inner.share / self.scale.deviation()[..., 0].square()

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return those of the critics."""
        return self.inner.shapes()

    def nets(self, weights: Mapping[str, Tensor]) -> Any:
        """Return the parameters as the critics take them."""
        return self.inner.nets(weights)

    def values(self, nets: Any, seen: Seen) -> list[Float[Tensor, "critic seed _ row"]]:
        """Return all values, in the units of rewards."""
        return [self._in_rewards(q) for q in self.inner.values(nets, self._seen(seen))]

    def context(self, nets: Any, seen: Seen) -> Any:
        """Return the context of the critics."""
        return self.inner.context(nets, self._seen(seen))

    def with_action(
        self, context: Any, seen: Seen, group: int, action: Float[Tensor, "seed agent row act"]
    ) -> Float[Tensor, "critic seed agent row"]:
        """Return the values of `action` in place of the one taken, in the units of rewards.

        :param context: of the rows
        :param seen: the rows, with the actions taken
        :param group: of the agents, by position in the fleet
        :param action: of these agents
        """
        return self._in_rewards(self.inner.with_action(context, self._seen(seen), group, action))

    def with_obs(
        self,
        context: Any,
        seen: Seen,
        group: int,
        row: Int[Tensor, "seed agent other"],
        obs: Float[Tensor, "seed agent other obs"],
    ) -> Float[Tensor, "critic seed agent other"]:
        """Return the values with the own `obs` in place of the one made; see `CriticForm`."""
        if self.inputs:
            obs = self.inputs[group].normalise(obs)
        q = self.inner.with_obs(context, self._seen(seen), group, row, obs)
        return self._in_rewards(q)

    def initialise(self, flat: Flat, seeds: Sequence[int]) -> None:
        """Write fresh networks."""
        self.inner.initialise(flat, seeds)

    def snapshot(self, flat: Flat, seed: int) -> CriticStack | CriticNets:
        """Return copies of one seed's networks, as they are."""
        return self.inner.snapshot(flat, seed)

    def states(self, flat: Flat, seed: int) -> dict[str, Weights]:
        """Return copies of one seed's networks (or moments) by name."""
        return self.inner.states(flat, seed)

    def load(self, flat: Flat, seed: int, states: States) -> None:
        """Overwrite one seed's networks (or moments) by those in `states`."""
        self.inner.load(flat, seed, states)

    def whole(self, norms: Float[Tensor, "*net part"]) -> Float[Tensor, "*net weight"]:
        """Return the norms of whole weights of the critics."""
        return self.inner.whole(norms)

    def follow(self, scale: Moments, flats: Sequence[Flat], targets: Sequence[Tensor]) -> None:
        """Count targets, and keep the values of networks that have counted some before.

        :param scale: statistics of these critics
        :param flats: the networks
        :param targets: per group of these critics (seed, agent, row)
        """
        begun, mean, deviation = scale.count > 0, scale.mean.clone(), scale.deviation()
        scale.add(torch.cat(list(targets), dim=1)[..., None])
        shift = torch.where(begun, mean - scale.mean, 0.0) / scale.deviation()
        factor = torch.where(begun, deviation / scale.deviation(), 1.0)
        if "agent" not in self.axes:  # one network for all agents
            shift, factor = shift.squeeze(1), factor.squeeze(1)
        for flat in flats:
            weight, bias = list(flat.views.values())[-2:]
            weight.mul_(factor[..., None])
            bias.mul_(factor).add_(shift)

    def _seen(self, seen: Seen) -> Seen:
        """Return rows as the critics read them."""
        if not self.inputs:
            return seen
        obs = [own.normalise(part) for own, part in zip(self.inputs, seen.obs, strict=True)]
        return joint(self.fleet.groups, obs, seen.action)

    def _in_rewards(
        self, q: Float[Tensor, "critic seed agent row"]
    ) -> Float[Tensor, "critic seed agent row"]:
        if self.scale is None:
            return q
        return q * self.scale.deviation().to(q.dtype) + self.scale.mean.to(q.dtype)


def normalised_critics(
    forms: Sequence[CriticForm],
    fleet: Fleet,
    inputs: tuple[Moments, ...],
    device: torch.device,
    *,
    values: bool,
) -> Sequence[CriticForm]:
    """Return critics with inputs or values on a common scale; as they are, if neither is wanted.

    :param forms: of the critics
    :param fleet: of the learner
    :param inputs: statistics of observations per group; empty: read as they are
    :param device: of the networks
    :param values: whether values are normalised
    """
    if not inputs and not values:
        return forms
    return [
        NormalisedForm(
            form,
            fleet,
            inputs,
            Moments.fresh(form.names, fleet.seeds, 1, device) if values else None,
        )
        for form in forms
    ]


@torch.no_grad()
def follow(net: Net[CriticForm], targets: Sequence[Float[Tensor, "seed _ row"]]) -> None:
    """Update normalised values towards their targets; do nothing to values that are not.

    :param net: critics
    :param targets: of the values of their groups, in the units of rewards
    """
    form = net.form
    if isinstance(form, NormalisedForm) and form.scale is not None:
        flats = [flat for flat in (net.online, net.target) if flat is not None]
        form.follow(form.scale, flats, [net.processes.gathered(own) for own in targets])
