"""Reserve that units have sold and must be able to deliver (`reserve_limits: deliverable`).

Semantics: docs/scenario-format.md, "Reserve that can be delivered".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from assume_rl.core.units.base import (
    CAPACITY_NEG,
    CAPACITY_POS,
    ENERGY,
    ZERO_VOLUME,
    Limits,
    PerStep,
    PerUnit,
    Range,
    Window,
)

P_contra = TypeVar("P_contra", contravariant=True)
S_contra = TypeVar("S_contra", contravariant=True)


@dataclass(frozen=True)
class Held:
    """Reserve that is sold for some steps, MW, and how long it may be called from there on."""

    up: PerStep
    down: PerStep
    up_ahead: PerStep  # MW times steps, of this step and all later ones
    down_ahead: PerStep


@runtime_checkable
class HoldsReserve(Protocol[P_contra, S_contra]):
    """Marks technologies whose units can be kept able to deliver the reserve that they sold."""

    def room(
        self,
        params: P_contra,
        state: S_contra,
        capacity: PerStep,
        previous: PerStep,
        held: Held,
        first: int,
    ) -> tuple[PerStep, PerStep]:
        """Return the least and the most power at which units can deliver their reserve, MW.

        What is off may stay off.

        :param capacity: available, MW
        :param previous: MW in the step before each; inf: not known
        :param held: reserve
        :param first: index of the first step into the window
        """
        ...

    def reservable(
        self,
        params: P_contra,
        state: S_contra,
        capacity: PerStep,
        energy: PerStep,
        held: Held,
        since: int,
        steps: int,
    ) -> tuple[PerUnit, PerUnit]:
        """Return the most reserve upwards and downwards that can still be sold for all steps, MW.

        :param capacity: available in the steps of a product, MW
        :param energy: sold for them, MW
        :param held: reserve that is sold for them; ahead: of all steps that are not delivered yet
        :param since: index into the window of the first of these steps
        :param steps: of all products of the auction, since all of them may be sold
        """
        ...


def held_in(sold: Mapping[str, Window], at: tuple[int, ...]) -> Held:
    """Return the reserve of some steps.

    :param sold: MW by product type
    :param at: indices of the steps into the window
    """
    rows = list(at)
    none = torch.zeros_like(sold[ENERGY])
    up, down = sold.get(CAPACITY_POS, none), sold.get(CAPACITY_NEG, none)
    ahead = [table.flip(-2).cumsum(-2).flip(-2) for table in (up, down)]
    return Held(*(table[..., rows, :] for table in (up, down, *ahead)))


def narrowed(limits: Limits, energy: PerStep, room: tuple[PerStep, PerStep], held: Held) -> Limits:
    """Return limits of energy within which reserve can be delivered.

    :param limits: without reserve
    :param energy: sold, MW
    :param room: the least and the most power, MW
    :param held: reserve
    """
    low, high = (end - energy for end in room)
    most = torch.minimum(limits.sell.most, high).clamp(min=0)
    least = torch.maximum(limits.sell.least, torch.where(held.down > ZERO_VOLUME, low, 0.0))
    fits = (most >= least) | (held.up + held.down <= ZERO_VOLUME)
    sell = Range(least * fits, most * fits)
    bought = torch.maximum(limits.buy.most, low).clamp(max=0)
    return Limits(sell, Range(torch.maximum(limits.buy.least, bought), bought))


def within(power: PerStep, room: tuple[PerStep, PerStep]) -> PerStep:
    """Return power within a room; what is off stays off.

    :param power: MW, sold
    :param room: the least and the most power, MW
    """
    low, high = room
    kept = torch.minimum(torch.maximum(power, low), high)
    return torch.where(power.abs() > ZERO_VOLUME, kept, power)


def cut(
    volume: Float[Tensor, "... slot"], most: Float[Tensor, "... unit"]
) -> Float[Tensor, "... slot"]:
    """Return volumes whose sales of a unit are no more than `most`; its first orders come first.

    :param volume: MW, unit-major
    :param most: MW
    """
    each = volume.reshape(*most.shape, -1)
    sold = each.clamp(min=0)
    left = (most.unsqueeze(-1) - (sold.cumsum(-1) - sold)).clamp(min=0)
    return torch.where(each > 0, torch.minimum(each, left), each).reshape(volume.shape)
