"""A named kind of network of some agents: parameters, targets, gradients and optimiser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from assume_rl.learning.fleet import Group
from assume_rl.learning.nets.flat import Flat, scratch
from assume_rl.learning.nets.optimizer import Optimizer
from assume_rl.learning.processes import ALONE, Processes
from assume_rl.learning.types import Number

Weights = dict[str, Tensor]
States = Mapping[str, Mapping[str, Tensor]]  # networks by name, each a state dict


@runtime_checkable
class Form(Protocol):
    """How networks compute, how they begin and how files name them; parameters are arguments.

    Parameters are `(*axes, ...)`. Axes are `critic`, `seed` and `agent`, or fewer of them.
    """

    @property
    def axes(self) -> tuple[str, ...]:
        """Return the leading axes of all parameters, each combination of which is one network."""
        ...

    @property
    def groups(self) -> tuple[int, ...]:
        """Return the positions in the fleet of the groups of agents that the networks serve."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the networks in files: agents or sizes of agents."""
        ...

    @property
    def share(self) -> float | Float[Tensor, " seed #agent"]:
        """Return the weight of one agent's loss in that of its network: 1 where it has its own."""
        ...

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all parameters."""
        ...

    def nets(self, weights: Mapping[str, Tensor]) -> Any:
        """Return `weights`, whose axes of networks are one, arranged for the forward pass."""
        ...

    def initialise(self, flat: Flat, seeds: Sequence[int]) -> None:
        """Write fresh networks, keyed by seed and agent."""
        ...

    def states(self, flat: Flat, seed: int) -> dict[str, Weights]:
        """Return copies of one seed's networks (or moments) by name."""
        ...

    def load(self, flat: Flat, seed: int, states: States) -> None:
        """Overwrite one seed's networks (or moments) by those in `states`.

        :param flat: arranged as `shapes`
        :param seed: position on the axis `seed`
        :param states: by name of networks; networks without a state stay as they are
        """
        ...

    def whole(self, norms: Float[Tensor, "*net part"]) -> Float[Tensor, "*net weight"]:
        """Return norms of whole weights and biases from those of their parts."""
        ...


@dataclass(frozen=True)
class OfGroup:
    """The part that forms share whose networks are each agent's own, in one group.

    :param group: of the agents
    :param position: of the group in the fleet
    :param seeds: number of seeds
    """

    group: Group
    position: int
    seeds: int

    @property
    def groups(self) -> tuple[int, ...]:
        """Return the only group."""
        return (self.position,)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the agents."""
        return self.group.unit_ids

    @property
    def share(self) -> float:
        """Return 1: each agent has networks of its own."""
        return 1.0


@dataclass(frozen=True)
class PerAgent(OfGroup):
    """The part that forms share with one network per seed and agent."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Return the axes of one network per seed and agent."""
        return ("seed", "agent")

    def whole(self, norms: Float[Tensor, "*net part"]) -> Float[Tensor, "*net weight"]:
        """Return `norms`: parameters are whole weights and biases."""
        return norms


F = TypeVar("F", bound=Form)


@dataclass(frozen=True)
class GradientStep:
    """Measures of one step of the networks of a group's agents."""

    loss: Float[Tensor, "seed agent"]
    total_norm: Float[Tensor, "seed agent"]  # before clipping
    max_norm: Float[Tensor, "seed agent"]  # largest norm of one weight or bias
    rate: Number | Float[Tensor, " seed #agent"]  # learning rate


@dataclass(frozen=True)
class Net(Generic[F]):
    """Networks of one form, all of whose parameters are written in place."""

    form: F
    online: Flat
    target: Flat | None
    optimizer: Optimizer
    gradient: Flat  # scratch, which networks of equal shape may share
    followed: Any  # `online` as the forward pass takes it; autograd adds to `gradient`
    now: Any  # `online`, no graph
    first: Any  # likewise, of the first of an agent's networks
    later: Any  # `target`, no graph
    pace: Float[Tensor, " seed *agent"] | None  # factor on each owner's rate; None: all 1
    processes: Processes = ALONE  # that average gradients

    def descend(
        self,
        losses: Sequence[Float[Tensor, "seed _"]],
        rate: Number,
        max_grad_norm: float,
        moves: Bool[Tensor, "seed owner"] | None = None,
    ) -> list[GradientStep]:
        """Make one step of the optimiser down the losses of all groups.

        :param losses: per group of the form, (seed, agent), with graphs
        :param rate: learning rate
        :param max_grad_norm: of the gradient of an owner of networks; 0: not clipped
        :param moves: which networks change, moments included; None: all
        """
        self.gradient.buffer.zero_()
        share = self.form.share
        total = torch.stack([(loss * share).sum() for loss in losses]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        self.processes.average_(self.gradient.buffer)
        norm, largest = self._norms()
        if max_grad_norm > 0:
            clip_(self.gradient, norm[None] if self._several else norm, max_grad_norm)
        if moves is None and self.pace is None:
            self.optimizer.descend(self.gradient, rate)
        else:
            self._descend_apart(rate, moves)
        if norm.ndim == 1:  # of all agents together
            norm, largest = norm[:, None], largest[:, None]
        own_rate = rate if self.pace is None else rate * self.pace.view(len(self.pace), -1)
        return [
            GradientStep(loss.detach(), norm.expand_as(loss), largest.expand_as(loss), own_rate)
            for loss in losses
        ]

    def _descend_apart(self, rate: Number, moves: Bool[Tensor, "seed owner"] | None) -> None:
        """Make a step each owner at its own pace: a step is linear in the learning rate."""
        flats = [self.online, *self.optimizer.moments.values()]
        before = [flat.buffer.clone() for flat in flats]
        self.optimizer.descend(self.gradient, rate)
        for flat, buffer in zip(flats, before, strict=True):
            old = flat.over(buffer)
            for name, view in flat.views.items():
                if self.pace is not None and flat is self.online:
                    view.copy_(torch.lerp(old[name], view, self._beside(self.pace, view)))
                if moves is not None:
                    view.copy_(torch.where(self._beside(moves, view), view, old[name]))

    def _beside(self, owned: Tensor, view: Tensor) -> Tensor:
        """Return values of owners in a shape that goes with a parameter."""
        owned = owned[None] if self._several else owned
        return owned.view(*owned.shape, *[1] * (view.ndim - owned.ndim))

    def move_target(self, tau: Number) -> None:
        """Move the target by the share `tau` towards the networks, in place."""
        if self.target is not None:
            share = tau.to(self.target.buffer.dtype) if isinstance(tau, Tensor) else tau
            self.target.buffer.lerp_(self.online.buffer, share)

    @property
    def _several(self) -> bool:
        return self.form.axes[0] == "critic"

    def _norms(self) -> tuple[Float[Tensor, "*owner"], Float[Tensor, "*owner"]]:
        """Return the norm of each owner's gradient, and the largest of one weight or bias."""
        norms = part_norms(self.gradient, len(self.form.axes))
        whole = self.form.whole(norms).amax(dim=-1)
        if not self._several:
            return torch.linalg.vector_norm(norms, dim=-1), whole
        together = norms.movedim(0, -1).flatten(-2)
        return torch.linalg.vector_norm(together, dim=-1), whole.amax(dim=0)


def create_nets(
    forms: Sequence[F],
    device: torch.device,
    dtype: torch.dtype,
    *,
    target: bool,
    paced: bool = False,
    optimizer: tuple[str, float | None] = ("adamw", None),
    processes: Processes = ALONE,
) -> tuple[Net[F], ...]:
    """Return networks of zeros.

    :param forms: of the networks
    :param device: of all tensors
    :param dtype: of all tensors
    :param target: whether they have target networks
    :param paced: whether each owner has a factor on the learning rate
    :param optimizer: kind and weight decay, as `Optimizer.of` takes them
    :param processes: that learn together
    """
    flats = [Flat.zeros(form.shapes(), device, dtype) for form in forms]
    pairs = zip(forms, flats, scratch(flats), strict=True)
    return tuple(
        replace(_net(form, online, gradient, target, paced, optimizer), processes=processes)
        for form, online, gradient in pairs
    )


def _net(
    form: F,
    online: Flat,
    gradient: Flat,
    target: bool,
    paced: bool,
    optimizer: tuple[str, float | None],
) -> Net[F]:
    later, axes = online.like() if target else None, len(form.axes)
    several = form.axes[0] == "critic"
    owners = next(iter(online.views.values())).shape[int(several) : axes]
    return Net(
        form=form,
        online=online,
        target=later,
        optimizer=Optimizer.of(online, *optimizer),
        gradient=gradient,
        followed=form.nets(online.leaves(gradient, axes)),
        now=form.nets(online.merged(axes)),
        first=form.nets(online.merged(axes, first=1 if several else None)),
        later=None if later is None else form.nets(later.merged(axes)),
        pace=online.buffer.new_ones(owners) if paced else None,
    )


def part_norms(gradient: Flat, axes: int) -> Float[Tensor, "*net part"]:
    """Return the norm of each part of each network; the first `axes` axes are those of networks.

    Parts are last, also for whatever is computed of them: a reduction over another axis would
    round otherwise where there is only one network.
    """
    norms = [torch.linalg.vector_norm(v.flatten(axes), dim=-1) for v in gradient.views.values()]
    return torch.stack(norms, dim=-1)


def clip_(gradient: Flat, total: Float[Tensor, "*owner"], limit: float) -> None:
    """Scale gradients, in place, so that each owner's norm is `limit` at most.

    :param gradient: of all networks
    :param total: norm of each owner's gradients; axes that all parts have first, 1 where several
        networks have one owner
    :param limit: greatest norm
    """
    # The epsilon is that of torch.nn.utils.clip_grad_norm_.
    share = (limit / (total + 1e-6)).clamp(max=1.0)
    views = list(gradient.views.values())
    factors = [share.view(*share.shape, *[1] * (v.ndim - share.ndim)) for v in views]
    torch._foreach_mul_(views, factors)
