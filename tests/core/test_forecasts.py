import pytest
import torch
from torch import Tensor

from assume_rl.core.forecasts import (
    Forecasts,
    Outlook,
    merit_order_price,
    min_max,
    residual_load,
)


def tensor(*values: float | list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def prices(demand: list[float]) -> list[float]:
    steps = len(demand)
    cost = tensor(30, 10, 20).expand(steps, 3)
    available = tensor(100, 100, 100).expand(steps, 3)
    return merit_order_price(cost, available, tensor(*demand), 3000.0).tolist()


def test_price_is_the_cost_of_the_plant_that_completes_the_demand() -> None:
    assert prices([50, 100, 101, 300]) == [10, 10, 20, 30]


def test_scarcity_is_the_fallback_price() -> None:
    assert prices([300.1]) == [3000]


def test_no_demand_is_the_cheapest_plant_even_without_power() -> None:
    cost, available = tensor([10, 20]), tensor([0, 5])
    assert merit_order_price(cost, available, tensor(0), 99.0).tolist() == [10]
    assert merit_order_price(cost, available, tensor(1), 99.0).tolist() == [20]


def test_rounding_does_not_ask_for_another_plant() -> None:
    # 0.1 * 3 sums to more, 0.1 * 8 to less than the decimal number
    cost, available = tensor([*range(9)]), tensor([0.1] * 9)
    assert merit_order_price(cost, available, tensor(0.8), 99.0).tolist() == [7]


def test_market_without_plants() -> None:
    none = torch.zeros(2, 0, dtype=torch.float64)
    assert merit_order_price(none, none, tensor(0, 5), 99.0).tolist() == [99, 99]


def test_residual_load_may_be_negative() -> None:
    renewable = tensor([10, 20], [30, 40])
    assert residual_load(tensor(100, 50), renewable).tolist() == [70, -20]


def test_min_max_scales_each_series_by_itself() -> None:
    scaled = min_max(tensor([10, 20, 30], [-1, -1, -1], [0, -4, -2]))
    assert scaled.tolist() == [[0, 0.5, 1], [0.5, 0.5, 0.5], [1, 0, 0.5]]


@pytest.mark.parametrize("first", [0, 1, 2, 3, 5, 8, 9])
def test_a_view_of_one_step_has_the_prices_of_any_copy_that_stands_there(first: int) -> None:
    # A number is cut out of the series where it can be; a tensor of steps is looked up.
    table = torch.arange(20, dtype=torch.float64).reshape(2, 10) ** 2 / 7
    series = torch.tensor([1, 0, 1])
    forecasts = Forecasts(table, table, table, table, series)
    cost = torch.tensor([[3.0, 20.0, 40.0]], dtype=torch.float64)
    one = Outlook(forecasts, series, first, (0,))
    many = Outlook(forecasts, series, torch.tensor([first]), (0,))

    assert torch.equal(one.price_at_products(), many.price_at_products()[0])
    assert torch.equal(one.mean_price_around(2), many.mean_price_around(2)[0])
    assert torch.equal(one.margin_ahead(3, cost), many.margin_ahead(3, cost)[0])
