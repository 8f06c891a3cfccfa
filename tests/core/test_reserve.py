"""Bids for reserve, by hand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from assume_rl.core.bidding import create
from assume_rl.core.bidding.base import AnyBidder, AnyView, Bidder, Context, View
from assume_rl.core.forecasts import Forecasts, Outlook
from assume_rl.core.units.base import RESERVE, Limits, Range, no_range
from assume_rl.core.units.storage import StorageView, limits_at
from assume_rl.core.units.thermal import ThermalView
from assume_rl.errors import SettingError
from assume_rl.testing import toy_storages, toy_thermal

PLANT, STORAGE = "powerplant_capacity_heuristic_balancing", "storage_capacity_heuristic_balancing"
COST = 30.0  # EUR/MWh of the plant
GOOD, BAD = [50.0] * 12, [20.0] * 12  # forecasts, EUR/MWh


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def made(name: str, product_type: str, **params: Any) -> Bidder[Any]:
    context = Context(100.0, 1, 1.0, product_type=product_type)
    bidder: AnyBidder = create(name, context, params)
    assert isinstance(bidder, Bidder)
    return bidder


def outlook(forecast: Sequence[float], first: int, products: int) -> Outlook:
    price, series = row(*forecast)[None], torch.zeros(1, dtype=torch.long)
    forecasts = Forecasts(price, price, price, price, series)
    return Outlook(forecasts, series, first, tuple(range(products)))


def plant(
    forecast: Sequence[float] = GOOD,
    power: float = 700.0,
    first: int = 2,
    products: int = 1,
    **limits: Any,
) -> View[ThermalView]:
    """One plant of 200 to 1,000 MW, which ran at `power`, and of which nothing is sold yet."""
    whole = torch.full((products, 1), 1000.0, dtype=torch.float64)
    past = torch.full((4, 1), power, dtype=torch.float64)
    return View(
        limits=Limits(sell=Range(whole / 5, whole), buy=no_range(whole)),
        lengths=(4,) * products,
        sold=0 * whole,
        throughout=0 * whole,
        capacity=whole,
        marginal_cost=torch.full_like(whole, COST),
        previous_power=past[-1],
        price_history=row().reshape(1, 0),
        outlook=outlook(forecast, first, products),
        own=ThermalView(toy_thermal([1000.0], 200.0, **limits), past, first),
    )


def storage(
    forecast: Sequence[float] = GOOD, soc: float = 0.5, sold: float = 0.0, **limits: Any
) -> View[StorageView]:
    """The first toy storage: 100 MWh between 10 and 90 %, 40 MW in at 80 %, 50 MW out at 90 %."""
    fleet, _ = toy_storages(**limits)
    technology, params = fleet.blocks[0].technology, fleet.blocks[0].params
    params = technology.select(params, torch.tensor([0]))
    energy = row(sold)[None]
    return View(
        limits=limits_at(params, row(soc)[None], energy, {"energy": energy}),
        lengths=(4,),
        sold=energy,
        throughout=energy,
        capacity=0 * energy,
        marginal_cost=row(0.4)[None],
        previous_power=row(0.0),
        price_history=row().reshape(1, 0),
        outlook=outlook(forecast, 2, 1),
        own=StorageView(params, row(soc), row(0.0)),
    )


def orders(bidder: str, product_type: str, view: AnyView, **params: Any) -> list[list[float]]:
    """Price and volume, product by product."""
    found = made(bidder, product_type, **params).orders(view)
    return torch.cat([found.price, found.volume], dim=-1).tolist()


@pytest.mark.parametrize(
    ("view", "power", "energy"),
    [
        # Five hours at 20 EUR/MWh above cost.
        (plant(), [100.0, 1000.0], COST),
        # Five hours at 10 below: what the minimum power loses, for each MW of reserve.
        (plant(BAD), [10.0, 1000.0], COST),
        # At the end of the calendar two hours are left.
        (plant(first=10), [40.0, 1000.0], COST),
        # 400 MW and a ramp of 150.
        (plant(power=400.0, ramp_up=150.0), [100.0, 550.0], COST),
        # Off for a step, which has to rest for three.
        (plant(power=0.0, ramp_up=500.0, min_down_time=9.0), [100.0, 0.0], COST),
    ],
)
def test_a_plant_asks_for_positive_reserve_what_energy_would_earn(
    view: AnyView, power: list[float], energy: float
) -> None:
    bidder = f"{PLANT}_pos"
    assert orders(bidder, "capacity_pos", view) == [pytest.approx(power)]
    assert orders(bidder, "energy_pos", view) == [[energy, power[1]]]


@pytest.mark.parametrize(
    ("view", "power"),
    [
        (plant(), [0.0, 500.0]),  # from 700 MW to the minimum; running pays
        (plant(BAD), [50.0 * 300.0 / 500.0, 500.0]),  # running loses 50 EUR/MW in five hours
        (plant(power=0.0), [0.0, 0.0]),  # it is off
        (plant(power=150.0), [0.0, 0.0]),  # below its minimum
        (plant(power=700.0, ramp_down=100.0), [0.0, 100.0]),
    ],
)
def test_a_plant_gives_negative_reserve_down_to_its_minimum(
    view: AnyView, power: list[float]
) -> None:
    bidder = f"{PLANT}_neg"
    assert orders(bidder, "capacity_neg", view) == [pytest.approx(power)]
    assert orders(bidder, "energy_neg", view) == [[-COST, power[1]]]


def test_all_products_are_judged_by_the_power_before_the_first_one() -> None:
    forecast = [50.0] * 4 + [20.0] * 8
    found = orders(f"{PLANT}_pos", "capacity_pos", plant(forecast, ramp_up=100.0, products=3))
    assert [volume for _, volume in found] == [800.0] * 3
    # From hours 2, 3 and 4: two, one and none of five pay 20; the others lose 10.
    assert [price for price, _ in found] == [10.0, 20.0 * 200 / 800, 50.0 * 200 / 800]


@pytest.mark.parametrize(
    ("view", "power", "energy"),
    [
        # 36 MW empty it in an hour: one hour at 50 less 0.4.
        (storage(), [49.6, 36.0], 50.0),
        # 10 MW last for 3.6 hours.
        (storage(max_power_discharge=10.0), [49.6 * 3.6, 10.0], 50.0),
        (storage([9.0, 9.0, 10.0, 20.0, 30.0, 40.0], max_power_discharge=10.0),
         [10.0 + 20.0 + 30.0 + 0.6 * 40.0 - 3.6 * 0.4, 10.0], 84.0 / 3.6),
        (storage([-5.0] * 12), [0.0, 36.0], 0.4),  # energy would lose
        (storage(soc=0.1), [0.0, 0.0], 0.4),  # it is empty
        (storage(sold=20.0), [49.6 * 36.0 / 30.0, 30.0], 50.0),
    ],
)  # fmt: skip
def test_a_storage_asks_for_positive_reserve_what_its_energy_would_earn(
    view: AnyView, power: list[float], energy: float
) -> None:
    bidder = f"{STORAGE}_pos"
    assert orders(bidder, "capacity_pos", view) == [pytest.approx(power)]
    assert orders(bidder, "energy_pos", view) == [pytest.approx([energy, power[1]])]


@pytest.mark.parametrize(
    ("view", "volume"),
    [
        (storage(), 40.0),
        (storage(soc=0.8), 12.5),  # 10 MWh to the brim, at 80 %
        (storage(soc=0.9), 0.0),
        (storage(sold=-15.0), 25.0),
        (storage(ramp_up_charge=-10.0), 10.0),
    ],
)
def test_a_storage_gives_negative_reserve_for_nothing(view: AnyView, volume: float) -> None:
    bidder = f"{STORAGE}_neg"
    assert orders(bidder, "capacity_neg", view) == [pytest.approx([0.0, volume])]
    assert orders(bidder, "energy_neg", view) == [pytest.approx([0.3, volume])]


@pytest.mark.parametrize("product_type", sorted(RESERVE))
def test_the_naive_rule_offers_all_reserve_at_marginal_cost(product_type: str) -> None:
    found = orders("powerplant_energy_naive_balancing", product_type, plant(products=2))
    assert found == [[COST, 1000.0]] * 2


@pytest.mark.parametrize(("foresight", "price"), [("4h", 100.0), ("1h", 40.0), ("0h", 20.0)])
def test_crm_foresight_says_how_far_earnings_count(foresight: str, price: float) -> None:
    found = orders(f"{PLANT}_pos", "capacity_pos", plant(), crm_foresight=foresight)
    assert found == [[price, 1000.0]]


def test_crm_foresight_is_a_duration() -> None:
    with pytest.raises(SettingError, match=r"crm_foresight"):
        made(f"{PLANT}_pos", "capacity_pos", crm_foresight="four")


def test_the_rule_of_storages_keeps_sold_reserve() -> None:
    """Of 10 MW of discharging it has sold 4 MW as reserve."""
    view = storage([20.0] * 12, max_power_discharge=10.0)
    held = {"capacity_pos": row(4.0)[None]}
    limits = limits_at(
        view.own.params, view.own.soc[None], view.sold, {"energy": view.sold, **held}
    )
    view = replace(view, limits=limits, reserve=held)
    found = made("storage_energy_heuristic_flexable", "energy").orders(view)
    assert found.volume.tolist() == [[6.0]]


@pytest.mark.parametrize("own", [plant(), plant(forecast=(20.0,) * 8)])
def test_a_reserve_price_counts_the_length_of_steps(own: View[ThermalView]) -> None:
    """Five quarters of an hour bring a quarter of five hours."""
    name = "powerplant_capacity_heuristic_balancing_pos"
    hours = made(name, "capacity_pos", crm_foresight="4h").orders(own).price
    context = Context(100.0, 1, 0.25, product_type="capacity_pos")
    quarters = create(name, context, {"crm_foresight": "1h"})
    assert isinstance(quarters, Bidder)
    assert hours.abs().min() > 0
    torch.testing.assert_close(quarters.orders(own).price, hours / 4)
