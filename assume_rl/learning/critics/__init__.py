"""Kinds of centralised critics: one file and one line here for each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from assume_rl.learning.critics import concat, pooled, shared
from assume_rl.learning.critics.critic import Critic


@dataclass(frozen=True)
class Kind:
    """A kind of critic."""

    create: Callable[..., Sequence[Critic]]  # (fleet, critics per agent, device, dtype)
    own_nets: bool  # every agent has networks of its own, so that it learns the same in any group


CRITICS: dict[str, Kind] = {
    "concat": Kind(concat.create, own_nets=True),
    "pooled": Kind(pooled.create, own_nets=False),
    "shared": Kind(shared.create, own_nets=False),
}

__all__ = ["CRITICS"]
