"""One learned number per seed and agent, such as the logarithm of a temperature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from assume_rl.errors import PolicyError
from assume_rl.learning.fleet import Group
from assume_rl.learning.nets.flat import Flat
from assume_rl.learning.nets.net import PerAgent, States, Weights


@dataclass(frozen=True)
class NumberForm(PerAgent):
    """Numbers of a group of agents."""

    name: str

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return one entry per seed and agent."""
        return {self.name: (self.seeds, len(self.group.specs), 1)}

    def nets(self, weights: Mapping[str, Tensor]) -> Float[Tensor, "seed agent"]:
        """Return the numbers."""
        return weights[self.name].view(self.seeds, len(self.group.specs))

    def initialise(self, flat: Flat, seeds: Sequence[int]) -> None:
        """Write zeros: a number begins at 0."""
        flat.buffer.zero_()

    def states(self, flat: Flat, seed: int) -> dict[str, Weights]:
        """Return copies of one seed's numbers by agent."""
        view = flat.views[self.name][seed]
        return {unit: {self.name: view[k].clone()} for k, unit in enumerate(self.names)}

    def load(self, flat: Flat, seed: int, states: States) -> None:
        """Overwrite the agents that are in `states`; `PolicyError` if one does not fit."""
        view = flat.views[self.name][seed]
        for k, unit in enumerate(self.names):
            if unit not in states:
                continue
            if self.name not in states[unit] or states[unit][self.name].shape != (1,):
                raise PolicyError(f"{self.name} of unit '{unit}' does not fit")
            view[k].copy_(states[unit][self.name])


def number_forms(groups: Sequence[Group], seeds: int, name: str) -> list[NumberForm]:
    """Return the form of each group's numbers.

    :param groups: of the fleet
    :param seeds: number of seeds
    :param name: of the numbers
    """
    return [NumberForm(group, k, seeds, name) for k, group in enumerate(groups)]
