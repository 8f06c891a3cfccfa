"""Storages: state of charge, limits, ramps and execution.

Semantics: docs/scenario-format.md, "Storage". The state of charge is a share of the capacity at the
beginning of a step. Charging is negative power and increases it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.time import Step
from assume_rl.core.units.base import (
    CAPACITY_NEG,
    CAPACITY_POS,
    ENERGY,
    ZERO_VOLUME,
    Limits,
    PerProduct,
    PerStep,
    PerUnit,
    Range,
    Sale,
    Side,
    Sold,
    Starts,
    Window,
    rows_of,
    starts_of,
)
from assume_rl.core.units.holding import Held

IGNORED_VOLUME = 1.0
"""MW; smaller sales do not change what the stored energy has cost, as recorded."""

EMPTY = 1.0
"""MWh; a storage that holds less has energy that cost nothing, as recorded."""


@dataclass(frozen=True)
class StorageParams:
    """Storages. Charging power and its ramps are <= 0, discharging ones >= 0."""

    capacity: Float[Tensor, " unit"]  # MWh
    max_power_charge: Float[Tensor, " unit"]  # MW, <= 0
    min_power_charge: Float[Tensor, " unit"]  # MW, <= 0
    max_power_discharge: Float[Tensor, " unit"]  # MW, >= 0
    min_power_discharge: Float[Tensor, " unit"]  # MW, >= 0
    min_soc: Float[Tensor, " unit"]  # share of the capacity
    max_soc: Float[Tensor, " unit"]
    initial_soc: Float[Tensor, " unit"]
    efficiency_charge: Float[Tensor, " unit"]
    efficiency_discharge: Float[Tensor, " unit"]
    additional_cost_charge: Float[Tensor, " unit"]  # EUR/MWh
    additional_cost_discharge: Float[Tensor, " unit"]  # EUR/MWh
    ramp_up_charge: Float[Tensor, " unit"]  # MW per step, <= 0; -inf: no limit
    ramp_down_charge: Float[Tensor, " unit"]  # MW per step, <= 0; -inf: no limit
    ramp_up_discharge: Float[Tensor, " unit"]  # MW per step, >= 0; inf: no limit
    ramp_down_discharge: Float[Tensor, " unit"]  # MW per step, >= 0; inf: no limit
    hot_start_cost: Float[Tensor, " unit"]  # EUR per start
    warm_start_cost: Float[Tensor, " unit"]
    cold_start_cost: Float[Tensor, " unit"]
    downtime_hot_start: Float[Tensor, " unit"]  # steps
    downtime_warm_start: Float[Tensor, " unit"]  # steps
    step_hours: float
    cost_limit: float  # EUR/MWh, to which the cost of stored energy is clipped


@dataclass(frozen=True)
class StorageState:
    """The content of storages over the state window; it is constant after the last booked step."""

    soc: Float[Tensor, "... window unit"]  # at the beginning of each step; planned after now
    stored_cost: Float[Tensor, "... unit"]  # EUR/MWh that the stored energy has cost


@dataclass(frozen=True)
class StorageView:
    """The view of storages at the first product that their bidders have."""

    params: StorageParams
    soc: Float[Tensor, "... unit"]  # planned
    stored_cost: Float[Tensor, "... unit"]  # EUR/MWh


@dataclass(frozen=True)
class Storage:
    """The technology `storage`."""

    name: str = "storage"
    sides: frozenset[Side] = frozenset({"sells", "buys"})

    def select(self, params: StorageParams, units: Int[Tensor, " chosen"]) -> StorageParams:
        """Return the parameters of some of the units."""
        return rows_of(params, units)

    def lookback(self, params: StorageParams, timed: bool) -> int:
        """Return 0: execution needs the state of charge, not the past."""
        return 0

    def initial(self, params: StorageParams, batch: tuple[int, ...], window: int) -> StorageState:
        """Return storages at their initial state of charge, whose content cost nothing."""
        soc = params.initial_soc.expand(*batch, window, len(params.initial_soc))
        return StorageState(soc, torch.zeros_like(soc[..., 0, :]))

    def advance(self, state: StorageState, steps: int) -> StorageState:
        """Return the state `steps` steps later; new steps start from the present content."""
        kept = state.soc[..., steps:, :]
        last = state.soc[..., -1:, :]
        size = state.soc.shape[-2]
        ahead = last.expand(*last.shape[:-2], size - kept.shape[-2], last.shape[-1])
        return replace(state, soc=torch.cat((kept, ahead), dim=-2))

    def limits(
        self,
        params: StorageParams,
        state: StorageState,
        capacity: PerProduct,
        sold: Sold,
        first: int,
    ) -> Limits:
        """Return the limits of further charging and discharging; see `limits_at`."""
        return limits_at(params, state.soc[..., first : first + 1, :], capacity, sold)

    def plan(
        self, params: StorageParams, state: StorageState, energy: Window, first: int
    ) -> tuple[Window, StorageState]:
        """Return the part of the sales that the content allows, and the planned state."""
        size = energy.shape[-2]
        done, soc = _roll(params, state.soc[..., first, :], energy[..., first:, :])
        # The window has no place for what follows its last step.
        soc = torch.cat((state.soc[..., : first + 1, :], soc[..., : size - first - 1, :]), dim=-2)
        return torch.cat((energy[..., :first, :], done), dim=-2), replace(state, soc=soc)

    def execute(
        self,
        params: StorageParams,
        state: StorageState,
        capacity: PerStep,
        energy: Window,
        first: int,
        since: Step,
    ) -> tuple[PerStep, StorageState]:
        """Return delivered power within power limits and state of charge, MW, and the state.

        Power between the two minimum powers is not possible and becomes 0.
        """
        planned = energy[..., first : first + capacity.shape[-2], :]
        limited = planned.clamp(params.max_power_charge, params.max_power_discharge)
        idle = (limited > params.min_power_charge) & (limited < params.min_power_discharge)
        done, soc = _roll(params, state.soc[..., first, :], torch.where(idle, 0.0, limited))
        stop = first + 1 + soc.shape[-2]
        # What follows stays as planned until `plan` is called again.
        parts = (state.soc[..., : first + 1, :], soc, state.soc[..., stop:, :])
        joined = torch.cat(parts, dim=-2)[..., : state.soc.shape[-2], :]
        return done, replace(state, soc=joined)

    def room(
        self,
        params: StorageParams,
        state: StorageState,
        capacity: PerStep,
        previous: PerStep,
        held: Held,
        first: int,
    ) -> tuple[PerStep, PerStep]:
        """Return the power that leaves power, and content to the end, for all reserve."""
        soc = state.soc[..., first : first + 1, :]
        content = (max_discharge(params, soc) - held.up_ahead).clamp(min=0)
        space = (max_charge(params, soc) + held.down_ahead).clamp(max=0)
        low = torch.maximum(params.max_power_charge + held.down, space)
        return low, torch.minimum(params.max_power_discharge - held.up, content)

    def reservable(
        self,
        params: StorageParams,
        state: StorageState,
        capacity: PerStep,
        energy: PerStep,
        held: Held,
        since: int,
        steps: int,
    ) -> tuple[PerUnit, PerUnit]:
        """Return what power, and content in all steps of the auction's products at a time, allow.

        The content counts that is least, or most, of what is planned. A storage with a least power
        has none: part of its reserve may be called for less.
        """
        soc = state.soc[..., since:, :]
        able = (params.min_power_charge == 0) & (params.min_power_discharge == 0)
        content = max_discharge(params, soc.amin(-2)) - held.up_ahead.amax(-2)
        space = -max_charge(params, soc.amax(-2)) - held.down_ahead.amax(-2)
        up = (params.max_power_discharge - energy.clamp(min=0) - held.up).amin(-2)
        down = (energy.clamp(max=0) - params.max_power_charge - held.down).amin(-2)
        up, down = torch.minimum(up, content / steps), torch.minimum(down, space / steps)
        return (able * up).clamp(min=0), (able * down).clamp(min=0)

    def view(
        self, params: StorageParams, state: StorageState, past: Window, since: Step
    ) -> StorageView:
        """Return state of charge and cost of the stored energy at the first product."""
        return StorageView(params, state.soc[..., past.shape[-2], :], state.stored_cost)

    def marginal_cost(self, params: StorageParams, series: PerStep, power: PerStep) -> PerStep:
        """Return the additional cost of discharging where power is positive, else of charging."""
        charge = params.additional_cost_charge.expand_as(power)
        return torch.where(power > 0, params.additional_cost_discharge, charge)

    def running_cost(self, params: StorageParams, series: PerStep, power: PerStep) -> PerStep:
        """Return the additional costs of charging or discharging, EUR/h."""
        return self.marginal_cost(params, series, power) * power.abs()

    def starts(
        self, params: StorageParams, power: PerStep, downtime: PerUnit
    ) -> tuple[Starts, PerUnit]:
        """Return when storages begin to discharge, and the steps since they last did."""
        return starts_of(params, power.clamp(min=0), downtime)

    def settle(self, params: StorageParams, state: StorageState, sale: Sale) -> StorageState:
        """Return the state with the cost of the stored energy after a sale.

        Energy that is bought adds what was paid for it, energy that is sold leaves at mean cost.
        """
        cost = state.stored_cost
        spent = -sale.marginal_cost * sale.sold * sale.hours - sale.revenue
        for i, sold in enumerate(sale.sold.unbind(-2)):
            before = state.soc[..., sale.first + i, :] * params.capacity
            # The window's last step is never sold, so what follows it is what it holds.
            after = min(sale.first + i + 1, state.soc.shape[-2] - 1)
            held = state.soc[..., after, :] * params.capacity
            mean = (cost * before + spent[..., i, :]) / held.clamp(min=EMPTY)
            cost = torch.where(sold < -IGNORED_VOLUME, mean, cost)
            cost = torch.where(held < EMPTY, 0.0, cost)
            cost = cost.clamp(-params.cost_limit, params.cost_limit)
        return replace(state, stored_cost=cost)

    def columns(self, params: StorageParams, state: StorageState) -> Mapping[str, Window]:
        """Return the state of charge at the beginning of each step, a share of the capacity."""
        return {"soc": state.soc}


def over(params: StorageParams, steps: int) -> StorageParams:
    """Return the parameters of storages that keep their power for several steps at a time."""
    return params if steps == 1 else replace(params, step_hours=params.step_hours * steps)


def limits_at(
    params: StorageParams,
    soc: Float[Tensor, "... #product unit"],
    capacity: Float[Tensor, "... product unit"],
    sold: Mapping[str, Float[Tensor, "... product unit"]],
) -> Limits:
    """Return the limits of charging and discharging beside the present sales, MW.

    A direction whose least power is out of reach has none. Sold reserve of either sign takes from
    the direction that would deliver it; sold negative reserve raises the charging limit, as
    recorded.

    :param soc: share of the capacity, at each product or, as recorded, the first one's for all
    :param capacity: MW, maximum discharging power times availability; not looked at
    :param sold: MW sold so far by product type
    """
    energy = sold[ENERGY]
    zero = energy.new_zeros(())
    up, down = sold.get(CAPACITY_POS, zero), sold.get(CAPACITY_NEG, zero)
    most_charge = params.max_power_charge - (energy + down)
    least_charge = (params.min_power_charge - (energy + up)).clamp(max=0)
    most_charge = torch.where(most_charge <= least_charge, most_charge, 0.0)
    least_charge = torch.where(least_charge >= most_charge, least_charge, 0.0)
    most_discharge = params.max_power_discharge - (energy + up)
    least_discharge = (params.min_power_discharge - (energy + down)).clamp(min=0)
    most_discharge = torch.where(most_discharge >= least_discharge, most_discharge, 0.0)
    least_discharge = torch.where(least_discharge < most_discharge, least_discharge, 0.0)
    return Limits(
        sell=Range(least_discharge, torch.minimum(most_discharge, max_discharge(params, soc))),
        buy=Range(least_charge, torch.maximum(most_charge, max_charge(params, soc))),
    )


def max_discharge(
    params: StorageParams, soc: Float[Tensor, "... unit"]
) -> Float[Tensor, "... unit"]:
    """Return the power that empties a storage to its least state of charge in a step, MW >= 0."""
    energy = (soc - params.min_soc) * params.capacity * params.efficiency_discharge
    return (energy / params.step_hours).clamp(min=0)


def max_charge(params: StorageParams, soc: Float[Tensor, "... unit"]) -> Float[Tensor, "... unit"]:
    """Return the power that fills a storage to its highest state of charge in a step, MW <= 0."""
    energy = (soc - params.max_soc) * params.capacity / params.efficiency_charge
    return (energy / params.step_hours).clamp(max=0)


def next_soc(
    params: StorageParams, soc: Float[Tensor, "... unit"], power: Float[Tensor, "... unit"]
) -> tuple[Float[Tensor, "... unit"], Float[Tensor, "... unit"]]:
    """Return the power that the state of charge allows, MW, and the state of charge after a step.

    :param params: of the storages
    :param soc: share of the capacity at the beginning of the step
    :param power: MW, discharging > 0
    """
    done = torch.maximum(torch.minimum(power, max_discharge(params, soc)), max_charge(params, soc))
    content = params.capacity.clamp(min=ZERO_VOLUME)
    gone = done * params.step_hours
    change = torch.where(
        done > 0,
        gone / params.efficiency_discharge / content,
        gone * params.efficiency_charge / content,
    )
    return done, soc - change


def ramp_discharge(
    params: StorageParams,
    soc: Float[Tensor, "... unit"],
    previous: Float[Tensor, "... unit"],
    power: Float[Tensor, "... unit"],
    sold: Float[Tensor, "... unit"],
) -> Float[Tensor, "... unit"]:
    """Return the additional discharging power within ramps that comes closest to `power`, MW.

    :param params: of the storages
    :param soc: share of the capacity at the beginning of the step
    :param previous: MW in the step before
    :param power: MW wanted on top of what is sold, >= 0
    :param sold: MW already discharged in this step, >= 0
    """
    wanted = torch.minimum(power, params.max_power_discharge - sold)
    before = previous.clamp(min=0)
    ceiling = (before + params.ramp_up_discharge - sold).clamp(min=0)
    floor = (before - params.ramp_down_discharge - sold).clamp(min=0)
    limited = torch.minimum(wanted, ceiling)
    limited = torch.where(limited != 0, torch.maximum(limited, floor), limited)
    limited = torch.minimum(limited, max_discharge(params, soc))
    return limited.clamp(min=0)


def ramp_charge(
    params: StorageParams,
    soc: Float[Tensor, "... unit"],
    previous: Float[Tensor, "... unit"],
    power: Float[Tensor, "... unit"],
    sold: Float[Tensor, "... unit"],
) -> Float[Tensor, "... unit"]:
    """Return the additional charging power within ramps that comes closest to `power`, MW <= 0.

    :param params: of the storages
    :param soc: share of the capacity at the beginning of the step
    :param previous: MW in the step before
    :param power: MW wanted on top of what is sold, <= 0
    :param sold: MW already charged in this step, <= 0
    """
    wanted = torch.maximum(power, params.max_power_charge - sold)
    before = previous.clamp(max=0)
    ceiling = (before + params.ramp_up_charge - sold).clamp(max=0)
    floor = (before - params.ramp_down_charge - sold).clamp(max=0)
    limited = torch.maximum(wanted, ceiling)
    limited = torch.where(limited != 0, torch.minimum(limited, floor), limited)
    limited = torch.maximum(limited, max_charge(params, soc))
    return limited.clamp(max=0)


def _roll(
    params: StorageParams, soc: Float[Tensor, "... unit"], power: PerStep
) -> tuple[PerStep, Float[Tensor, "... step unit"]]:
    """Return possible power, MW, and the state of charge after each step."""
    delivered, after = [], []
    for wanted in power.unbind(-2):
        done, soc = next_soc(params, soc, wanted)
        delivered.append(done)
        after.append(soc)
    return torch.stack(delivered, dim=-2), torch.stack(after, dim=-2)
