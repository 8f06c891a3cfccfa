"""Power plants, thermal and renewable: band, ramps, minimum times, execution.

Semantics: docs/scenario-format.md, "Power plant". Ramp limits are MW per step, whatever its
length. Minimum times bind only units that have a ramp limit, as in the established format.
"""

import math
from dataclasses import fields, replace
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from assume_rl.core.types import ZERO_VOLUME, Starts, Step, ThermalParams

# Steps. Downtimes are whole steps, their limits hours divided by the length of a step.
ROUNDING = 1e-9


def select(params: ThermalParams, units: Int[Tensor, " chosen"]) -> ThermalParams:
    """Parameters of some of the units."""
    names = [f.name for f in fields(params) if f.name != "ramped"]
    chosen = replace(params, **{name: getattr(params, name)[units] for name in names})
    return replace(chosen, ramped=bool(_ramp_limited(chosen).any()))


def has_history(params: ThermalParams) -> bool:
    """Whether any unit has a ramp limit: only then do ramps and minimum times matter."""
    return params.ramped


def band(
    params: ThermalParams,
    capacity: Float[Tensor, "... product unit"],
    sold: Float[Tensor, "... product unit"],
) -> tuple[Float[Tensor, "... product unit"], Float[Tensor, "... product unit"]]:
    """Least and most power that can be sold on top, MW; both 0 where the least is not available.

    Ramps are left to `ramp`. `sold` is energy; sold reserve will narrow both sides.
    """
    most = (capacity - sold).clamp(min=0)
    least = (params.min_power - sold).clamp(min=0)
    can_run = most >= least
    return least * can_run, most * can_run


def operating_time(
    params: ThermalParams, past: Float[Tensor, "... window unit"], step: Step
) -> Float[Tensor, "... unit"]:
    """Steps since a unit was last switched, > 0 on, < 0 off, as far as it looks back.

    A unit looks back over its longer minimum time (at least one step), but not beyond the start of
    the episode, where it counts as having been on for that long.

    :param past: MW in the steps before `step`, as many as the longest minimum time needs
    """
    span = torch.maximum(params.min_operating_time, params.min_down_time).clamp(min=1)
    reach = _at_most(span, step)  # not beyond the start of the episode
    on = past > ZERO_VOLUME
    now = on[..., -1, :]
    seen = _age(past.shape[-2], past.device) <= reach[..., None, :]
    unchanged = (on == now[..., None, :]) & seen
    run = unchanged.flip(-2).cumprod(-2).sum(-2).to(past.dtype)
    return torch.where(reach <= 0, span, torch.where(now, run, -run))


def ramp(
    params: ThermalParams,
    operating_time: Float[Tensor, "... unit"],
    previous: Float[Tensor, "... unit"],
    power: Float[Tensor, "... unit"],
    sold: Float[Tensor, "... unit"] | float,
) -> Float[Tensor, "... unit"]:
    """Additional power within minimum times and ramp limits that comes closest to `power`, MW.

    Units without any ramp limit are left alone, also by minimum times.

    :param previous: MW delivered in the step before
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


def execute(
    params: ThermalParams,
    capacity: Float[Tensor, "... step unit"],
    energy: Float[Tensor, "... window unit"],
    step: Step,
) -> Float[Tensor, "... step unit"]:
    """What plants really deliver in the last steps of `energy`, MW; see `Technology.execute`.

    A unit that runs delivers at least its minimum power, even where it sold less.
    """
    steps = capacity.shape[-2]
    planned = energy.narrow(-2, energy.shape[-2] - steps, steps)
    if not params.ramped:
        return _within_limits(params, capacity, planned)
    past = energy[..., : energy.shape[-2] - steps, :]
    delivered = []
    for i in range(steps):
        run = operating_time(params, past, step - (steps - 1 - i))
        power = ramp(params, run, past[..., -1, :], planned[..., i, :], 0.0)
        delivered.append(_within_limits(params, capacity[..., i, :], power))
        past = torch.cat([past[..., 1:, :], delivered[-1][..., None, :]], dim=-2)
    return torch.stack(delivered, dim=-2)


def start_cost(
    params: ThermalParams,
    power: Float[Tensor, "... step unit"],
    downtime: Float[Tensor, "... unit"],
) -> tuple[Float[Tensor, "... step unit"], Float[Tensor, "... unit"]]:
    """Return what the starts in each step cost, EUR, and the steps off after the last; `starts`."""
    found, after = starts(params, power, downtime)
    return found.cost, after


def starts(
    params: ThermalParams,
    power: Float[Tensor, "... step unit"],
    downtime: Float[Tensor, "... unit"],
) -> tuple[Starts, Float[Tensor, "... unit"]]:
    """Return the starts in each step, and the steps off after the last step.

    A start is hot after at most `downtime_hot_start` steps off, warm after at most
    `downtime_warm_start`, else cold. The downtime is passed along, so that no window limits it.

    :param power: delivered, MW
    :param downtime: steps off directly before the first step: 0 of a unit that ran in the step
        before, `NEVER_RAN` of one that has not run in this episode; its first start is cold
    """
    steps = power.shape[-2]
    on = power > ZERO_VOLUME
    number = torch.arange(steps, device=power.device)[:, None]
    last = torch.where(on, number, -1).cummax(-2).values  # step of the latest run, -1: none yet
    after = torch.where(last < 0, downtime[..., None, :] + number + 1, number - last)
    before = torch.cat([downtime[..., None, :], after[..., :-1, :]], dim=-2)
    hot = before <= params.downtime_hot_start + ROUNDING
    warm = before <= params.downtime_warm_start + ROUNDING
    cost = torch.where(warm, params.warm_start_cost, params.cold_start_cost)
    cost = torch.where(hot, params.hot_start_cost, cost)
    started = on & (before > 0)
    kind = torch.where(hot, 0, torch.where(warm, 1, 2))
    found = Starts(started, kind, before, torch.where(started, cost, 0.0))
    return found, after[..., -1, :]


def _hold(
    params: ThermalParams,
    operating_time: Float[Tensor, "... unit"],
    power: Float[Tensor, "... unit"],
) -> Float[Tensor, "... unit"]:
    """Minimum times: stay off, or stay on at minimum power, MW."""
    wants = power > ZERO_VOLUME
    must_rest = (operating_time < 0) & (operating_time > -params.min_down_time)
    must_run = (operating_time > 0) & (operating_time < params.min_operating_time)
    held = torch.where(must_rest, 0.0, power)
    return torch.where(must_run & ~wants, params.min_power, held)


def _within_limits(
    params: ThermalParams, capacity: Float[Tensor, "... unit"], power: Float[Tensor, "... unit"]
) -> Float[Tensor, "... unit"]:
    """Running units between minimum power and what is available, MW; the minimum wins."""
    limited = torch.maximum(torch.minimum(power, capacity), params.min_power)
    return torch.where(power > ZERO_VOLUME, limited, power)


def _ramp_limited(params: ThermalParams) -> Tensor:
    """(unit): whether a unit has any ramp limit."""
    return (params.ramp_up < math.inf) | (params.ramp_down < math.inf)


def _at_most(span: Float[Tensor, " unit"], step: Step) -> Float[Tensor, "... unit"]:
    if isinstance(step, int):
        return span.clamp(max=step)
    return torch.minimum(span, step[..., None].to(span.dtype))


@lru_cache(maxsize=64)
def _age(window: int, device: torch.device) -> Float[Tensor, "window 1"]:
    """How many steps ago each row of a window was; the last one is 1."""
    return torch.arange(window, 0, -1, device=device, dtype=torch.float64)[:, None]
