"""Small fleets for tests and examples."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from assume_rl import keyed
from assume_rl.core.forecasts import Forecasts
from assume_rl.core.units.base import AnyBlock, Block
from assume_rl.core.units.demand import Demand, DemandParams
from assume_rl.core.units.exchange import Exchange, ExchangeParams
from assume_rl.core.units.fleet import Fleet, Profiles
from assume_rl.core.units.storage import Storage, StorageParams
from assume_rl.core.units.thermal import Thermal, ThermalParams


def toy_fleet(
    *,
    plants: Sequence[tuple[float, float, float]] = ((100.0, 20.0, 30.0), (50.0, 0.0, 60.0)),
    demands: Sequence[tuple[float, float]] = (),
    steps: int = 48,
    market: str = "EOM",
    varied: bool = False,
    **limits: Any,
) -> tuple[Fleet, Profiles]:
    """Return a fleet and its series; everything constant over the calendar unless `varied`.

    :param plants: (max_power MW, min_power MW, marginal cost EUR/MWh) of each
    :param demands: (MW > 0, willingness to pay EUR/MWh) of each
    :param steps: of the calendar
    :param market: that the forecasts are of
    :param varied: draw availability, cost and forecasts at random (always the same)
    :param limits: further parameters of the plants, as for `toy_thermal`
    """
    n, m = len(plants), len(demands)
    blocks: list[AnyBlock] = []
    capacity: list[float] = []
    price: list[float] = []
    if plants:
        most, least, cost = zip(*plants, strict=True)
        blocks.append(Block(Thermal(), 0, n, toy_thermal(most, least, **limits)))
        capacity, price = list(most), list(cost)
    if demands:
        power, value = zip(*demands, strict=True)
        curves = _row([0.0, -0.3, 0.0], 3)[torch.arange(m) % 3], _row([3.0, 2.0, 2.0], 3)
        params = DemandParams(
            price=_row(value, m),
            most=_row(power, m),
            elasticity=curves[0],
            num_bids=curves[1][torch.arange(m) % 3],
        )
        blocks.append(Block(Demand(), n, n + m, params))
        capacity, price = capacity + [-p for p in power], price + list(value)
    fleet = Fleet(
        ids=tuple(f"plant_{i}" for i in range(n)) + tuple(f"demand_{i}" for i in range(m)),
        blocks=tuple(blocks),
        owner=torch.zeros(n + m, dtype=torch.long),
        node=torch.zeros(n + m, dtype=torch.long),
    )
    scale = _draw((steps, n + m), "capacity") if varied else 1.0
    rise = 0.5 + _draw((steps, n + m), "cost") if varied else 1.0
    profiles = Profiles(
        capacity=_row(capacity, n + m).expand(steps, -1) * scale,
        marginal_cost=_row(price, n + m).expand(steps, -1) * rise,
        forecasts={market: _forecasts(steps, n + m, varied)},
    )
    return fleet, profiles


def toy_storages(*, steps: int = 48, market: str = "EOM", **limits: Any) -> tuple[Fleet, Profiles]:
    """Return three storages with every kind of limit; forecasts vary at random (always the same).

    :param steps: of the calendar
    :param market: whose forecasts they see
    :param limits: parameters that differ from the usual ones, numbers or rows
    """
    usual = {
        "capacity": (100.0, 60.0, 10.0),
        "max_power_charge": (-40.0, -25.0, -10.0),
        "min_power_charge": (0.0, -5.0, 0.0),
        "max_power_discharge": (50.0, 25.0, 10.0),
        "min_power_discharge": (0.0, 5.0, 0.0),
        "min_soc": (0.1, 0.0, 0.0),
        "max_soc": (0.9, 1.0, 1.0),
        "initial_soc": (0.5, 0.2, 1.0),
        "efficiency_charge": (0.8, 0.95, 1.0),
        "efficiency_discharge": (0.9, 0.95, 1.0),
        "additional_cost_charge": (0.3, 0.1, 0.0),
        "additional_cost_discharge": (0.4, 0.2, 0.0),
        "ramp_up_charge": (-math.inf, -10.0, -math.inf),
        "ramp_down_charge": (-math.inf, -10.0, -math.inf),
        "ramp_up_discharge": (math.inf, 10.0, math.inf),
        "ramp_down_discharge": (math.inf, 10.0, math.inf),
        "hot_start_cost": 0.0,
        "warm_start_cost": 0.0,
        "cold_start_cost": 0.0,
        "downtime_hot_start": 8.0,
        "downtime_warm_start": 48.0,
    }
    if unknown := limits.keys() - usual.keys():
        raise TypeError(f"no such limits: {', '.join(sorted(unknown))}")
    rows = {name: _row(value, 3) for name, value in {**usual, **limits}.items()}
    params = StorageParams(step_hours=1.0, cost_limit=100.0, **rows)
    nowhere = torch.zeros(3, dtype=torch.long)
    fleet = Fleet(
        ids=("storage_0", "storage_1", "storage_2"),
        blocks=(Block(Storage(), 0, 3, params),),
        owner=nowhere,
        node=nowhere,
    )
    profiles = Profiles(
        capacity=params.max_power_discharge.expand(steps, -1),
        marginal_cost=params.additional_cost_discharge.expand(steps, -1),
        forecasts={market: _forecasts(steps, 3, True)},
    )
    return fleet, profiles


def toy_thermal(
    max_power: Sequence[float], min_power: Sequence[float] | float = 0.0, **limits: Any
) -> ThermalParams:
    """Return parameters of plants; `limits` are numbers or rows, others do not bind."""
    n = len(max_power)
    usual = {
        "ramp_up": math.inf,
        "ramp_down": math.inf,
        "min_operating_time": 1.0,
        "min_down_time": 1.0,
        "hot_start_cost": 0.0,
        "warm_start_cost": 0.0,
        "cold_start_cost": 0.0,
        "downtime_hot_start": 0.0,
        "downtime_warm_start": 0.0,
    }
    if unknown := limits.keys() - usual.keys():
        raise TypeError(f"no such limits: {', '.join(sorted(unknown))}")
    rows = {name: _row(value, n) for name, value in {**usual, **limits}.items()}
    ramped = bool((rows["ramp_up"].isfinite() | rows["ramp_down"].isfinite()).any())
    return ThermalParams(
        max_power=_row(max_power, n), min_power=_row(min_power, n), ramped=ramped, **rows
    )


def _limited_plants() -> tuple[Fleet, Profiles]:
    plants = ((100.0, 20.0, 30.0), (50.0, 0.0, 60.0), (80.0, 70.0, 10.0))
    return toy_fleet(plants=plants, varied=True, ramp_up=(30.0, torch.inf, 10.0), min_down_time=3.0)


def _demands() -> tuple[Fleet, Profiles]:
    demands = ((100.0, 3000.0), (20.0, 50.0), (5.0, 10.0))
    return toy_fleet(plants=(), demands=demands, varied=True)


def _exchanges(steps: int = 48) -> tuple[Fleet, Profiles]:
    """Return exchanges, of which one only imports and one only exports."""
    most = _row((100.0, 40.0, 0.0), 3), _row((-80.0, 0.0, -30.0), 3)
    imports, exports = (
        power * _draw((steps, 3), name) for power, name in zip(most, "ie", strict=True)
    )
    params = ExchangeParams(
        price_import=_row((0.0, 20.0, 0.0), 3),
        price_export=_row((2999.0, 90.0, 50.0), 3),
        most_export=exports,
    )
    nowhere = torch.zeros(3, dtype=torch.long)
    ids = ("exchange_0", "exchange_1", "exchange_2")
    fleet = Fleet(ids, (Block(Exchange(), 0, 3, params),), owner=nowhere, node=nowhere)
    return fleet, Profiles(imports, 0 * imports, {"EOM": _forecasts(steps, 3, True)})


TOYS: Mapping[str, Callable[[], tuple[Fleet, Profiles]]] = {
    "demand": _demands,
    "exchange": _exchanges,
    "storage": toy_storages,
    "thermal": _limited_plants,
}
"""Units of each technology with every kind of limit, on which contracts are checked."""


def _row(values: Sequence[float] | float, size: int) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64).expand(size)


def _draw(shape: tuple[int, ...], purpose: str) -> Tensor:
    return keyed.array(shape, 0, "toy_fleet", purpose)


def _forecasts(steps: int, units: int, varied: bool) -> Forecasts:
    """Return one price and one residual load for all."""
    scaled = [_draw((1, steps), n) if varied else torch.zeros(1, steps).double() for n in "pr"]
    return Forecasts(
        price=scaled[0] * 100,
        residual_load=scaled[1] * 100,
        scaled_price=scaled[0],
        scaled_residual_load=scaled[1],
        series=torch.zeros(units, dtype=torch.long),
    )
