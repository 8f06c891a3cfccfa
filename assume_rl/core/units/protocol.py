"""What a technology is: pure functions on the parameters of its units."""

from typing import Any, Protocol

from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.types import Starts, Step

Power = Float[Tensor, "... product unit"]


class Technology(Protocol):
    """A module with these functions is a technology once it is in `TECHNOLOGIES`.

    `params` are always that technology's parameters, one row per unit.
    """

    def select(self, params: Any, units: Int[Tensor, " unit"]) -> Any:
        """Parameters of some of the units."""
        ...

    def has_history(self, params: Any) -> bool:
        """Whether what a unit can do depends on how long it has been running."""
        ...

    def band(self, params: Any, capacity: Power, sold: Power) -> tuple[Power, Power]:
        """Least and most power that can be offered on top of what is sold, MW, signed."""
        ...

    def operating_time(
        self, params: Any, past: Float[Tensor, "... window unit"], step: Step
    ) -> Float[Tensor, "... unit"]:
        """Steps since a unit was last switched, > 0 on, < 0 off; `past` ends before `step`.

        :param step: counted from the beginning of the episode
        """
        ...

    def execute(
        self,
        params: Any,
        capacity: Float[Tensor, "... step unit"],
        energy: Float[Tensor, "... window unit"],
        step: Step,
    ) -> Float[Tensor, "... step unit"]:
        """Power that is really delivered in the last steps of `energy`, MW.

        :param capacity: of the steps to execute
        :param energy: sold MW; ends with the steps to execute, starts as far back as is known
        :param step: the last one, counted from the beginning of the episode
        """
        ...

    def starts(
        self,
        params: Any,
        power: Float[Tensor, "... step unit"],
        downtime: Float[Tensor, "... unit"],
    ) -> tuple[Starts, Float[Tensor, "... unit"]]:
        """Return the starts in each step, and the steps off after the last step.

        :param power: delivered, MW
        :param downtime: steps off directly before the first step; `NEVER_RAN`: it has not run yet
        """
        ...
