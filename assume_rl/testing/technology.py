"""The contract of a technology."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from assume_rl import keyed
from assume_rl.core.units.base import (
    ENERGY,
    NEVER_RAN,
    ZERO_VOLUME,
    AnyBlock,
    Limits,
    Range,
    Sale,
    Starts,
    Technology,
    WithoutState,
    rows_of,
    series_of,
)
from assume_rl.core.units.fleet import Fleet, Profiles
from assume_rl.testing.contract import alone, check_precision, check_tensor, pure, same, tensors
from assume_rl.testing.toys import TOYS

_COPIES = 7
_OLD, _STEPS, _AHEAD = 3, 3, 4  # steps older than `lookback`, to execute, and after these

AnyTechnology = Technology[Any, Any, Any]


@dataclass(frozen=True)
class _Case:
    """The arguments of the methods of a technology; tensors are (copy, step, unit)."""

    params: Any
    state: Any
    energy: Tensor  # MW, the window
    available: Tensor  # MW, the window
    reserve: Mapping[str, Tensor]  # MW sold of it in these steps
    cost: Tensor  # EUR/MWh in these steps
    downtime: Tensor  # steps off before them
    sale: Sale
    batch: tuple[int, ...]
    first: int  # index of the first step to execute
    series: Mapping[str, Tensor]  # parameters that are series, in the steps to execute

    @property
    def timed(self) -> Any:
        """Return the parameters with the values of series in the steps to execute."""
        return replace(self.params, **self.series) if self.series else self.params

    @property
    def since(self) -> int:
        """Return the last step to execute; the episode begins with the window."""
        return self.first + _STEPS - 1

    @property
    def stop(self) -> int:
        """Return the index after the last step to execute."""
        return self.first + _STEPS

    @property
    def capacity(self) -> Tensor:
        """Return the capacity in the steps to execute, which are also the products, MW."""
        return self.available[..., self.first : self.stop, :]


def check_technology(
    technology: AnyTechnology, fleet: tuple[Fleet, Profiles] | None = None
) -> None:
    """Check that a technology keeps its contract, on random sales, states and availabilities.

    :param technology: what is checked
    :param fleet: units of it with every kind of limit, and their series; None: those of
        `testing.TOYS`
    :raises AssertionError: with the clause that is broken
    """
    name = technology.name
    assert technology.sides in ({"sells"}, {"buys"}, {"sells", "buys"}), (
        f"`sides` is {set(technology.sides)}: name the directions in which units can trade, "
        "'sells', 'buys' or both"
    )
    assert fleet is not None or name in TOYS, (
        f"there is no toy fleet for the technology '{name}'; pass units and series of your own: "
        "check_technology(technology, (fleet, profiles))"
    )
    units, profiles = TOYS[name]() if fleet is None else fleet
    blocks = [block for block in units.blocks if block.technology.name == name]
    assert blocks, f"no unit of the fleet is of the technology '{name}'"
    for block in blocks:
        fresh = _fresh(technology, block, profiles)
        _check_case(technology, fresh)
        _check_case(technology, _later(technology, fresh))


def _check_case(technology: AnyTechnology, case: _Case) -> None:
    answers = _answers(technology, case)
    _check_shapes(case, answers)
    _check_states(case, answers)
    _check_limits(technology, answers)
    _check_execute(technology, case, answers)
    _check_plan(technology, case, answers)
    _check_advance(technology, case)
    _check_starts(technology, case, answers["starts"][0])
    for copy in range(_COPIES):
        single = _answers(technology, _map(case, _copy_of(copy), batch=()))
        for name, answer in answers.items():
            _agree(single[name], _map(answer, _copy_of(copy)), alone(name))
    _check_select(technology, case, answers)


# --- what is called ------------------------------------------------------------------------------


def _fresh(technology: AnyTechnology, block: AnyBlock, profiles: Profiles) -> _Case:
    """Return a case at the start of an episode."""
    params, own = block.params, slice(block.start, block.stop)
    lookback = technology.lookback(params, True)
    whole = isinstance(lookback, int) and lookback >= 0
    assert whole, f"`lookback` returns {lookback!r}, expected a number of steps, 0 or more"
    first = _OLD + lookback
    size = first + _STEPS + _AHEAD
    start = torch.arange(_COPIES)[:, None] * 7
    steps = (start + torch.arange(size)) % len(profiles.capacity)
    capacity, series = profiles.capacity[steps][..., own], profiles.marginal_cost[steps][..., own]
    now = slice(first, first + _STEPS)
    shape = tuple(capacity[:, now].shape)
    sold = _sold(technology, capacity, "fresh")
    return _Case(
        params=params,
        state=_initial(technology, params, (_COPIES,), size, block.stop - block.start),
        energy=sold,
        available=capacity,
        reserve={kind: _draw(shape, kind) * 5 for kind in ("capacity_pos", "capacity_neg")},
        cost=series[:, now],
        downtime=_downtime((_COPIES, shape[-1])),
        sale=Sale(
            sold=sold[:, now],
            revenue=_draw(shape, "revenue") * 1000,
            marginal_cost=series[:, now],
            hours=0.5,
            first=first,
        ),
        batch=(_COPIES,),
        first=first,
        series={name: getattr(params, name)[steps[:, now]] for name in series_of(params)},
    )


def _later(technology: AnyTechnology, case: _Case) -> _Case:
    """Return a case whose units have sold and delivered, one state per copy."""
    params, first = case.params, case.first
    energy, state = technology.plan(params, case.state, case.energy, first)
    _, state = technology.execute(
        case.timed, state, case.capacity, energy[..., : case.stop, :], first, case.since
    )
    state = technology.advance(technology.settle(params, state, case.sale), _STEPS)
    return replace(case, state=state, energy=_sold(technology, case.available, "later"))


def _answers(technology: AnyTechnology, case: _Case) -> dict[str, Any]:
    """Return each method's answer; each is called twice and must not change its arguments."""
    given = (case, *technology.plan(case.params, case.state, case.energy, case.first))
    calls = _calls(technology, *given)
    return {name: pure(call, given, name) for name, call in calls.items()}


def _calls(
    technology: AnyTechnology, case: _Case, energy: Tensor, planned: Any
) -> dict[str, Callable[[], Any]]:
    """Return a call of each method.

    :param energy: planned, the window
    :param planned: the state with it
    """
    params, state, first, power = case.params, case.state, case.first, case.sale.sold
    sold = {ENERGY: energy[..., first : case.stop, :]}
    until_now = energy[..., : case.stop, :]
    return {
        "initial": lambda: technology.initial(params, case.batch, case.energy.shape[-2]),
        "advance": lambda: technology.advance(state, 2),
        "plan": lambda: technology.plan(params, state, case.energy, first),
        "limits": lambda: technology.limits(case.timed, planned, case.capacity, sold, first),
        "limits beside reserve": lambda: technology.limits(
            case.timed, planned, case.capacity, {**sold, **case.reserve}, first
        ),
        "execute": lambda: technology.execute(
            case.timed, planned, case.capacity, until_now, first, case.since
        ),
        "view": lambda: technology.view(params, state, case.energy[..., :first, :], first),
        "marginal_cost": lambda: technology.marginal_cost(params, case.cost, power),
        "running_cost": lambda: technology.running_cost(params, case.cost, power),
        "starts": lambda: technology.starts(params, power, case.downtime),
        "settle": lambda: technology.settle(params, planned, case.sale),
        "columns": lambda: dict(technology.columns(params, planned)),
    }


def _initial(
    technology: AnyTechnology, params: Any, batch: tuple[int, ...], size: int, units: int
) -> Any:
    state = technology.initial(params, batch, size)
    assert is_dataclass(state), "`initial` must return a frozen dataclass; `NO_STATE` if it is none"
    for tensor in tensors(state):
        check_precision(tensor, "initial")
        lead, last = tuple(tensor.shape[: len(batch)]), tensor.shape[-1]
        assert (lead, last) == (batch, units), (
            f"`initial` has a tensor of shape {tuple(tensor.shape)}: the first axes of a state are "
            f"`batch`, here {batch}, the last one is the unit, here {units}"
        )
    return state


# --- clauses -------------------------------------------------------------------------------------


def _check_shapes(case: _Case, answers: Mapping[str, Any]) -> None:
    steps, window = tuple(case.capacity.shape), tuple(case.energy.shape)
    for name in ("limits", "limits beside reserve"):
        limits: Limits = answers[name]
        for side in ("sell", "buy"):
            for bound in ("least", "most"):
                value = getattr(getattr(limits, side), bound)
                check_tensor(value, steps, f"{name}.{side}.{bound}")
    for name in ("marginal_cost", "running_cost"):
        check_tensor(answers[name], steps, name)
    check_tensor(answers["plan"][0], window, "plan")
    check_tensor(answers["execute"][0], steps, "execute")
    for column, values in answers["columns"].items():
        check_tensor(values, window, f"columns()['{column}']")
    for tensor in tensors(answers["view"]):
        check_precision(tensor, "view")


def _check_states(case: _Case, answers: Mapping[str, Any]) -> None:
    after = {
        "advance": answers["advance"],
        "plan": answers["plan"][1],
        "execute": answers["execute"][1],
        "settle": answers["settle"],
    }
    for name, state in after.items():
        _check_state(case, state, name)


def _check_state(case: _Case, state: Any, name: str) -> None:
    """Check that a state is one like that before: the same kind, shapes and precision."""
    assert type(state) is type(case.state), (
        f"`{name}` returns the state {type(state).__name__}, expected {type(case.state).__name__}, "
        "as `initial` does"
    )
    for before, after in zip(tensors(case.state), tensors(state), strict=True):
        assert (after.shape, after.dtype) == (before.shape, before.dtype), (
            f"`{name}` turns a tensor of the state from {tuple(before.shape)}, {before.dtype} into "
            f"{tuple(after.shape)}, {after.dtype}: a state keeps its shapes, its window its length"
        )


def _check_limits(technology: AnyTechnology, answers: Mapping[str, Any]) -> None:
    for name in ("limits", "limits beside reserve"):
        limits: Limits = answers[name]
        # What storages hold may leave them less than their least power, as recorded.
        ordered = isinstance(technology, WithoutState)
        _check_range(limits.sell, 1, ordered, f"{name}.sell: 0 <= least <= most")
        _check_range(limits.buy, -1, ordered, f"{name}.buy: most <= least <= 0")
        for side, direction in (("sells", limits.sell), ("buys", limits.buy)):
            exists = side in technology.sides
            assert exists or not (direction.least.any() or direction.most.any()), (
                f"`{name}` has power in a direction that `sides` does not name: '{side}'; "
                "return `no_range` for it"
            )


def _check_range(found: Range, sign: int, ordered: bool, rule: str) -> None:
    least, most = found.least * sign, found.most * sign
    holds = torch.logical_and(least >= 0, most >= 0).all()
    if ordered:
        holds = torch.logical_and(holds, (least <= most).all())
    assert holds, (
        f"a limit is out of order; {rule}, in MW with the sign of the direction; a direction that "
        "does not reach its least power has 0 and 0"
    )


def _check_execute(technology: AnyTechnology, case: _Case, answers: Mapping[str, Any]) -> None:
    power = answers["execute"][0]
    if "buys" not in technology.sides:
        assert (power >= 0).all(), "`execute` delivers < 0 of units that can only sell"
    if "sells" not in technology.sides:
        assert (power <= 0).all(), "`execute` delivers > 0 of units that can only buy"
    params, first = case.params, case.first
    # A plant must run at its least power even if less is available, so availability is full here.
    full = case.capacity.abs().amax((0, 1)) * case.capacity.sign().sum((0, 1)).sign()
    full = full.expand_as(case.capacity)
    energy, planned = technology.plan(params, case.state, case.energy, first)
    sold = energy[..., : case.stop, :]
    done, _ = technology.execute(case.timed, planned, full, sold, first, case.since)
    high, low = full.clamp(min=0), full.clamp(max=0)
    assert "sells" not in technology.sides or (done <= high + ZERO_VOLUME).all(), (
        "`execute` delivers more than `capacity`: what is sold beyond it is not possible"
    )
    assert "sells" in technology.sides or (done >= low - ZERO_VOLUME).all(), (
        "`execute` consumes more than `capacity`, although no more was bought"
    )
    _check_lookback(technology, case, answers)


def _check_lookback(technology: AnyTechnology, case: _Case, answers: Mapping[str, Any]) -> None:
    """Check that steps before the look-back do not matter."""
    params, first = case.params, case.first
    energy, planned = technology.plan(params, case.state, case.energy, first)
    old = first - technology.lookback(params, False)
    other = torch.cat((energy[..., :old, :].roll(1, 0) + 1, energy[..., old : case.stop, :]), -2)
    done, _ = technology.execute(case.timed, planned, case.capacity, other, first, case.since)
    same(
        done,
        answers["execute"][0],
        "`execute` depends on steps further back than `lookback` says: shells do not keep them",
    )


def _check_plan(technology: AnyTechnology, case: _Case, answers: Mapping[str, Any]) -> None:
    energy, state = answers["plan"]
    first = case.first
    same(
        energy[..., :first, :],
        case.energy[..., :first, :],
        "`plan` changes steps before `first`: these are executed",
    )
    again = technology.plan(case.params, state, energy, first)
    _agree(
        again,
        (energy, state),
        "`plan` of a plan is another plan: what is possible once must stay possible, as it is "
        "planned again at every instant",
    )


def _check_advance(technology: AnyTechnology, case: _Case) -> None:
    state, size = case.state, case.energy.shape[-2]
    for steps in (1, 2, size):
        later = technology.advance(state, steps)
        _check_state(case, later, "advance")
        before, after = (technology.columns(case.params, s) for s in (state, later))
        for name, values in before.items():
            same(
                after[name][..., : size - steps, :],
                values[..., steps:, :],
                f"`advance` by {steps} does not move the window of `columns()['{name}']` by as "
                "many steps: index 0 is forgotten, and what was known stays known",
            )
    twice = technology.advance(technology.advance(state, 1), 1)
    _agree(
        twice,
        technology.advance(state, 2),
        "`advance` by 1 step and 1 step differs from `advance` by 2 steps",
    )


def _check_starts(technology: AnyTechnology, case: _Case, starts: Starts) -> None:
    shape = tuple(case.sale.sold.shape)
    check_tensor(starts.cost, shape, "starts().cost")
    for name in ("started", "kind", "downtime"):
        value = getattr(starts, name)
        assert tuple(value.shape) == shape, (
            f"`starts().{name}` has shape {tuple(value.shape)}, expected {shape}"
        )
        check_precision(value, f"starts().{name}")
    assert starts.started.dtype == torch.bool, "`starts().started` must be bool"
    charged = torch.where(starts.started, starts.cost.clamp(min=0), 0.0)
    assert torch.equal(charged, starts.cost), (
        "`starts().cost` must be 0 where no unit starts, and never negative"
    )
    whole, last = technology.starts(case.params, case.sale.sold, case.downtime)
    downtime, parts = case.downtime, []
    for step in range(_STEPS):
        part, downtime = technology.starts(
            case.params, case.sale.sold[..., step : step + 1, :], downtime
        )
        parts.append(part)
    message = (
        "`starts` of several steps differ from those step by step: the downtime after one call is "
        "that before the next"
    )
    for name in ("started", "downtime", "cost"):
        joined = torch.cat([getattr(part, name) for part in parts], dim=-2)
        same(joined, getattr(whole, name), message)
    same(downtime, last, message)


def _check_select(technology: AnyTechnology, case: _Case, answers: Mapping[str, Any]) -> None:
    units = case.energy.shape[-1]
    chosen = torch.tensor(sorted({0, units - 1}))
    params = technology.select(case.params, chosen)
    some = replace(_map(case, lambda x: x[..., chosen]), params=params)
    some = replace(some, state=rows_of(case.state, chosen))
    for name, answer in _answers(technology, some).items():
        _agree(
            answer,
            _map(answers[name], lambda x: x[..., chosen], whole=True),
            f"`{name}` of the units that `select` chose differs from that of all units, reduced to "
            "these: parameters are chosen wrongly, or units influence each other",
        )


# --- copies and units of a case ------------------------------------------------------------------


def _copy_of(copy: int) -> Callable[[Tensor], Tensor]:
    return lambda x: x[copy] if x.ndim > 1 and len(x) == _COPIES else x


def _map(value: Any, change: Callable[[Tensor], Tensor], *, whole: bool = False, **new: Any) -> Any:
    """Return a value with all of its tensors changed, parameters only if it is `whole`."""
    if isinstance(value, Tensor):
        return change(value)
    if is_dataclass(value) and not isinstance(value, type):
        own = {f.name: getattr(value, f.name) for f in fields(value)}
        changed = {
            name: part if name == "params" and not whole else _map(part, change, whole=whole)
            for name, part in own.items()
        }
        return replace(value, **{**changed, **new})
    if isinstance(value, Mapping):
        return {name: _map(part, change, whole=whole) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_map(part, change, whole=whole) for part in value)
    return value


def _agree(one: Any, other: Any, message: str) -> None:
    """Check that two answers hold equal tensors."""
    ours, theirs = tensors(one), tensors(other)
    assert len(ours) == len(theirs), message
    for a, b in zip(ours, theirs, strict=True):
        same(a, b, message)


# --- draws ---------------------------------------------------------------------------------------


def _sold(technology: AnyTechnology, capacity: Tensor, purpose: str) -> Tensor:
    """Return random sales, MW; of sellers sometimes more than is available, and often none."""
    shape = tuple(capacity.shape)
    share = (_draw(shape, f"share {purpose}") * 1.5 - 0.3).clamp(min=0)
    sells, buys = share * capacity.abs(), -share.clamp(max=1) * capacity.abs()
    if "buys" not in technology.sides:
        return sells
    if "sells" not in technology.sides:
        return buys
    return torch.where(_draw(shape, f"side {purpose}") < 0.5, sells, buys)


def _downtime(shape: tuple[int, int]) -> Tensor:
    """Return steps off, among them 0 and `NEVER_RAN`."""
    steps = (_draw(shape, "downtime") * 6).floor()
    return torch.where(steps == 5, NEVER_RAN, steps)


def _draw(shape: tuple[int, ...], purpose: str) -> Tensor:
    return keyed.array(shape, 0, "check_technology", purpose)
