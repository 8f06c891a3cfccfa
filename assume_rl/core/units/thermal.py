"""Power plants, thermal and renewable: band, ramps, minimum times, execution.

Semantics: docs/scenario-format.md, "Power plant". Ramp limits are MW per step, whatever its
length. Minimum times bind only units that have a ramp limit, as in the established format.
"""

import math
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
    NoState,
    PerProduct,
    PerStep,
    PerUnit,
    Range,
    Side,
    Sold,
    Starts,
    Window,
    WithoutState,
    no_range,
    rows_of,
    starts_of,
)
from assume_rl.core.units.holding import Held


@dataclass(frozen=True)
class ThermalParams:
    """Power plants (thermal and renewable). Start costs are EUR per start, times are steps."""

    max_power: Float[Tensor, " unit"]
    min_power: Float[Tensor, " unit"]
    ramp_up: Float[Tensor, " unit"]  # MW per step, inf: no limit
    ramp_down: Float[Tensor, " unit"]  # MW per step, inf: no limit
    min_operating_time: Float[Tensor, " unit"]
    min_down_time: Float[Tensor, " unit"]
    hot_start_cost: Float[Tensor, " unit"]
    warm_start_cost: Float[Tensor, " unit"]
    cold_start_cost: Float[Tensor, " unit"]
    downtime_hot_start: Float[Tensor, " unit"]
    downtime_warm_start: Float[Tensor, " unit"]
    ramped: bool  # any unit has a ramp limit; without one, execution needs no history


@dataclass(frozen=True)
class ThermalView:
    """The view of plants at the first product that their bidders have."""

    params: ThermalParams
    past: Float[Tensor, "... window unit"]  # MW in the steps before the first product
    since: Step  # steps since the episode began

    def operating_time(self) -> Float[Tensor, "... unit"]:
        """Return the steps since each plant was last switched, > 0 on, < 0 off."""
        return operating_time(self.params, self.past, self.since)


@dataclass(frozen=True)
class Thermal(WithoutState):
    """The technology `thermal`: every power plant."""

    name: str = "thermal"
    sides: frozenset[Side] = frozenset({"sells"})

    def select(self, params: ThermalParams, units: Int[Tensor, " chosen"]) -> ThermalParams:
        """Return the parameters of some of the units."""
        chosen = rows_of(params, units)
        return replace(chosen, ramped=bool(_ramp_limited(chosen).any()))

    def lookback(self, params: ThermalParams, timed: bool) -> int:
        """Return the longest minimum time, in steps; 0 where it does not matter.

        It does if any unit has a ramp limit, or if bidders ask for operating times.
        """
        if not (params.ramped or timed):
            return 0
        return math.ceil(float(_span(params).max()))

    def limits(
        self, params: ThermalParams, state: NoState, capacity: PerProduct, sold: Sold, first: int
    ) -> Limits:
        """Return the least and most power that can be sold; 0 where the least is not available.

        Sold reserve takes from the most, or adds to the least. Ramps are left to `ramp`.
        """
        energy = sold[ENERGY]
        most, least = capacity - energy, params.min_power - energy
        if CAPACITY_POS in sold:
            most = most - sold[CAPACITY_POS]
        if CAPACITY_NEG in sold:
            least = least + sold[CAPACITY_NEG]
        most, least = most.clamp(min=0), least.clamp(min=0)
        can_run = most >= least
        return Limits(sell=Range(least * can_run, most * can_run), buy=no_range(most))

    def execute(
        self,
        params: ThermalParams,
        state: NoState,
        capacity: PerStep,
        energy: Window,
        first: int,
        since: Step,
    ) -> tuple[PerStep, NoState]:
        """Return the delivery of plants; see `delivered`."""
        return delivered(params, capacity, energy, since), state

    def room(
        self,
        params: ThermalParams,
        state: NoState,
        capacity: PerStep,
        previous: PerStep,
        held: Held,
        first: int,
    ) -> tuple[PerStep, PerStep]:
        """Return the power of running plants that leaves reserve above minimum power, below ramps.

        Only what is called upwards takes from a ramp: plants with ramps hold none downwards.
        """
        reachable = torch.minimum(capacity, previous + params.ramp_up)
        return params.min_power + held.down, reachable - held.up

    def reservable(
        self,
        params: ThermalParams,
        state: NoState,
        capacity: PerStep,
        energy: PerStep,
        held: Held,
        since: int,
        steps: int,
    ) -> tuple[PerUnit, PerUnit]:
        """Return what the sold energy leaves, and at least minimum power, up and down.

        A plant that is off can start, unless it has to rest. With ramps it has what they allow from
        any power, and nothing downwards, since it may be off by then.
        """
        up = capacity - torch.maximum(energy, params.min_power) - held.up
        down = energy - params.min_power - held.down
        ramps = torch.minimum(params.ramp_up - params.min_power, params.ramp_down) - held.up
        free = ~_ramp_limited(params)
        up = torch.where(params.min_down_time > 1, free * up, torch.minimum(up, ramps))
        return up.amin(-2).clamp(min=0), (free * down).amin(-2).clamp(min=0)

    def running_cost(self, params: ThermalParams, series: PerStep, power: PerStep) -> PerStep:
        """Return fuel, CO2 and other costs per hour, EUR/h."""
        return series * power

    def starts(
        self, params: ThermalParams, power: PerStep, downtime: PerUnit
    ) -> tuple[Starts, PerUnit]:
        """Return when plants start, the cost of it, and the steps off after the last step."""
        return starts_of(params, power, downtime)

    def view(self, params: ThermalParams, state: NoState, past: Window, since: Step) -> ThermalView:
        """Return parameters and past power."""
        return ThermalView(params, past, since)


def operating_time(
    params: ThermalParams, past: Float[Tensor, "... window unit"], step: Step
) -> Float[Tensor, "... unit"]:
    """Return the steps since a unit was last switched, > 0 on, < 0 off, as far as it looks back.

    A unit looks back over its longer minimum time (at least one step), but not beyond the start of
    the episode, where it counts as having been on for that long.

    :param params: of the plants
    :param past: MW in the steps before `step`, as many as the longest minimum time needs
    :param step: counted from the beginning of the episode
    """
    span = _span(params)
    reach = _at_most(span, step)  # not beyond the start of the episode
    on = past > ZERO_VOLUME
    window = past.shape[-2]
    now = on.narrow(-2, window - 1, 1)
    # The last step that differs: a minimum takes a fraction of the time of a cumulative product.
    other = torch.where(on == now, window + 1.0, _age(window, past.device)).amin(-2)
    run = torch.minimum(other - 1, reach.floor())
    return torch.where(reach <= 0, span, torch.where(now.squeeze(-2), run, -run))


def next_operating_time(
    operating_time: Float[Tensor, "... unit"], power: Float[Tensor, "... unit"]
) -> Float[Tensor, "... unit"]:
    """Return the operating time a step later.

    :param power: MW in the step between
    """
    on, off = operating_time.clamp(min=0) + 1, operating_time.clamp(max=0) - 1
    return torch.where(power > ZERO_VOLUME, on, off)


def ramp(
    params: ThermalParams,
    operating_time: Float[Tensor, "... unit"],
    previous: Float[Tensor, "... unit"],
    power: Float[Tensor, "... unit"],
    sold: Float[Tensor, "... unit"] | float,
) -> Float[Tensor, "... unit"]:
    """Return the additional power within minimum times and ramps that is closest to `power`, MW.

    Units without any ramp limit are left alone, also by minimum times.

    :param params: of the plants
    :param operating_time: steps since they were last switched, > 0 on, < 0 off
    :param previous: MW delivered in the step before
    :param power: MW wanted on top of what is sold
    :param sold: MW already sold for this step
    """
    if not params.ramped:
        return power
    wanted = _hold(params, operating_time, power)
    ceiling = torch.minimum(previous + params.ramp_up, params.max_power) - sold
    floor = torch.maximum(previous - params.ramp_down, params.min_power) - sold
    limited = torch.where(params.ramp_up < math.inf, torch.minimum(wanted, ceiling), wanted)
    limited = torch.where(params.ramp_down < math.inf, torch.maximum(limited, floor), limited)
    limited = limited * (wanted > ZERO_VOLUME)
    return torch.where(_ramp_limited(params), limited, power)


def delivered(
    params: ThermalParams,
    capacity: Float[Tensor, "... step unit"],
    energy: Float[Tensor, "... window unit"],
    step: Step,
) -> Float[Tensor, "... step unit"]:
    """Return the delivery of plants in the last steps of `energy`, MW.

    A unit that runs delivers at least its minimum power, even where it sold less.

    :param params: of the plants
    :param capacity: MW available in the steps to execute
    :param energy: MW sold; ends with the steps to execute, starts as far back as is known
    :param step: the last one, counted from the beginning of the episode
    """
    steps = capacity.shape[-2]
    planned = energy.narrow(-2, energy.shape[-2] - steps, steps)
    if not params.ramped:
        return _within_limits(params, capacity, planned)
    past = energy[..., : energy.shape[-2] - steps, :]
    done: list[Tensor] = []
    for i in range(steps):
        run = operating_time(params, past, step - (steps - 1 - i))
        power = ramp(params, run, past[..., -1, :], planned[..., i, :], 0.0)
        done.append(_within_limits(params, capacity[..., i, :], power))
        past = torch.cat([past[..., 1:, :], done[-1][..., None, :]], dim=-2)
    return torch.stack(done, dim=-2)


def _hold(
    params: ThermalParams,
    operating_time: Float[Tensor, "... unit"],
    power: Float[Tensor, "... unit"],
) -> Float[Tensor, "... unit"]:
    """Return power, MW; where minimum times bind: 0 while off, minimum power while on."""
    wants = power > ZERO_VOLUME
    must_rest = (operating_time < 0) & (operating_time > -params.min_down_time)
    must_run = (operating_time > 0) & (operating_time < params.min_operating_time)
    held = torch.where(must_rest, 0.0, power)
    return torch.where(must_run & ~wants, params.min_power, held)


def _within_limits(
    params: ThermalParams, capacity: Float[Tensor, "... unit"], power: Float[Tensor, "... unit"]
) -> Float[Tensor, "... unit"]:
    """Return running units' power within the available power, MW, but at least the minimum."""
    limited = torch.maximum(torch.minimum(power, capacity), params.min_power)
    return torch.where(power > ZERO_VOLUME, limited, power)


def _ramp_limited(params: ThermalParams) -> Tensor:
    """Return whether each unit has any ramp limit, (unit)."""
    return (params.ramp_up < math.inf) | (params.ramp_down < math.inf)


def _span(params: ThermalParams) -> Float[Tensor, " unit"]:
    """Return how many steps each unit looks back on: its longer minimum time, at least one."""
    return torch.maximum(params.min_operating_time, params.min_down_time).clamp(min=1)


def _at_most(span: Float[Tensor, " unit"], step: Step) -> Float[Tensor, "... unit"]:
    if isinstance(step, int):
        return span.clamp(max=step)
    return torch.minimum(span, step[..., None].to(span.dtype))


def _age(window: int, device: torch.device) -> Float[Tensor, "window 1"]:
    """Return how many steps ago each row of a window was; the last one is 1."""
    return torch.arange(window, 0, -1, device=device, dtype=torch.float64)[:, None]
