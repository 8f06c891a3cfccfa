"""`critic: shared`: one critic per shape of agents, which sees all agents side by side.

Which agent's value is asked for is told by its observation, action and embedding. What all agents
show and do meets the first layer in one product per row, whatever the number of agents, so the
cost of a row grows with the number of agents, not with its square.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.learning.critics.critic import Fleet, Seen, Weights
from assume_rl.learning.critics.of_shape import ShapeCritic, create_with
from assume_rl.learning.critics.rivals import HIDDEN
from assume_rl.learning.nets import layers as mlp


class Look(NamedTuple):
    """What the rivals add to the first layer, the same for all agents."""

    joint: Float[Tensor, "net row entry"]
    added: Float[Tensor, "net row hidden"]
    slope: Float[Tensor, "net row hidden"]  # gradient at `added`, gathered over groups


class SideBySide:
    """Private entries and actions of all agents, each in columns of its own."""

    def __init__(self, fleet: Fleet, device: torch.device) -> None:
        self._entries = fleet.joint_size
        columns = fleet.action_columns()
        self._actions: list[Int[Tensor, "agent act"]] = [
            torch.tensor([list(columns[p]) for p in own], device=device) for own in fleet.positions
        ]

    def sizes(self) -> dict[str, tuple[int, ...]]:
        """One row per entry."""
        return {"first.weight": (self._entries, HIDDEN[0])}

    def look(self, weights: Weights, seen: Seen) -> Look:
        """One product for all agents."""
        weight = weights["first.weight"]
        critics = weight.shape[0] // seen.joint.shape[0]
        joint = seen.joint.expand(critics, *seen.joint.shape).flatten(0, 1)
        added = mlp.product(joint, weight)
        return Look(joint, added, torch.zeros_like(added))

    def added(
        self, weights: Weights, look: Look, group: int, base: Float[Tensor, "net agent 1 hidden"]
    ) -> Float[Tensor, "net agent row hidden"]:
        """The same for each agent, plus `base`."""
        return look.added.unsqueeze(1) + base

    def note(
        self,
        weights: Weights,
        slopes: Weights,
        look: Look,
        group: int,
        slope: Float[Tensor, "net agent row hidden"],
    ) -> None:
        """Gather the gradient of what was added for each agent."""
        look.slope.add_(slope.sum(dim=1))

    def finish(self, weights: Weights, slopes: Weights, look: Look) -> None:
        """One product for all agents."""
        mlp.weight_gradient(look.joint, look.slope, slopes["first.weight"])

    def own_action(
        self, weights: Weights, group: int, direct: Float[Tensor, "seed 1 act hidden"]
    ) -> Float[Tensor, "seed agent act hidden"]:
        """The agent's action is also among those of all agents."""
        return direct + weights["first.weight"][:, self._actions[group]]


def create(
    fleet: Fleet, critics: int, device: torch.device, dtype: torch.dtype
) -> tuple[ShapeCritic, ...]:
    """Critics of all shapes, all zero."""
    return create_with(SideBySide(fleet, device), fleet, critics, device, dtype)
