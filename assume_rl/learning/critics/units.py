"""Critics of single agents as files and modules have them.

Outside of `critics.concat` the first weight of an agent's critic has a column per entry of
`transfer.critic_blocks`: own observation, the others' private parts, all actions, agents in their
order. Inside, its rows are what only the owner sees and then the joint part. The same numbers in
another order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.learning.fleet import Fleet
from assume_rl.learning.nets import layers as mlp
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.nets.layers import Hidden
from assume_rl.learning.nets.net import OfGroup, States, Weights
from assume_rl.learning.nets.stack import CriticStack
from assume_rl.learning.nets.transfer import critic_blocks


class UnitCritics(NamedTuple):
    """One seed's networks (or moments) of a group."""

    unit_ids: tuple[str, ...]
    columns: Int[Tensor, "agent entry"]  # where files have the rows of the first weight
    weights: Weights  # (critic, agent, ...), views

    def stack(self, unit_ids: Sequence[str]) -> CriticStack:
        """Return copies of some units' critics."""
        index = [self.unit_ids.index(unit) for unit in unit_ids]
        own, joint, *rest = [w[:, index] for w in self.weights.values()]
        rows = torch.cat([own, joint], dim=2)
        first = torch.empty_like(rows)
        for k, agent in enumerate(index):
            first[:, k, self.columns[agent]] = rows[:, k]
        names = ["layers.0.weight", *list(self.weights)[2:]]
        weights = dict(zip(names, [w.flatten(0, 1) for w in (first, *rest)], strict=True))
        return CriticStack(tuple(unit_ids), first.shape[0], weights)

    def write(self, unit_id: str, state: Mapping[str, Tensor]) -> None:
        """Overwrite one agent's weights in place; `PolicyError` if `state` does not fit."""
        stack = self.stack([unit_id])
        stack.write(unit_id, state)
        agent = self.unit_ids.index(unit_id)
        first, *rest = stack.weights.values()
        own = next(iter(self.weights.values())).shape[2]
        first = first[:, self.columns[agent]]
        parts = [first[:, :own], first[:, own:], *rest]
        for weight, part in zip(self.weights.values(), parts, strict=True):
            weight[:, agent].copy_(part)


@dataclass(frozen=True)
class UnitForm(OfGroup):
    """The part that critics of single agents share; parameters are `(critic, seed, agent, ...)`.

    The first weight is in two parts, which files have as one.

    :param critics: Q-functions of an agent
    :param name: keys initial weights
    :param columns: where files have the rows of the first weight
    :param hidden: sizes and activation of hidden layers that a user wants
    """

    critics: int
    name: str
    columns: Int[Tensor, "agent entry"]
    hidden: Hidden

    @property
    def axes(self) -> tuple[str, ...]:
        """Return the axes of one network per Q-function, seed and agent."""
        return ("critic", "seed", "agent")

    def whole(self, norms: Float[Tensor, "*net part"]) -> Float[Tensor, "*net weight"]:
        """Return norms with the two parts of the first layer's weight as one."""
        weight = torch.linalg.vector_norm(norms[..., :2], dim=-1, keepdim=True)
        return torch.cat([weight, norms[..., 2:]], dim=-1)

    def snapshot(self, flat: Flat, seed: int) -> CriticStack:
        """Return copies of one seed's networks."""
        stack = self._of_seed(flat, seed).stack(self.names)
        return replace(stack, activation=self.hidden.activation)

    def states(self, flat: Flat, seed: int) -> dict[str, Weights]:
        """Return module states by agent."""
        stack = self._of_seed(flat, seed).stack(self.names)
        return {unit: stack.module_state(unit) for unit in self.names}

    def load(self, flat: Flat, seed: int, states: States) -> None:
        """Overwrite the agents that are in `states`; `PolicyError` if one does not fit."""
        table = self._of_seed(flat, seed)
        for unit in self.names:
            if unit in states:
                table.write(unit, states[unit])

    def _of_seed(self, flat: Flat, seed: int) -> UnitCritics:
        weights = {name: view[:, seed] for name, view in flat.views.items()}
        return UnitCritics(self.names, self.columns, weights)

    def _stacked(
        self, first: Mapping[str, tuple[int, ...]], hidden: Sequence[int]
    ) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the first layer's parts and of later layers, with all axes."""
        shapes = {**first, **mlp.later_shapes(hidden)}
        axes = (self.critics, self.seeds, len(self.group.specs))
        return {name: (*axes, *shape) for name, shape in shapes.items()}


def column_table(rows: Sequence[Sequence[int]], device: torch.device) -> Int[Tensor, "agent _"]:
    """Return columns as a tensor of whole numbers, also where agents have none."""
    return torch.tensor([list(own) for own in rows], device=device, dtype=torch.long)


def file_columns(fleet: Fleet, position: int) -> list[int]:
    """Return the column in a file of each row of an agent's first weight."""
    owner = fleet.agents[position]
    blocks = critic_blocks(owner.unit_id, fleet.agents)
    obs = range(owner.obs_size)
    shared = owner.obs_size - owner.unique_size
    units = [fleet.agents[p].unit_id for p in fleet.order]
    columns = list(obs[:shared])
    for unit in units:
        own = unit == owner.unit_id
        columns += obs[shared:] if own else _range(blocks["unique", unit])
    for unit in units:
        columns += _range(blocks["action", unit])
    return columns


def _range(block: slice) -> range:
    return range(block.start, block.stop)
