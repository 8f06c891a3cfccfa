"""The contract of a bidding strategy."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from assume_rl import keyed
from assume_rl.core.bidding.protocol import Strategy
from assume_rl.core.orders import Orders
from assume_rl.core.step import dispatch, execute, initial_state, look, outcome
from assume_rl.core.types import ZERO_VOLUME, Fleet, Outcome, Profiles, UnitState, View
from assume_rl.core.units.fleet import members
from assume_rl.testing.toys import toy_fleet

_COPIES, _UNITS, _PRODUCTS = 5, 3, 2
_OFFSETS, _LENGTHS = (1, 2), (1, 1)

T = TypeVar("T")
Side = TypeVar("Side", View, Outcome)


def check_strategy(strategy: Strategy) -> None:
    """Check that a strategy keeps its contract, on random views of each of its technologies.

    :raises AssertionError: with the clause that is broken
    """
    _check_sizes(strategy)
    for technology in sorted(strategy.technologies):
        fleet, profiles = _toy(technology)
        state = _random_state(fleet, strategy)
        view = _look(strategy, fleet, profiles, state)
        action = _draw((_COPIES, _UNITS, strategy.act_size), "action") * 2 - 1
        _check_observation(strategy, view)
        _check_bids(strategy, view, action)
        _check_reward(strategy, fleet, profiles, state, strategy.bids(view, action))


def _check_sizes(strategy: Strategy) -> None:
    assert strategy.technologies, "`technologies` is empty: no unit may use the strategy"
    assert strategy.slots >= 1, "`slots` must be at least 1, or the strategy can never bid"
    unique = [f.unique for f in strategy.layout.features]
    assert unique == sorted(unique), (
        "features marked `unique` come last in the layout: critics are shown the end of other "
        "agents' observations"
    )
    if strategy.act_size == 0:
        assert strategy.layout.size == 0, "a strategy without action observes nothing"


def _check_observation(strategy: Strategy, view: View) -> None:
    observation = _pure(lambda: strategy.observe(view), view, "observe")
    _check_tensor(observation, (_COPIES, _UNITS, strategy.layout.size), "observe")
    centre = strategy.explore_around(observation)
    _check_tensor(centre, (_COPIES, _UNITS, strategy.act_size), "explore_around")
    for i in range(_COPIES):
        _same(strategy.observe(_copy(view, i)), observation[i], "observe")


def _check_bids(strategy: Strategy, view: View, action: Tensor) -> None:
    orders = _pure(lambda: strategy.bids(view, action), (view, action), "bids")
    slots = _UNITS * strategy.slots
    expected = torch.arange(_UNITS).repeat_interleave(strategy.slots)
    assert torch.equal(orders.unit.cpu(), expected), (
        f"`orders.unit` is {orders.unit.tolist()}, expected {expected.tolist()}: `slots` "
        "consecutive slots per unit; leave the volume of a slot 0 if it is not needed"
    )
    _check_tensor(orders.price, (_COPIES, _PRODUCTS, slots), "bids().price")
    _check_tensor(orders.volume, (_COPIES, _PRODUCTS, slots), "bids().volume")
    offered = _per_unit(orders.volume, strategy)
    lowest, highest = view.max_power.clamp(max=0), view.max_power.clamp(min=0)
    assert ((offered >= lowest - ZERO_VOLUME) & (offered <= highest + ZERO_VOLUME)).all(), (
        "a unit's volumes of a product add up to more than `view.max_power`, or have its sign wrong"
    )
    for i in range(_COPIES):
        single = strategy.bids(_copy(view, i), action[i])
        _same(single.price, orders.price[i], "bids().price")
        _same(single.volume, orders.volume[i], "bids().volume")


def _check_reward(
    strategy: Strategy, fleet: Fleet, profiles: Profiles, state: UnitState, orders: Orders
) -> None:
    result = _outcome(strategy, fleet, profiles, state, orders)
    reward = _pure(lambda: strategy.reward(result), result, "reward")
    for name, value in vars(reward).items():
        _check_tensor(value, (_COPIES, _UNITS), f"reward().{name}")
    for i in range(_COPIES):
        single = vars(strategy.reward(_copy(result, i)))
        for name, value in vars(reward).items():
            _same(single[name], value[i], f"reward().{name}")


def _toy(technology: str) -> tuple[Fleet, Profiles]:
    """Units with every kind of limit; other than plants and demand are left to their own tests."""
    assert technology in ("thermal", "demand"), f"no toy fleet for the technology '{technology}'"
    if technology == "demand":
        demands = ((100.0, 3000.0), (20.0, 50.0), (5.0, 10.0))
        return toy_fleet(plants=(), demands=demands, varied=True)
    plants = ((100.0, 20.0, 30.0), (50.0, 0.0, 60.0), (80.0, 70.0, 10.0))
    return toy_fleet(plants=plants, varied=True, ramp_up=(30.0, torch.inf, 10.0), min_down_time=3.0)


def _random_state(fleet: Fleet, strategy: Strategy) -> UnitState:
    lookback = max(strategy.foresight, 4) + 1
    state = initial_state(
        fleet, lookback, _PRODUCTS + 1, (_COPIES,), keep_downtime=strategy.needs_downtime
    )
    shape = state.energy.shape
    sign = 1.0 if fleet.blocks[0].technology == "thermal" else -1.0
    ran = _draw((*shape[:-2], lookback + 1, shape[-1]), "energy").sub(0.3).clamp(min=0) * 20 * sign
    future = torch.zeros(*shape[:-2], shape[-2] - lookback - 1, shape[-1]).double()
    energy = torch.cat((ran, future), dim=-2)
    return replace(state, energy=energy, accepted_price=_draw(shape, "price") * 100)


def _steps() -> Tensor:
    return torch.arange(_COPIES) * 7 + 3


def _look(strategy: Strategy, fleet: Fleet, profiles: Profiles, state: UnitState) -> View:
    team = members(fleet, range(_UNITS))
    return look(fleet, profiles, state, _steps(), _OFFSETS, "EOM", team, strategy)


def _outcome(
    strategy: Strategy, fleet: Fleet, profiles: Profiles, state: UnitState, orders: Orders
) -> Outcome:
    """What follows when a random share of each order is accepted, at random prices."""
    accepted = orders.volume * (_draw(tuple(orders.volume.shape), "share") * 2 - 1).clamp(min=0)
    paid = _draw(tuple(orders.volume.shape), "paid") * 100
    price = _draw((_COPIES, _PRODUCTS), "price") * 100
    times = (_OFFSETS, _LENGTHS, 1.0)
    sold = dispatch(state, orders, accepted, paid, *times)
    after = execute(fleet, profiles, sold, _steps(), 1)
    team = members(fleet, range(_UNITS))
    return outcome(fleet, profiles, after, _steps(), team, orders, accepted, paid, price, *times)


def _per_unit(slots: Tensor, strategy: Strategy) -> Tensor:
    return slots.reshape(*slots.shape[:-1], _UNITS, strategy.slots).sum(-1)


def _draw(shape: tuple[int, ...], purpose: str) -> Tensor:
    return keyed.array(shape, 0, "check_strategy", purpose)


def _copy(value: Side, i: int) -> Side:
    """Copy `i` of a batched view or outcome; parameters have no batch axis."""
    tensors = {f.name: getattr(value, f.name) for f in fields(value)}
    one: dict[str, Any] = {n: x[i] for n, x in tensors.items() if isinstance(x, Tensor)}
    return replace(value, **one)


def _check_tensor(value: Tensor, shape: tuple[int, ...], name: str) -> None:
    assert tuple(value.shape) == shape, (
        f"`{name}` has shape {tuple(value.shape)}, expected {shape}: leading axes are free, the "
        "last ones are those of the protocol"
    )
    assert value.dtype == torch.float64, (
        f"`{name}` is {value.dtype}; economics is float64, only networks are float32"
    )
    assert value.isfinite().all(), f"`{name}` holds NaN or infinity"


def _same(single: Tensor, batched: Tensor, name: str) -> None:
    assert torch.allclose(single, batched, rtol=0, atol=1e-9), (
        f"`{name}` of one market differs from the same market in a batch; leading axes are free, "
        "each copy stands alone"
    )


def _pure(call: Callable[[], T], arguments: object, name: str) -> T:
    """Call it twice: same answer, arguments untouched."""
    before = [x.clone() for x in _tensors(arguments)]
    first, second = call(), call()
    untouched = all(map(torch.equal, _tensors(arguments), before))
    assert untouched, f"`{name}` wrote into its arguments; views and outcomes are shared"
    same = all(map(torch.equal, _tensors(first), _tensors(second)))
    assert same, f"`{name}` gives another answer when called again; randomness enters as an action"
    return first


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if is_dataclass(value):
        return [x for f in fields(value) for x in _tensors(getattr(value, f.name))]
    return [x for part in value for x in _tensors(part)] if isinstance(value, tuple) else []
