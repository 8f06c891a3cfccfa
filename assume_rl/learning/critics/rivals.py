"""How a critic that agents share sees an agent's rivals."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from assume_rl.learning.critics.critic import Seen, Weights

HIDDEN = (256, 128)  # of the critic, whatever the number of agents


@runtime_checkable
class Rivals(Protocol):
    """How a critic sees what the other agents know and do.

    `weights` and `slopes` have all networks as one axis, critic by critic and in each seed by seed.
    """

    def sizes(self) -> dict[str, tuple[int, ...]]:
        """Parameters of one network; `first.weight` meets the first hidden layer."""
        ...

    def look(self, weights: Weights, seen: Seen) -> Any:
        """What can be worked out of some rows once for all agents."""
        ...

    def added(
        self, weights: Weights, look: Any, group: int, base: Float[Tensor, "net agent 1 hidden"]
    ) -> Float[Tensor, "net agent row hidden"]:
        """The rivals' part of the first layer's output for a group's agents, plus `base`."""
        ...

    def note(
        self,
        weights: Weights,
        slopes: Weights,
        look: Any,
        group: int,
        slope: Float[Tensor, "net agent row hidden"],
    ) -> None:
        """Take a group's gradient at the first layer's output into account."""
        ...

    def finish(self, weights: Weights, slopes: Weights, look: Any) -> None:
        """Write gradients that depend on all groups."""
        ...

    def own_action(
        self, weights: Weights, group: int, direct: Float[Tensor, "seed 1 act hidden"]
    ) -> Float[Tensor, "seed agent act hidden"]:
        """What an agent's action meets in all: `direct` and, maybe, the rivals' part."""
        ...
