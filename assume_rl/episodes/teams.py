"""Units that bid alike, and the policies that fixed bidders act on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from assume_rl.core.bidding.protocol import Layout, Strategy
from assume_rl.core.types import Fleet, Members
from assume_rl.core.units.fleet import members
from assume_rl.learning.networks import ActorStack
from assume_rl.learning.types import AgentSpec


class Policy(Protocol):
    """Maps observations to actions; an `ActorStack` is one."""

    @property
    def dtype(self) -> torch.dtype:
        """What observations must be cast to."""
        ...

    def __call__(self, obs: Tensor) -> Tensor:
        """(..., unit, obs) -> (..., unit, act)."""
        ...


@dataclass(frozen=True)
class Team:
    """Units with one strategy in one market; all of them learn, or none does."""

    strategy: Strategy
    unit_ids: tuple[str, ...]
    members: Members
    units: Tensor  # (unit,) the operator's indices
    learns: bool  # its policy comes from a Learning role
    policy: Policy | None = None  # a fixed policy


def build_teams(
    fleet: Fleet, strategy: Strategy, units: Sequence[int], policies: Mapping[str, Policy]
) -> Iterator[Team]:
    """Split units of one technology into those that learn (or follow rules) and fixed policies.

    :param units: indices into `fleet`, ascending.
    :param policies: fixed policies by unit id; of units that are not asked for, too.
    """
    learned = strategy.act_size > 0
    fixed = [u for u in units if learned and fleet.ids[u] in policies]
    free = [u for u in units if u not in fixed]
    for chosen in (free, fixed):
        if chosen:
            ids = tuple(fleet.ids[u] for u in chosen)
            policy = side_by_side(tuple(policies[i] for i in ids)) if chosen is fixed else None
            yield Team(
                strategy,
                ids,
                members(fleet, chosen),
                torch.tensor(chosen, device=fleet.owner.device),
                learned and chosen is free,
                policy,
            )


def agent_spec(unit_id: str, layout: Layout, act_size: int) -> AgentSpec:
    """What a learner, or a policy's manifest, must know of a unit."""
    features = tuple((f.name, f.size, f.scaling) for f in layout.features)
    return AgentSpec(unit_id, layout.size, act_size, layout.unique_size, features)


@dataclass(frozen=True)
class Separate:
    """Policies of different kinds side by side, one per unit."""

    policies: tuple[Policy, ...]

    @property
    def dtype(self) -> torch.dtype:
        """The widest dtype of the parts, so that none loses digits of its observation."""
        return max((p.dtype for p in self.policies), key=lambda dtype: torch.finfo(dtype).bits)

    def __call__(self, obs: Tensor) -> Tensor:
        """(..., unit, obs) -> (..., unit, act), each row by its own policy."""
        rows = zip(self.policies, obs.unbind(-2), strict=True)
        own = [policy(row.unsqueeze(-2).to(policy.dtype)) for policy, row in rows]
        return torch.cat(own, dim=-2)


def side_by_side(policies: tuple[Policy, ...]) -> Policy:
    """One policy for several units: stacked where they are actors of equal shape."""
    actors = [p for p in policies if isinstance(p, ActorStack)]
    shapes = {tuple(w.shape[1:] for w in actor.weights.values()) for actor in actors}
    if len(actors) < len(policies) or len(shapes) > 1:
        return Separate(policies)
    names = actors[0].weights
    weights = {name: torch.cat([actor.weights[name] for actor in actors]) for name in names}
    ids = tuple(unit for actor in actors for unit in actor.unit_ids)
    return replace(actors[0], unit_ids=ids, weights=weights)
