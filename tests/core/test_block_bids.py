"""Block bids of plants, hour by hour the same as those of the flexible rule, but bound together."""

import pytest
import torch
from test_flexible import Plant, numbers, view_of
from torch import Tensor

from assume_rl.core.bidding import create
from assume_rl.core.bidding.base import Context, View
from assume_rl.core.bidding.block import BlockPlant, Profile
from assume_rl.core.bidding.flexible import FlexiblePlant
from assume_rl.core.orders import Orders
from assume_rl.core.units.thermal import ThermalView

INF = torch.inf
FORECAST = [50.0] * 12


def plant(
    available: tuple[float, ...] = (100.0, 100.0, 70.0), past: float = 90.0, **limits: float
) -> Plant:
    """Minimum power 20 MW; runs, and a start after a stop costs 600 EUR."""
    own = {
        "ramp_up": INF,
        "ramp_down": INF,
        "min_operating_time": 1.0,
        "min_down_time": 1.0,
        "hot_start_cost": 600.0,
        "warm_start_cost": 600.0,
        "cold_start_cost": 600.0,
        "downtime_hot_start": 1.0,
        "downtime_warm_start": 2.0,
    }
    cost = (20.0, 30.0, 25.0)[: len(available)]
    return Plant(own | limits, (past,) * 4, 4, 0.5, available, cost, (0.0,) * len(available))


def bidder(name: str) -> BlockPlant | Profile:
    made = create(name, Context(max_bid_price=100.0, products=3, step_hours=1.0), {})
    assert isinstance(made, BlockPlant | Profile)
    return made


def of_plant(orders: Orders, table: Tensor, number: int, slots: int) -> list[list[float]]:
    return table[:, slots * number : slots * (number + 1)].t().tolist()


def view(*plants: Plant) -> View[ThermalView]:
    return view_of(list(plants), FORECAST, 0)


def test_minimum_power_is_one_block_at_its_mean_price() -> None:
    seen = view(plant())
    orders = bidder("flexable_eom_block").orders(seen)
    parts = FlexiblePlant(12).orders(seen)
    mean = float((parts.price[:, 0] * parts.volume[:, 0]).sum() / parts.volume[:, 0].sum())
    assert of_plant(orders, orders.volume, 0, 2) == [[20, 20, 20], [80, 80, 50]]
    assert orders.price[:, 0].tolist() == pytest.approx([mean] * 3)
    assert orders.price[:, 1].tolist() == [20, 30, 25]
    assert orders.terms is not None
    assert orders.terms.block.tolist() == [True, False]
    assert orders.terms.min_acceptance.tolist() == [1, 0]
    assert orders.terms.parent.tolist() == [-1, -1]


def test_the_block_spares_a_start_in_each_hour() -> None:
    """Marginal costs 20, 30, 25 less 600 EUR / 20 MW, all below the forecast."""
    orders = bidder("flexable_eom_block").orders(view(plant()))
    assert orders.price[:, 0].tolist() == pytest.approx([25 - 30] * 3)


def test_the_mean_counts_hours_by_their_volume() -> None:
    """In the second hour too little is available to run."""
    orders = bidder("flexable_eom_block").orders(view(plant((100.0, 10.0, 70.0))))
    least = orders.volume[:, 0]
    assert least.tolist() == [20, 0, 20]
    assert float(orders.price[1, 0]) == float(orders.price[0, 0])


def test_linked_the_rest_hangs_on_the_block_where_there_is_one() -> None:
    seen = view(plant((100.0, 10.0, 70.0)), plant(past=0.0))
    orders = bidder("flexable_eom_linked").orders(seen)
    parts = FlexiblePlant(12).orders(seen)
    assert orders.terms is not None
    assert orders.terms.block.tolist() == [True, False, False] * 2
    assert orders.terms.parent.tolist() == [-1, 0, -1, -1, 3, -1]
    assert orders.terms.min_acceptance.tolist() == [1, 0, 0] * 2
    for number in range(2):
        least, held, free = torch.tensor(of_plant(orders, orders.volume, number, 3))
        rest = parts.volume[:, 2 * number + 1].float()
        assert torch.equal(held + free, rest)
        assert (held[least == 0] == 0).all()
        assert (free[least > 0] == 0).all()


def test_without_minimum_power_there_is_no_block() -> None:
    orders = bidder("flexable_eom_block").orders(view(plant((10.0, 10.0, 10.0))))
    assert orders.volume[:, 0].tolist() == [0, 0, 0]
    assert orders.price[:, 0].tolist() == [0, 0, 0]


def test_a_profile_is_constant_and_can_be_delivered() -> None:
    seen = view(plant(), plant((100.0, 100.0, 100.0), past=40.0, ramp_up=25.0))
    orders = bidder("powerplant_energy_naive_profile").orders(seen)
    assert orders.volume.tolist() == [[70, 65]] * 3
    assert torch.equal(orders.price, numbers(20, 20).expand(3, 2))
    assert orders.terms is not None
    assert orders.terms.block.tolist() == [True, True]
    assert orders.terms.min_acceptance.tolist() == [0, 0]
