import torch
from torch import Tensor

from assume_rl.core.clearing.merit_order import match
from assume_rl.core.units.base import ZERO_VOLUME


def tensor(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def accepted(
    price: list[float], volume: list[float], tie: list[float] | None = None
) -> list[float]:
    ties = tensor(tie) if tie else torch.arange(len(price), dtype=torch.float64) / len(price)
    m = match(tensor(price), tensor(volume), ties)
    ladder = m.supply - m.demand
    return torch.zeros_like(ladder).scatter(-1, m.order, ladder).tolist()


def test_smaller_tie_sells_first() -> None:
    assert accepted([5, 5, 9], [10, 10, -10], [0.8, 0.2, 0.5]) == [0, 10, -10]


def test_larger_tie_buys_first() -> None:
    assert accepted([5, 9, 9], [10, -10, -10], [0.5, 0.2, 0.8]) == [10, 0, -10]


def test_equal_prices_of_both_sides_trade_whatever_the_ties() -> None:
    for tie in ([0.1, 0.9], [0.9, 0.1]):
        assert accepted([30, 30], [100, -80], tie) == [80, -80]


def test_one_sided_books_do_not_trade() -> None:
    assert accepted([1, 2], [5, 5]) == [0, 0]
    assert accepted([1, 2], [-5, -5]) == [0, 0]
    assert accepted([1, 2], [0, 0]) == [0, 0]


def test_rounding_does_not_reach_the_next_order() -> None:
    # GIVEN 0.1 + 0.2 > 0.3 in floating point, either way round
    # THEN neither a third supply nor a third demand order gets a sliver
    assert accepted([1, 9, 9, 2], [0.3, -0.1, -0.2, 50])[3] == 0
    assert accepted([1, 1, 9, 2], [0.1, 0.2, -0.3, -50])[3] == 0


def test_full_orders_are_accepted_exactly() -> None:
    volumes = [0.1] * 30
    result = accepted([*map(float, range(30)), 99], [*volumes, -2.0])
    assert result == [*[0.1] * 20, *[0.0] * 10, -2.0]


def test_orders_below_the_zero_volume_are_empty() -> None:
    assert accepted([1, 2, 9], [ZERO_VOLUME / 2, 5, -5]) == [0, 5, -5]


def test_any_leading_axes_and_strides() -> None:
    price = torch.rand(5, 4, 3, dtype=torch.float64)
    volume = torch.randn(5, 4, 3, dtype=torch.float64)
    tie = torch.rand(5, 4, 3, dtype=torch.float64)
    turned = match(price.mT, volume.mT, tie.mT)
    straight = match(*(x.mT.contiguous() for x in (price, volume, tie)))
    torch.testing.assert_close(turned.supply, straight.supply, rtol=0, atol=0)
    assert turned.traded.shape == (5, 3, 1)
