"""Money: what an order brings and what generation costs."""

from jaxtyping import Float
from torch import Tensor


def cashflow(
    paid: Float[Tensor, "*shape"], accepted: Float[Tensor, "*shape"], hours: float
) -> Float[Tensor, "*shape"]:
    """EUR that orders bring (sold > 0) or cost (bought < 0); `paid` EUR/MWh, `accepted` MW."""
    return paid * accepted * hours


def generation_cost(
    marginal_cost: Float[Tensor, "*shape"], power: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """|marginal cost times power| per step: EUR if steps are hours.

    The length of a step does not enter, as in the tables of the established format.
    """
    return (marginal_cost * power).abs()
