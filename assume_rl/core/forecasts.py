"""Naive forecasts of prices and residual load, computed from the true series.

Formulas: docs/scenario-format.md, "Forecasts".
"""

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.types import ZERO_VOLUME


def merit_order_price(
    marginal_cost: Float[Tensor, "*step plant"],
    available: Float[Tensor, "*step plant"],
    demand: Float[Tensor, "*step"],
    fallback_price: float,
) -> Float[Tensor, "*step"]:
    """Marginal cost of the first plant, cheapest first, that completes the demand, EUR/MWh.

    No demand: the cheapest plant's cost. More demand than power: `fallback_price`.

    :param marginal_cost: EUR/MWh
    :param available: MW
    :param demand: MW, positive
    :param fallback_price: EUR/MWh, the highest price that demand would pay
    """
    cost, order = marginal_cost.sort(dim=-1, stable=True)
    supply = available.gather(-1, order).cumsum(-1)
    short = supply < demand.unsqueeze(-1) - ZERO_VOLUME
    ladder = torch.cat((cost, cost.new_full((*demand.shape, 1), fallback_price)), -1)
    return ladder.gather(-1, short.sum(-1, keepdim=True)).squeeze(-1)


def residual_load(
    demand: Float[Tensor, "*step"], renewable: Float[Tensor, "*step plant"]
) -> Float[Tensor, "*step"]:
    """Demand less the available power of the renewable plants, MW."""
    return demand - renewable.sum(-1)


def min_max(x: Float[Tensor, "*series step"]) -> Float[Tensor, "*series step"]:
    """Each series scaled to [0, 1] by its own range; a constant one becomes 0.5."""
    low, high = x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)
    return torch.where(high > low, (x - low) / (high - low), 0.5)
