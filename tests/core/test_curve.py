"""Supply curves: whatever the numbers, they rise and hold all power; a plant bids them."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_bidding import CURVE, SINGLE_BID, TWO_BID, bidder_of, row, seen, view_of

from assume_rl.core.bidding.base import Curve
from assume_rl.core.bidding.curve import decode, encode
from assume_rl.errors import ConfigurationError
from assume_rl.testing import check_bidder

NUMBER = st.one_of(st.sampled_from([-1.0, 1.0, 0.0]), st.floats(-1.5, 1.5))


@st.composite
def some_numbers(draw: st.DrawFn) -> list[float]:
    """Numbers of a curve of up to six steps, some of them beyond the bounds."""
    length = 2 * draw(st.integers(1, 6)) - 1
    return draw(st.lists(NUMBER, min_size=length, max_size=length))


@given(some_numbers(), st.sampled_from([torch.float32, torch.float64]))
def test_any_numbers_make_a_rising_curve_of_all_power(
    numbers: list[float], dtype: torch.dtype
) -> None:
    price, share = decode(torch.tensor(numbers, dtype=dtype))
    assert len(price) == len(share) == (len(numbers) + 1) // 2
    assert bool((price.diff() >= 0).all())
    assert bool((price.abs() <= 1).all())
    assert bool((share >= 0).all())
    assert share.sum().item() == pytest.approx(1.0, abs=1e-6)
    assert price[0].item() == pytest.approx(min(max(numbers[0], -1), 1), abs=1e-6)


@given(some_numbers())
def test_encoding_is_the_inverse(numbers: list[float]) -> None:
    curve = decode(torch.tensor(numbers, dtype=torch.float64))
    again = encode(*curve)
    assert bool((again.abs() <= 1 + 1e-12).all())
    for ours, theirs in zip(decode(again), curve, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-9)


def test_a_curve_by_hand() -> None:
    """From 0.2 half the way to the cap, and from there nothing; a quarter, half of the rest."""
    price, share = decode(row(0.2, 0.0, -1.0, -0.5, 0.0))
    assert price.tolist() == pytest.approx([0.2, 0.6, 0.6])
    assert share.tolist() == pytest.approx([0.25, 0.375, 0.375])
    assert encode(price, share).tolist() == pytest.approx([0.2, 0.0, -1.0, -0.5, 0.0])


def test_gradients_reach_every_number() -> None:
    numbers = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    price, share = decode(numbers)
    weights = row(1.0, 2.0, 4.0)
    ((price * weights).sum() + (share * weights).sum()).backward()
    assert numbers.grad is not None
    assert bool((numbers.grad != 0).all())


# --- the plant ----------------------------------------------------------------------------------


def test_the_first_step_holds_minimum_power() -> None:
    """80 MW above the minimum in two equal steps; each product has its own numbers."""
    bidder = bidder_of(CURVE, 2, curve_steps=2)
    view = view_of(bidder, (1, 2), plants=((100.0, 20.0, 30.0), (50.0, 0.0, 60.0)))
    orders = bidder.orders(
        view, torch.tensor([[0.5, 0.0, 0.0, -1.0, -1.0, -1.0], [0.0, 1.0, 1.0, 0.5, 0.5, -0.5]])
    )
    assert bidder.action == Curve(2, 2)
    assert bidder.action.size == 6
    assert orders.price.tolist() == [[50.0, 75.0, 0.0, 100.0], [-100.0, -100.0, 50.0, 87.5]]
    assert orders.volume.tolist() == [[60.0, 40.0, 50.0, 0.0], [20.0, 80.0, 12.5, 37.5]]
    assert orders.unit.tolist() == [0, 0, 1, 1]


@settings(max_examples=25)
@given(st.integers(1, 5), st.integers(0, 10**6), st.sampled_from(["all", "first"]))
def test_orders_rise_and_offer_all_that_is_available(steps: int, seed: int, learned: str) -> None:
    bidder = bidder_of(CURVE, 2, curve_steps=steps, learned_products=learned)
    view = view_of(bidder, (1, 2), plants=((100.0, 20.0, 30.0), (50.0, 50.0, 60.0)))
    draw = torch.Generator().manual_seed(seed)
    orders = bidder.orders(view, torch.randn((2, bidder.action.size), generator=draw))
    products = bidder.action.products
    volume = orders.volume.view(2, 2, steps)
    assert bool((orders.price.view(2, 2, steps).diff(dim=-1) >= 0).all())
    assert bool((volume >= 0).all())
    assert bool((volume[:products, :, 0] >= torch.tensor([20.0, 50.0])).all())
    assert torch.allclose(volume[:products].sum(-1), view.limits.sell.most[:products])
    assert not volume[products:].any()


def test_one_step_is_one_price_and_two_steps_can_be_two_prices() -> None:
    plants = ((100.0, 20.0, 30.0), (50.0, 0.0, 60.0))
    one, single = bidder_of(CURVE, curve_steps=1, foresight=2), bidder_of(SINGLE_BID, foresight=2)
    two, double = bidder_of(CURVE, curve_steps=2, foresight=2), bidder_of(TWO_BID, foresight=2)
    view = view_of(single, plants=plants)
    price = torch.tensor([[0.5], [-0.25]], dtype=torch.float64)
    assert_alike(one.orders(view, price), single.orders(view, price))
    # From 0.5 a fifth of the way to 1 is 0.6; from -0.25 a fifth is 0.
    curve = torch.cat([price, torch.full_like(price, -0.6), torch.full_like(price, -1.0)], -1)
    both = torch.cat([price, price * 0.8 + 0.2], -1)
    assert_alike(two.orders(view, curve), double.orders(view, both))
    assert one.layout == single.layout
    assert torch.equal(one.observe(seen(one)), single.observe(seen(single)))


def assert_alike(ours: Any, theirs: Any) -> None:
    assert torch.allclose(ours.price, theirs.price, atol=1e-12)
    assert torch.allclose(ours.volume, theirs.volume, atol=1e-12)


@pytest.mark.parametrize("cost", [0.3, -0.2, 1.0, 1.7])
def test_random_actions_are_around_equal_steps_at_marginal_cost(cost: float) -> None:
    bidder = bidder_of(CURVE, 2, curve_steps=4)
    observation = torch.zeros((3, bidder.layout.size), dtype=torch.float64)
    observation[:, -1] = cost
    centre = bidder.explore_around(observation)
    assert centre.shape == (3, 14)
    for numbers in centre.view(6, 7):
        price, share = decode(numbers)
        assert price.tolist() == pytest.approx([min(cost, 1.0)] * 4)
        assert share.tolist() == pytest.approx([0.25] * 4)


def test_parameters_are_those_of_a_learned_plant_and_the_steps() -> None:
    assert bidder_of(CURVE).action == Curve(3)
    assert bidder_of(CURVE, curve_steps=4, act_dim=7).slots == 4
    assert bidder_of(CURVE, start_costs=True).needs == {"downtime"}
    assert bidder_of(CURVE, foresight=5).layout.size == 17
    with pytest.raises(ConfigurationError, match=f"act_dim: is 6, but {CURVE} has 5"):
        bidder_of(CURVE, act_dim=6)
    with pytest.raises(ConfigurationError, match=r"curve_steps: .* greater than 0"):
        bidder_of(CURVE, curve_steps=0)


@pytest.mark.parametrize("steps", [1, 5])
def test_curves_of_any_length_keep_the_contract(steps: int) -> None:
    check_bidder(bidder_of(CURVE, 2, curve_steps=steps))
