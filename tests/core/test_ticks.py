"""Prices and volumes of a market that takes multiples of a tick only."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from assume_rl.core.clearing import MarketSpec, Slots, pay_as_clear
from assume_rl.core.clearing.rule import ticks_within
from assume_rl.core.orders import unit_major
from assume_rl.core.reward_curve import book_of_one_product
from assume_rl.evaluation.best_response import best_response
from assume_rl.testing import toy_market

TICKS = replace(toy_market(pay_as_clear), price_tick=0.5, volume_tick=2.0)


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_prices_and_volumes_are_rounded_to_the_nearest_tick_half_to_the_even_one() -> None:
    assert TICKS.price_of(tensor(0.2, 0.25, 0.3, 0.75, -0.25, 30.1)).tolist() == [
        0.0, 0.0, 0.5, 1.0, 0.0, 30.0,
    ]  # fmt: skip
    assert TICKS.volume_of(tensor(0.9, 1.1, 3.0, -3.0, 10.0)).tolist() == [0, 2, 4, -4, 10]


@pytest.mark.parametrize(
    ("price", "taken"), [(101.0, 99.0), (-7.0, -6.0), (98.0, 99.0), (97.4, 96.0)]
)
def test_limits_are_the_last_ticks_within_those_of_the_market(price: float, taken: float) -> None:
    market = replace(TICKS, price_tick=3.0, min_price=-8.0, max_price=100.0)
    assert market.price_of(tensor(price)).item() == taken


def test_a_limit_that_is_a_multiple_but_for_rounding_is_one() -> None:
    assert ticks_within(-0.3, 0.3, 0.1) == (-3, 3)  # 0.3 / 0.1 < 3
    assert ticks_within(-torch.inf, 0.35, 0.1) == (-torch.inf, 3)
    low, high = ticks_within(1.0, 9.0, 10.0)
    assert low > high


def cleared(market: MarketSpec) -> tuple[list[list[float]], float]:
    """Supply of 10.8 MW at 20.3 and 20.6 EUR/MWh, demand of 15.2 MW."""
    sent = unit_major(tensor(20.3, 20.6, 90.0)[None], tensor(10.8, 10.8, -15.2)[None], 3)
    orders = market.limited(sent)
    setup = pay_as_clear.setup(market, Slots(orders.node))
    found = market.clear(orders, torch.zeros_like(orders.price), setup)
    return found.accepted.tolist(), found.price.item()


def test_the_price_of_an_auction_is_in_eur_and_what_trades_in_mw() -> None:
    """20.3 and 20.6 are both 20.5 EUR/MWh, 10.8 MW are 10 or 12: 5.4 ticks are 5, 7.6 are 8."""
    accepted, price = cleared(TICKS)
    assert (accepted, price) == ([[10.0, 6.0, -16.0]], 20.5)
    accepted, price = cleared(toy_market(pay_as_clear))
    assert accepted[0] == pytest.approx([10.8, 4.4, -15.2])
    assert price == 20.6


def test_the_best_response_undercuts_a_rival_by_a_tick() -> None:
    """The rival asks 60, own cost 20.2: 59.5 EUR/MWh for 40 MW."""
    book = book_of_one_product(TICKS, tensor(0, 60, 3000), tensor(50, 50, -40), torch.tensor([0]))
    best = best_response(
        book, lambda got: got.revenue - 20.2 * got.sold,
        marginal_cost=tensor(20.2)[0], min_price=0.0, max_price=100.0,
    )  # fmt: skip
    assert best.exact
    assert best.sale.price.item() == 59.5
    assert best.value.item() == pytest.approx(40 * (59.5 - 20.2))
