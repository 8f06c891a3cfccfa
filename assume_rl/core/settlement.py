"""What orders brought: money, and per unit the prices of its orders; what generation costs."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from assume_rl.core.types import ZERO_VOLUME


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


def running_cost(
    marginal_cost: Float[Tensor, "*shape"], power: Float[Tensor, "*shape"], hours: float
) -> Float[Tensor, "*shape"]:
    """EUR that it costs to deliver `power` for `hours`; 0 for units that take power.

    What a demand is willing to pay is its worth, not a cost.

    :param marginal_cost: EUR/MWh
    :param power: MW, delivered > 0
    """
    return marginal_cost * power.clamp(min=0) * hours


def by_unit(slots: Float[Tensor, "... slot"], units: int) -> Float[Tensor, "... unit own"]:
    """Unit-major slots, those of each unit side by side."""
    return slots.reshape(*slots.shape[:-1], units, -1)


def revenue(
    paid: Float[Tensor, "*shape own"],
    accepted: Float[Tensor, "*shape own"],
    price: Float[Tensor, "*shape"],
    hours: float,
) -> Float[Tensor, "*shape"]:
    """Return what the own orders of a unit bring together, EUR; of a buyer < 0.

    Written as the published price for all of it and the difference to that price per order: under
    a uniform price the difference is exactly 0, so that equal sales bring equal bits, however they
    are split into orders.

    :param paid: of each order, EUR/MWh
    :param accepted: of each order, MW
    :param price: published, EUR/MWh
    :param hours: length of the product
    """
    difference = ((paid - price[..., None]) * accepted).sum(-1)
    return (price * accepted.sum(-1) + difference) * hours


def last_price(
    is_order: Bool[Tensor, "... product slot"],
    unit: Int[Tensor, " slot"],
    sold: Float[Tensor, "... product slot"],
    paid: Float[Tensor, "... product slot"],
    units: int,
) -> tuple[Float[Tensor, "... product unit"], Bool[Tensor, "... product unit"]]:
    """Price of each unit's last order, accepted ones first, EUR/MWh; and whether it has one.

    A slot is no order if both volume and price are 0: learning bidders place orders of volume 0
    where nothing is available, and go on seeing prices then.
    """
    slots = paid.shape[-1]
    rank = torch.arange(slots, device=paid.device) + slots * (sold.abs() <= ZERO_VOLUME)
    key = torch.where(is_order, rank, -1)
    none = key.new_full((*key.shape[:-1], units), -1)
    last = none.scatter_reduce(-1, unit.expand_as(key), key, "amax")
    price = paid.gather(-1, last.clamp(min=0) % slots)
    return price, last >= 0
