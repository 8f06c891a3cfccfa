"""`critic: shared`: one critic per shape of agents, which sees all agents side by side.

Observation, action and embedding say which agent's value is asked for. What all agents
show and do meets the first layer in one product per row, whatever the number of agents, so the
cost of a row grows with the number of agents, not with its square.
"""

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.learning.critics.base import CriticSpec, Seen
from assume_rl.learning.critics.of_shape import HIDDEN
from assume_rl.learning.critics.units import column_table
from assume_rl.learning.nets import layers as mlp
from assume_rl.learning.nets.net import Weights


class Look(NamedTuple):
    """The rivals' part of the first layer's output, the same for all agents."""

    added: Float[Tensor, "net row hidden"]


class SideBySide:
    """Private entries and actions of all agents, each in columns of its own."""

    def __init__(self, spec: CriticSpec) -> None:
        fleet = spec.fleet
        self._first = (spec.hidden.sizes or HIDDEN)[0]
        self._entries = fleet.joint_size
        private, actions = fleet.private_columns(), fleet.action_columns()
        self._own: list[Int[Tensor, "agent own"]] = [
            column_table([[*private[p], *actions[p]] for p in group.positions], spec.device)
            for group in fleet.groups
        ]

    def sizes(self) -> dict[str, tuple[int, ...]]:
        """Return one row per entry."""
        return {"first.weight": (self._entries, self._first)}

    def look(self, weights: Weights, seen: Seen) -> Look:
        """Return one product for all agents."""
        weight = weights["first.weight"]
        critics = weight.shape[0] // seen.joint.shape[0]
        joint = seen.joint.expand(critics, *seen.joint.shape).flatten(0, 1)
        return Look(mlp.product(joint, weight))

    def added(
        self, weights: Weights, look: Look, group: int, base: Float[Tensor, "net agent 1 hidden"]
    ) -> Float[Tensor, "net agent row hidden"]:
        """Return the same for each agent, plus `base`; see `Rivals.added`."""
        return look.added.unsqueeze(1) + base

    def own(
        self, weights: Weights, group: int, direct: Float[Tensor, "net 1 own hidden"]
    ) -> Float[Tensor, "net agent own hidden"]:
        """Return the weights that they meet as its own and among all; see `Rivals.own`."""
        return direct + weights["first.weight"][:, self._own[group]]
