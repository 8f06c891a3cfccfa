"""Call technologies, and check that their results have the shapes that others rely on."""

from collections.abc import Mapping
from typing import Any

from assume_rl.core.contract import of_kind, pair, shaped
from assume_rl.core.time import Step
from assume_rl.core.units.base import (
    ENERGY,
    Limits,
    PerProduct,
    PerStep,
    PerUnit,
    Sold,
    Starts,
    Technology,
    Window,
)

AnyTechnology = Technology[Any, Any, Any]


def limits(
    technology: AnyTechnology,
    params: object,
    state: object,
    capacity: PerProduct,
    sold: Sold,
    first: int,
) -> Limits:
    """Return `Technology.limits`."""
    function = technology.limits
    found = of_kind(function, function(params, state, capacity, sold, first), Limits)
    last = (sold[ENERGY].shape[-2], sold[ENERGY].shape[-1])
    for side in ("sell", "buy"):
        for end in ("least", "most"):
            value = getattr(getattr(found, side), end, None)
            shaped(function, value, last, f"{side}.{end}", whole=False)
    return found


def plan(
    technology: AnyTechnology, params: object, state: object, energy: Window, first: int
) -> tuple[Window, Any]:
    """Return `Technology.plan`."""
    function = technology.plan
    possible, after = pair(function, function(params, state, energy, first))
    return shaped(function, possible, tuple(energy.shape), "what is sold"), after


def execute(
    technology: AnyTechnology,
    params: object,
    state: object,
    capacity: PerStep,
    energy: Window,
    first: int,
    since: Step,
) -> tuple[PerStep, Any]:
    """Return `Technology.execute`."""
    function = technology.execute
    power, after = pair(function, function(params, state, capacity, energy, first, since))
    shape = (*energy.shape[:-2], *capacity.shape[-2:])
    return shaped(function, power, shape, "the power delivered"), after


def marginal_cost(
    technology: AnyTechnology, params: object, series: PerStep, power: PerStep
) -> PerStep:
    """Return `Technology.marginal_cost`."""
    function = technology.marginal_cost
    return shaped(function, function(params, series, power), tuple(power.shape[-2:]), whole=False)


def running_cost(
    technology: AnyTechnology, params: object, series: PerStep, power: PerStep
) -> PerStep:
    """Return `Technology.running_cost`."""
    function = technology.running_cost
    return shaped(function, function(params, series, power), tuple(power.shape[-2:]), whole=False)


def starts(
    technology: AnyTechnology, params: object, power: PerStep, downtime: PerUnit
) -> tuple[Starts, PerUnit]:
    """Return `Technology.starts`."""
    function = technology.starts
    found, after = pair(function, function(params, power, downtime))
    for name, value in vars(of_kind(function, found, Starts)).items():
        shaped(function, value, tuple(power.shape[-2:]), name, whole=False)
    return found, shaped(function, after, (power.shape[-1],), "the steps off", whole=False)


def columns(technology: AnyTechnology, params: object, state: object) -> Mapping[str, Window]:
    """Return `Technology.columns`."""
    function = technology.columns
    return of_kind(function, function(params, state), Mapping)  # type: ignore[type-abstract]
