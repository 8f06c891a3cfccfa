"""Inelastic demand: offers what it has not bought yet; nothing constrains its execution."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.types import DemandParams, Starts, Step


def select(params: DemandParams, units: Int[Tensor, " chosen"]) -> DemandParams:
    """Parameters of some of the units."""
    return DemandParams(price=params.price[units])


def has_history(params: DemandParams) -> bool:
    """No: a demand can be switched at any time."""
    return False


def band(
    params: DemandParams,
    capacity: Float[Tensor, "... product unit"],
    sold: Float[Tensor, "... product unit"],
) -> tuple[Float[Tensor, "... product unit"], Float[Tensor, "... product unit"]]:
    """All that is not bought yet, MW (< 0), as both least and most."""
    left = capacity - sold
    return left, left


def operating_time(
    params: DemandParams, past: Float[Tensor, "... window unit"], step: Step
) -> Float[Tensor, "... unit"]:
    """Zero: it has no meaning for a demand."""
    return torch.zeros_like(past[..., -1, :])


def execute(
    params: DemandParams,
    capacity: Float[Tensor, "... step unit"],
    energy: Float[Tensor, "... window unit"],
    step: Step,
) -> Float[Tensor, "... step unit"]:
    """What was bought is consumed."""
    return energy[..., energy.shape[-2] - capacity.shape[-2] :, :]


def starts(
    params: DemandParams,
    power: Float[Tensor, "... step unit"],
    downtime: Float[Tensor, "... unit"],
) -> tuple[Starts, Float[Tensor, "... unit"]]:
    """Return no starts: a demand has none."""
    none = torch.zeros_like(power)
    never = torch.zeros_like(power, dtype=torch.bool)
    return Starts(never, never.long(), none, none), downtime
