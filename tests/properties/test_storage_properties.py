"""Whatever is sold, a storage stays within its limits and no energy appears or is lost."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from assume_rl.core.trade import Portfolio, Position, begin, execute, moved_to, settle
from assume_rl.core.units.base import Block
from assume_rl.core.units.fleet import Fleet, Profiles
from assume_rl.core.units.storage import Storage, StorageParams, max_charge, max_discharge

pytestmark = pytest.mark.unchecked  # other tests check the same functions' shapes

STEPS = 8
SHARE = st.floats(0.0, 1.0)
NAMES = ("ramp_up_charge", "ramp_down_charge", "ramp_up_discharge", "ramp_down_discharge")


def row(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


@st.composite
def storages(draw: st.DrawFn, *, inside: bool = True) -> StorageParams:
    """Return one storage; `inside`: it starts within its bounds."""
    low, high = sorted((draw(SHARE), draw(SHARE)))
    start = draw(SHARE)
    charge, discharge = draw(st.floats(0.0, 500.0)), draw(st.floats(0.0, 500.0))
    values = {
        "capacity": draw(st.floats(0.1, 5000.0)),
        "max_power_charge": -charge,
        "min_power_charge": -charge * draw(SHARE),
        "max_power_discharge": discharge,
        "min_power_discharge": discharge * draw(SHARE),
        "min_soc": low,
        "max_soc": high,
        "initial_soc": min(max(start, low), high) if inside else start,
        "efficiency_charge": draw(st.floats(0.05, 1.0)),
        "efficiency_discharge": draw(st.floats(0.05, 1.0)),
    }
    unlimited = dict(zip(NAMES, (-math.inf, -math.inf, math.inf, math.inf), strict=True))
    costs = (
        "additional_cost_charge", "additional_cost_discharge", "hot_start_cost",
        "warm_start_cost", "cold_start_cost", "downtime_hot_start", "downtime_warm_start",
    )  # fmt: skip
    given = {**values, **unlimited, **dict.fromkeys(costs, 0.0)}
    rows = {name: row(value) for name, value in given.items()}
    hours = draw(st.sampled_from([0.25, 1.0, 4.0]))
    return StorageParams(step_hours=hours, cost_limit=100.0, **rows)


powers = st.lists(st.floats(-800.0, 800.0), min_size=STEPS, max_size=STEPS)


def after(params: StorageParams, power: list[float]) -> tuple[Tensor, Tensor]:
    """Return delivered power and the state of charge around each step."""
    energy = torch.tensor(power, dtype=torch.float64)[:, None]
    state = Storage().initial(params, (), STEPS + 1)
    capacity = params.max_power_discharge.expand(STEPS, 1)
    done, state = Storage().execute(params, state, capacity, energy, 0, STEPS - 1)
    return done[:, 0], state.soc[:, 0]


def stored(params: StorageParams, done: Tensor) -> Tensor:
    """Return what each step adds to the content of a storage, MWh."""
    charged, discharged = -done.clamp(max=0), done.clamp(min=0)
    gain = charged * params.efficiency_charge - discharged / params.efficiency_discharge
    return gain * params.step_hours


@settings(deadline=None)
@given(params=storages(), power=powers)
def test_energy_is_conserved(params: StorageParams, power: list[float]) -> None:
    done, soc = after(params, power)
    change = soc.diff() * params.capacity
    assert torch.allclose(change, stored(params, done), rtol=0, atol=1e-9)


@settings(deadline=None)
@given(params=storages(), power=powers)
def test_the_state_of_charge_stays_within_its_bounds(
    params: StorageParams, power: list[float]
) -> None:
    _, soc = after(params, power)
    assert (soc >= params.min_soc - 1e-12).all()
    assert (soc <= params.max_soc + 1e-12).all()


@settings(deadline=None)
@given(params=storages(inside=False), power=powers)
def test_execution_never_exceeds_power_limits_nor_turns_the_direction(
    params: StorageParams, power: list[float]
) -> None:
    done, _ = after(params, power)
    planned = torch.tensor(power, dtype=torch.float64)
    assert (done <= params.max_power_discharge).all()
    assert (done >= params.max_power_charge).all()
    assert (done.abs() <= planned.abs()).all()
    assert (done * planned >= 0).all()


@settings(deadline=None)
@given(params=storages(inside=False), power=powers)
def test_execution_delivers_all_that_is_possible(params: StorageParams, power: list[float]) -> None:
    """All that is sold, unless a limit, the gap between minimum powers or the content forbids."""
    done, soc = after(params, power)
    for sold, delivered, before in zip(power, done.tolist(), soc[:-1], strict=True):
        most = min(params.max_power_discharge.item(), max_discharge(params, before[None]).item())
        least = max(params.max_power_charge.item(), max_charge(params, before[None]).item())
        limited = min(max(sold, params.max_power_charge.item()), params.max_power_discharge.item())
        idle = params.min_power_charge.item() < limited < params.min_power_discharge.item()
        assert delivered == (0.0 if idle else max(min(limited, most), least))


@settings(deadline=None)
@given(params=storages(inside=False), power=powers)
def test_outside_of_its_bounds_it_only_moves_towards_them(
    params: StorageParams, power: list[float]
) -> None:
    _, soc = after(params, power)
    for now, then in pairwise(soc):
        assert then >= now or now > params.min_soc
        assert then <= now or now < params.max_soc


@settings(deadline=None)
@given(params=storages(), power=powers)
def test_a_plan_that_is_within_power_limits_is_delivered(
    params: StorageParams, power: list[float]
) -> None:
    free = StorageParams(**{**vars(params), "min_power_charge": row(0.0),
                            "min_power_discharge": row(0.0)})  # fmt: skip
    energy = torch.tensor(power, dtype=torch.float64)[:, None]
    energy = energy.clamp(free.max_power_charge, free.max_power_discharge)
    planned, state = Storage().plan(free, Storage().initial(free, (), STEPS), energy, 0)
    capacity = free.max_power_discharge.expand(STEPS, 1)
    done, executed = Storage().execute(free, state, capacity, planned, 0, STEPS - 1)
    assert torch.allclose(done, planned, rtol=0, atol=1e-9)
    assert torch.allclose(executed.soc, state.soc, rtol=0, atol=1e-12)


# --- over the steps of an episode ---------------------------------------------------------------


def begun(params: StorageParams) -> tuple[Portfolio, Position]:
    nowhere = torch.zeros(1, dtype=torch.long)
    fleet = Fleet(("storage",), (Block(Storage(), 0, 1, params),), nowhere, nowhere)
    flat = torch.zeros(STEPS, 1, dtype=torch.float64)
    portfolio = Portfolio(fleet, Profiles(flat, flat, {}), {}, params.step_hours, 1, STEPS - 1)
    return portfolio, begin(portfolio)


def sold(position: Position, power: list[float]) -> Position:
    """Return the position with power sold from now on."""
    table = position.state.energy.clone()
    table[position.state.lookback :, 0] = torch.tensor(power, dtype=torch.float64)
    state = position.state
    own = type(state)(**{**vars(state), "sold": {"energy": table}})
    return Position(own, position.step, position.elapsed, position.executed)


@settings(deadline=None)
@given(params=storages(), power=powers)
def test_step_by_step_is_the_same_as_all_at_once(params: StorageParams, power: list[float]) -> None:
    done, soc = after(params, power)
    portfolio, position = begun(params)
    position = sold(position, power)
    delivered, at = [], []
    for step in range(STEPS):
        position = moved_to(portfolio, position, step)
        now = position.state.lookback
        at.append(position.state.own[0].soc[now, 0].item())
        position, executed = execute(portfolio, position, step)
        assert executed is not None
        delivered.append(position.state.energy[now, 0].item())
    assert delivered == done.tolist()
    assert at == soc[:-1].tolist()


@settings(deadline=None)
@given(params=storages(), power=powers)
def test_settling_conserves_energy_too(params: StorageParams, power: list[float]) -> None:
    """Planned first, then executed: the state of charge fits what was delivered in the end."""
    portfolio, position = begun(params)
    position = sold(position, power)
    content, change = params.initial_soc * params.capacity, torch.zeros(1, dtype=torch.float64)
    for step in range(STEPS):
        position = moved_to(portfolio, position, step)
        position, _, _ = settle(portfolio, position, [])
        now = position.state.lookback
        change = change + stored(params, position.state.energy[now])
        if step + 1 < STEPS:
            held = position.state.own[0].soc[now + 1] * params.capacity
            assert torch.allclose(held - content, change, rtol=0, atol=1e-9)
