"""Complex clearing where one can see what must come out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from assume_rl.core.clearing import Slots, complex_clearing
from assume_rl.core.clearing.complex import highs
from assume_rl.core.clearing.complex.highs import NoSolution, Solver
from assume_rl.core.clearing.grid import Grid, Line
from assume_rl.core.clearing.rule import Clearing, MarketSpec
from assume_rl.core.orders import BlockTerms, Orders, no_terms
from assume_rl.errors import ConfigurationError
from assume_rl.scenario.config.mechanisms import check_mechanism
from assume_rl.scenario.config.schema import Market
from assume_rl.scenario.problems import Problems
from assume_rl.testing import check_clearing, toy_market

TWO = Grid(("north", "south"), (0, 1), (Line("N-S", 0, 1, 30.0),))


def clear(
    price: list[list[float]],
    volume: list[list[float]],
    terms: BlockTerms | None = None,
    node: list[int] | None = None,
    grid: Grid | None = None,
    **params: str,
) -> Clearing:
    slots = len(price[0])
    zeros = torch.zeros(slots, dtype=torch.int64)
    node_of = zeros if node is None else torch.tensor(node)
    table = torch.tensor([price, volume], dtype=torch.float64)
    spec: MarketSpec[object] = replace(toy_market(complex_clearing, **params), grid=grid)
    setup = spec.rule.setup(spec, Slots(node_of))
    return spec.clear(Orders(table[0], table[1], zeros, node_of, terms), 0.5 * table[0] * 0, setup)


def terms(slots: int, **columns: list[float] | list[int] | list[bool]) -> BlockTerms:
    plain = no_terms(slots)
    own = {n: torch.tensor(v).to(getattr(plain, n).dtype) for n, v in columns.items()}
    return replace(plain, **own)


def near(found: Tensor, expected: object) -> None:
    np.testing.assert_allclose(found.numpy(), np.array(expected), atol=1e-6)


@pytest.mark.parametrize("pricing", ["pay_as_clear", "pay_as_bid"])
def test_the_contract_holds(pricing: str) -> None:
    check_clearing(complex_clearing, pricing_mechanism=pricing)


def test_a_block_that_would_lose_is_taken_out() -> None:
    """It would save 5 MW at 100; but then the price is 10, below what it asks."""
    block = terms(4, block=[False, False, True, False], min_acceptance=[0, 0, 1, 0])
    found = clear([[10.0, 3000.0, 20.0, 100.0]], [[45.0, -50.0, 10.0, 10.0]], block)
    near(found.accepted, [[45, -50, 0, 5]])
    near(found.price, [[100]])


def test_a_block_is_all_or_nothing_over_its_products() -> None:
    """Its loss in the first hour is made good by the second."""
    block = terms(3, block=[False, False, True], min_acceptance=[0, 0, 1])
    price = [[20.0, 3000.0, 30.0], [60.0, 3000.0, 30.0]]
    volume = [[100.0, -50.0, 10.0], [100.0, -50.0, 10.0]]
    found = clear(price, volume, block)
    near(found.accepted, [[40, -50, 10], [40, -50, 10]])
    near(found.price, [[20], [60]])
    dear = [[20.0, 3000.0, 50.0], [60.0, 3000.0, 50.0]]
    near(clear(dear, volume, block).accepted[:, 2], [0, 0])


def test_a_child_trades_no_more_than_its_parent() -> None:
    links = terms(4, block=[False, False, True, False], parent=[-1, -1, -1, 2])
    price = [[50.0, 3000.0, 60.0, 1.0]]
    volume = [[100.0, -50.0, 10.0, 20.0]]
    found = clear(price, volume, links)  # the child earns more than its parent loses
    near(found.accepted, [[20, -50, 10, 20]])
    near(found.price, [[50]])
    near(clear([[50.0, 3000.0, 1100.0, 1.0]], volume, links).accepted, [[50, -50, 0, 0]])


def test_of_an_exclusive_group_the_best_is_taken() -> None:
    group = terms(
        4, block=[False, False, True, True], min_acceptance=[0, 0, 1, 1], group=[-1, -1, 2, 2]
    )
    found = clear([[50.0, 3000.0, 30.0, 20.0]], [[100.0, -50.0, 10.0, 10.0]], group)
    near(found.accepted, [[40, -50, 0, 10]])


def test_a_complex_order_earns_its_fixed_cost_or_does_nothing() -> None:
    """It has cheap power for 20 MW in each of two hours."""

    def cleared(cost: float) -> Clearing:
        offer = terms(3, offer=[-1, -1, 2], fixed_cost=[0, 0, cost])
        price = [[50.0, 3000.0, 10.0], [40.0, 3000.0, 10.0]]
        return clear(price, [[100.0, -50.0, 20.0]] * 2, offer)

    near(cleared(20 * 40 + 20 * 30 - 1).accepted[:, 2], [20, 20])
    near(cleared(20 * 40 + 20 * 30 + 1).accepted[:, 2], [0, 0])


def test_a_complex_order_trades_at_least_its_least_shares() -> None:
    offer = terms(3, offer=[-1, -1, 2], fixed_cost=[0, 0, 100], min_acceptance=[0, 0, 0.5])
    price = [[50.0, 3000.0, 10.0], [5.0, 3000.0, 10.0]]
    near(clear(price, [[100.0, -50.0, 20.0]] * 2, offer).accepted[:, 2], [20, 10])


def test_a_full_line_parts_prices_and_earns_the_difference() -> None:
    found = clear([[10.0, 40.0, 3000.0]], [[100.0, 100.0, -50.0]], node=[0, 1, 1], grid=TWO)
    near(found.accepted, [[30, 20, -50]])
    near(found.price, [[10, 40]])
    assert found.flows is not None
    near(found.flows, [[30]])
    assert found.zones == ("north", "south")
    near(found.supply_volume, [[30, 20]])
    near(found.demand_volume, [[0, 50]])
    assert float((found.paid * found.accepted).sum()) == -30 * (40 - 10)


def test_a_line_with_room_has_one_price_at_both_ends() -> None:
    found = clear([[10.0, 40.0, 3000.0]], [[100.0, 100.0, -20.0]], node=[0, 1, 1], grid=TWO)
    near(found.price, [[10, 10]])
    near(found.accepted, [[20, 0, -20]])


def test_where_several_prices_fit_it_is_the_lowest() -> None:
    found = clear([[10.0, 20.0, 3000.0]], [[50.0, 50.0, -50.0]])
    near(found.price, [[10]])


def test_a_block_raises_the_price_to_what_it_asks_where_it_can() -> None:
    block = terms(4, block=[False, False, False, True], min_acceptance=[0, 0, 0, 1])
    found = clear([[10.0, 90.0, 3000.0, 15.0]], [[40.0, 50.0, -50.0, 10.0]], block)
    near(found.accepted, [[40, 0, -50, 10]])
    near(found.price, [[15]])


def test_a_block_that_trades_a_part_gains_where_a_limit_of_the_market_binds() -> None:
    """Nobody needs more in the first hour, where a price of -2875 would be fair."""
    block = terms(2, block=[False, True])
    found = clear([[3000.0, 62.5]] * 2, [[-20.0, 50.0], [-40.0, 50.0]], block)
    near(found.accepted, [[-20, 20], [-20, 20]])
    near(found.price, [[-500], [3000]])


def test_a_block_that_trades_a_part_near_the_lower_limit_is_cleared() -> None:
    block = terms(3, block=[False, False, True])
    price = [[100.0, 3000.0, -400.0], [40.0, 20.0, -400.0]]
    found = clear(price, [[-5.0, 0.0, 10.0], [-100.0, 200.0, 10.0]], block)
    near(found.accepted, [[-5, 0, 5], [-100, 95, 5]])
    near(found.price, [[-500], [20]])


def test_the_price_at_which_a_part_of_a_block_gains_nothing_is_exact() -> None:
    block = terms(3, block=[False, False, True])
    price = [[100.0, 3000.0, 5.0], [40.0, 20.0, 5.0]]
    found = clear(price, [[-5.0, 0.0, 10.0], [-100.0, 200.0, 10.0]], block)
    np.testing.assert_allclose(found.price.ravel(), [-10, 20], atol=1e-9)


def test_an_empty_parent_binds_nobody() -> None:
    links = terms(3, block=[True, False, False], parent=[-1, -1, 0])
    near(clear([[10.0, 3000.0, 20.0]], [[0.0, -50.0, 50.0]], links).accepted, [[0, -50, 50]])


def test_least_shares_count_only_where_the_market_reads_them() -> None:
    """As in ASSUME, where `min_acceptance_ratio` must be among the additional fields."""
    block = terms(2, block=[False, True], min_acceptance=[0, 1])
    zeros = torch.zeros(2, dtype=torch.int64)
    price, volume = torch.tensor([[3000.0, 20.0]]), torch.tensor([[-50.0, 80.0]])
    orders = Orders(price.double(), volume.double(), zeros, zeros, block)
    sold = []
    for reads in (True, False):
        spec = replace(toy_market(complex_clearing), reads_ratios=reads)
        setup = spec.rule.setup(spec, Slots(zeros))
        sold.append(float(spec.clear(orders, 0 * orders.price, setup).accepted[0, 1]))
    assert sold == [0, 50]


def test_without_highs_the_hint_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "highspy", None)
    with pytest.raises(ConfigurationError, match="pip install 'assume-rl\\[highs\\]'"):
        Solver()


def test_without_highs_the_parameters_of_a_market_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "highspy", None)
    problems, market = (
        Problems(),
        Market.model_construct(market_mechanism="complex_clearing", param_dict={}),
    )
    check_mechanism("markets_config.EOM", market, problems)
    (problem,) = problems.errors
    assert problem.startswith("markets_config.EOM.param_dict: complex_clearing needs HiGHS")


def test_a_program_without_solution_is_an_error() -> None:
    one = np.ones(1)
    rows = highs.Rows(np.array([0]), np.array([0]), one, 2 * one, 2 * one)
    with pytest.raises(NoSolution, match="Infeasible"):
        Solver().solve(highs.Program(one, 0 * one, one, np.zeros(1, dtype=bool), rows))


def test_copies_are_cleared_one_after_the_other() -> None:
    block = terms(3, block=[False, False, True], min_acceptance=[0, 0, 1])
    price = torch.tensor([20.0, 3000.0, 15.0]).double().expand(2, 2, 1, 3).contiguous()
    volume = torch.tensor([100.0, -50.0, 10.0]).double().repeat(2, 2, 1, 1)
    volume[1, 0, 0, 2] = 60.0
    zeros = torch.zeros(3, dtype=torch.int64)
    spec = toy_market(complex_clearing)
    setup = spec.rule.setup(spec, Slots(zeros))
    found = spec.clear(Orders(price, volume, zeros, zeros, block), 0 * price, setup)
    near(found.accepted[..., 0, 2], [[10, 10], [0, 10]])
    assert found.price.shape == (2, 2, 1, 1)
