"""Kinds of critics: one file and one line here for each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from assume_rl.learning.critics import concat, independent, of_shape, pooled, shared
from assume_rl.learning.critics.base import CriticForm, CriticSpec


@dataclass(frozen=True)
class Kind:
    """A kind of critic."""

    create: Callable[[CriticSpec], Sequence[CriticForm]]  # of all agents
    own_nets: bool  # every agent has networks of its own, so that it learns the same in any group


CRITICS: dict[str, Kind] = {
    "concat": Kind(concat.create, own_nets=True),
    "pooled": Kind(partial(of_shape.create, pooled.Pool), own_nets=False),
    "shared": Kind(partial(of_shape.create, shared.SideBySide), own_nets=False),
}
"""Critics that see all agents, by the name that `learning_config.critic` has for them."""

INDEPENDENT = Kind(independent.create, own_nets=True)
"""Critics that see their own agent only: those of independent algorithms."""

__all__ = ["CRITICS", "INDEPENDENT"]
