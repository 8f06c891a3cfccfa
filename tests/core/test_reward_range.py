"""No outcome gives a reward outside of the range that a bidder says; some reach its ends."""

from dataclasses import replace

import pytest
import torch

from assume_rl.core.bidding import BIDDERS
from assume_rl.core.bidding.base import Bounded, Context
from assume_rl.core.money import Outcome, Stakes
from assume_rl.core.units.base import rows_of
from assume_rl.testing import TOYS

PRICE = (-20.0, 90.0)
COST = (5.0, 30.0)
COPIES, HOURS = 4000, 0.5
PLANTS = (
    "powerplant_energy_learning",
    "renewable_energy_learning_single_bid",
    "powerplant_energy_learning_curve",
)


def bidder_of(name, products, **params):
    context = Context(max_bid_price=100.0, products=products, step_hours=HOURS)
    found = BIDDERS[name].create(context, params)
    assert isinstance(found, Bounded)
    return found


def params_of(technology):
    fleet, _ = TOYS[technology]()
    (block,) = (b for b in fleet.blocks if b.technology.name == technology)
    return block.params


def drawn(params, least, most, products, cost, *, corners):
    """Random outcomes, or those in which prices and volumes are the least or the greatest."""
    generator = torch.Generator().manual_seed(1)
    shape = (COPIES, products, len(most))

    def between(low, high):
        share = torch.rand(shape, generator=generator, dtype=torch.float64)
        return low + (share.round() if corners else share) * (high - low)

    price, paid, cost = between(*PRICE), between(*PRICE), between(*cost)
    sold, before = between(least, most), between(0 * most, most)
    starts = between(0 * most, torch.full_like(most, 50.0))
    return Outcome(
        price=price,
        revenue=(price if corners else paid) * sold * HOURS,
        sold=sold,
        offered=most.expand(shape),
        hours=HOURS,
        marginal_cost=cost,
        power=sold,
        previous_power=before,
        params=params,
        start_cost=starts,
    )


def check(bidder, params, least, most, products, cost=COST, *, reached):
    costs = tuple(torch.full_like(most, value) for value in cost)
    low, high = bidder.reward_range(params, Stakes(PRICE, costs, (1,) * products, HOURS))
    assert (low <= 0).all()
    assert (high >= 0).all()
    for corners in (False, True):
        outcome = drawn(params, least, most, products, cost, corners=corners)
        reward = bidder.reward(outcome).reward
        assert (reward >= low - 1e-9).all()
        assert (reward <= high + 1e-9).all()
    if reached:
        torch.testing.assert_close(reward.amin(dim=0), low)
        torch.testing.assert_close(reward.amax(dim=0), high)


@pytest.mark.parametrize("products", [1, 2])
@pytest.mark.parametrize("start_costs", [False, True])
@pytest.mark.parametrize("name", PLANTS)
def test_of_plants(name, start_costs, products):
    params = params_of("thermal")
    cost = torch.full_like(params.max_power, 50.0)
    params = replace(params, hot_start_cost=cost, warm_start_cost=cost, cold_start_cost=cost)
    bidder = bidder_of(name, products, start_costs=start_costs)
    check(bidder, params, 0 * cost, params.max_power, products, reached=False)
    if name == PLANTS[1]:
        stakes = Stakes(PRICE, (cost, cost), (1,), HOURS)
        assert (bidder.reward_range(params, stakes)[0] == -torch.inf).all()
    free = replace(params, hot_start_cost=0 * cost, warm_start_cost=0 * cost)
    free = replace(free, cold_start_cost=0 * cost)
    if not start_costs:
        check(bidder, free, 0 * cost, free.max_power, products, reached=products == 1)


@pytest.mark.parametrize("products", [1, 2])
def test_of_storages(products):
    params = params_of("storage")
    params = replace(
        params,
        additional_cost_charge=torch.full_like(params.capacity, COST[0]),
        additional_cost_discharge=torch.full_like(params.capacity, COST[0]),
    )
    bidder = bidder_of("storage_energy_learning", products)
    powers = params.max_power_charge, params.max_power_discharge
    same = COST[0], COST[0]
    check(bidder, params, *powers, products, same, reached=products == 1)


def test_a_plant_without_power_has_a_range_too():
    params = rows_of(params_of("thermal"), torch.tensor([0]))
    nothing = replace(params, max_power=0 * params.max_power)
    stakes = Stakes(PRICE, (nothing.max_power, nothing.max_power), (1,), HOURS)
    low, high = bidder_of(PLANTS[0], 1).reward_range(nothing, stakes)
    assert low.isfinite().all()
    assert high.isfinite().all()
