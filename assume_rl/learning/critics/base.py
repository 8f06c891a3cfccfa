"""The face of all critics: the rows that they see and the values that they give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.learning.fleet import Fleet, Group
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.nets.layers import Hidden
from assume_rl.learning.nets.net import Form, Weights
from assume_rl.learning.nets.stack import CriticStack


@dataclass(frozen=True)
class Seen:
    """Rows of joint data; groups in the learner's order.

    `obs`: what critics see of an agent's own observations: the last one, or where actors have a
    memory the latest ones. `read`: what actors read, which ends with it (`nets.recurrent_actor`).

    `joint`: the private entries of all agents, then the actions of all agents, agents in the order
    of the groups. It is stored once, whatever the number of critics that read it.
    """

    obs: tuple[Float[Tensor, "seed _ row _"], ...]  # per group (seed, agent, row, obs)
    action: tuple[Float[Tensor, "seed _ row _"], ...]  # per group (seed, agent, row, act)
    joint: Float[Tensor, "seed row entry"]
    read: tuple[Float[Tensor, "seed _ row _"], ...]  # per group (seed, agent, row, _)

    def rows(self, start: int, stop: int) -> "Seen":
        """Return some of the rows; no copies."""
        return Seen(
            tuple(part[:, :, start:stop] for part in self.obs),
            tuple(part[:, :, start:stop] for part in self.action),
            self.joint[:, start:stop],
            tuple(part[:, :, start:stop] for part in self.read),
        )

    def at(self, index: Int[Tensor, "seed row"]) -> "Seen":
        """Return the rows at `index`, which each seed has its own of."""
        read = tuple(rows_at(part, index) for part in self.read)
        return Seen(
            tuple(_last(new, old.shape[-1]) for new, old in zip(read, self.obs, strict=True)),
            tuple(rows_at(part, index) for part in self.action),
            torch.take_along_dim(self.joint, index[..., None], dim=1),
            read,
        )


def _last(part: Float[Tensor, "*row all"], entries: int) -> Float[Tensor, "*row entry"]:
    return part[..., part.shape[-1] - entries :]


def rows_at(
    values: Float[Tensor, "seed agent all *entry"], index: Int[Tensor, "seed row"]
) -> Float[Tensor, "seed agent row *entry"]:
    """Return the rows of `values` at `index`, the same for all agents of a seed."""
    place = index[:, None].view(len(index), 1, -1, *[1] * (values.ndim - 3))
    return torch.take_along_dim(values, place, dim=2)


def first_at(
    first: Float[Tensor, "net row hidden"], row: Int[Tensor, "seed agent other"]
) -> Float[Tensor, "net other hidden"]:
    """Return outputs of a first layer in some rows.

    :param first: of every agent, those of a seed side by side, whatever comes before the seeds
    :param row: which, each agent's own
    """
    index = row.flatten(0, 1)
    return first.take_along_dim(index.repeat(len(first) // len(index), 1)[..., None], dim=1)


def states_only(groups: Sequence[Group], read: Sequence[Float[Tensor, "seed _ row _"]]) -> Seen:
    """Return the rows of critics that value observations, not actions.

    :param groups: of the fleet
    :param read: rows that actors read, one tensor (seed, agent, row, _) per group
    """
    return joint(groups, read, [part[..., :0] for part in read])


def joint(
    groups: Sequence[Group],
    read: Sequence[Float[Tensor, "seed _ row _"]],
    action: Sequence[Float[Tensor, "seed _ row _"]],
) -> Seen:
    """Return the rows of critics that value observations and actions.

    :param groups: of the fleet
    :param read: rows that actors read, one tensor (seed, agent, row, _) per group
    :param action: one tensor (seed, agent, row, act) per group
    """
    # What is read ends with what critics see of it, and that with its private part.
    obs = [_last(part, group.obs_size) for group, part in zip(groups, read, strict=True)]
    private = [_last(part, group.unique_size) for group, part in zip(groups, read, strict=True)]
    columns = [part.transpose(1, 2).flatten(2) for part in (*private, *action)]
    return Seen(tuple(obs), tuple(action), torch.cat(columns, dim=-1), tuple(read))


@dataclass(frozen=True)
class CriticSpec:
    """The settings that critics are made from."""

    fleet: Fleet  # as critics see it
    critics: int  # Q-functions of an agent
    device: torch.device
    name: str  # keys initial weights
    hidden: Hidden


@dataclass(frozen=True)
class CriticNets:
    """Networks that the agents of equal sizes share, `(critic, ...)` each."""

    unit_ids: tuple[str, ...]
    critics: int
    weights: Weights


@runtime_checkable
class CriticForm(Form, Protocol):
    """Critics of one or several groups of agents: forward passes only.

    `nets` are those of `Form.nets`; they may be of the first Q-functions only (`Net.first`).
    """

    def values(self, nets: Any, seen: Seen) -> list[Float[Tensor, "critic seed _ row"]]:
        """Return all values, per group of these critics (critic, seed, agent, row)."""
        ...

    def context(self, nets: Any, seen: Seen) -> Any:
        """Return the context of `with_action` and `with_obs` at these rows, for any group."""
        ...

    def with_action(
        self, context: Any, seen: Seen, group: int, action: Float[Tensor, "seed agent row act"]
    ) -> Float[Tensor, "critic seed agent row"]:
        """Return the values with the own `action` in place of the one taken.

        :param context: of the rows
        :param seen: the rows, with the actions taken
        :param group: of the agents, by position in the fleet
        :param action: of these agents
        """
        ...

    def with_obs(
        self,
        context: Any,
        seen: Seen,
        group: int,
        row: Int[Tensor, "seed agent other"],
        obs: Float[Tensor, "seed agent other obs"],
    ) -> Float[Tensor, "critic seed agent other"]:
        """Return the values with the own `obs` in place of the one made, rivals as they were.

        :param context: of the rows
        :param seen: the rows, with the observations made
        :param group: of the agents, by position in the fleet
        :param row: whose observation each one takes the place of
        :param obs: of these agents
        """
        ...

    def snapshot(self, flat: Flat, seed: int) -> CriticStack | CriticNets:
        """Return copies of one seed's networks."""
        ...
