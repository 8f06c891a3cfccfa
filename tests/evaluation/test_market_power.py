"""Hand-worked markets, and a linear program for what trade could gain."""

from collections.abc import Callable

import numpy as np
import pytest
from libraries import Later

from assume_rl.errors import ConfigurationError
from assume_rl.evaluation.market_power import (
    RSI_SCREEN,
    by_operator,
    herfindahl_hirschman,
    lerner_index,
    markup,
    residual_supply_index,
    share_below,
    weighted_mean,
)
from assume_rl.evaluation.welfare import deadweight_loss, greatest_welfare, welfare

GONE = np.nan

# Two hours, three plants of which the first operator owns the first two.
PRICE = [50.0, 20.0]  # EUR/MWh
COST = [[40.0, 25.0, 10.0], [40.0, 25.0, 10.0]]  # EUR/MWh
SOLD = [[10.0, 30.0, 60.0], [0.0, 0.0, 50.0]]  # MW
CAPACITY = [[40.0, 40.0, 60.0], [40.0, 40.0, 60.0]]  # MW
DEMAND = [100.0, 50.0]  # MW
OWNER = [0, 0, 1]


def test_markups_and_lerner_indices_by_hand() -> None:
    assert markup(PRICE, COST).tolist() == [[10, 25, 40], [-20, -5, 10]]
    assert lerner_index(PRICE, COST) == pytest.approx(
        np.array([[0.2, 0.5, 0.8], [-1.0, -0.25, 0.5]])
    )


def test_a_lerner_index_weighted_by_volume_and_by_capacity() -> None:
    index = lerner_index(PRICE, COST)
    # (0.2 * 10 + 0.5 * 30 + 0.8 * 60 + 0.5 * 50) / 150
    assert weighted_mean(index, SOLD) == pytest.approx(90 / 150)
    # (40 * (0.2 + 0.5 - 1 - 0.25) + 60 * (0.8 + 0.5)) / 280
    assert weighted_mean(index, CAPACITY[0]) == pytest.approx((40 * -0.55 + 60 * 1.3) / 280)


@pytest.mark.parametrize("price", [0.0, -10.0])
def test_hours_without_a_price_are_left_out(price: float) -> None:
    index = lerner_index([price, 50.0], [25.0])
    assert np.isnan(index[0, 0])
    assert weighted_mean(index, [[1000.0], [1.0]]) == 0.5
    assert markup([price], [25.0]).tolist() == [[price - 25]]
    assert np.isnan(weighted_mean(index[:1], [1.0]))


def test_plants_may_be_paid_their_own_prices() -> None:
    paid = [[30.0, 25.0], [50.0, 40.0]]
    assert markup(paid, [20.0, 25.0]).tolist() == [[10, 0], [30, 15]]
    assert lerner_index(paid, [15.0, 20.0]) == pytest.approx(np.array([[0.5, 0.2], [0.7, 0.5]]))


def test_shares_of_operators_in_the_herfindahl_hirschman_index() -> None:
    assert by_operator(SOLD, OWNER).tolist() == [[40, 60], [0, 50]]
    # 40^2 + 60^2, a monopoly
    assert herfindahl_hirschman(by_operator(SOLD, OWNER)).tolist() == pytest.approx([5200, 10_000])
    assert herfindahl_hirschman([1, 1, 1, 1]) == pytest.approx(2500)
    assert np.isnan(herfindahl_hirschman([0.0, 0.0]))


def test_horizontal_merger_guidelines_example() -> None:
    # US Horizontal Merger Guidelines 2010, section 5.3: shares of 30, 30, 20 and 20 per cent
    assert herfindahl_hirschman([30, 30, 20, 20]) == pytest.approx(2600)


def test_residual_supply_by_hand() -> None:
    # GIVEN operators with 80 and 60 MW, and a demand of 100 and 50 MW
    index = residual_supply_index(by_operator(CAPACITY, OWNER), DEMAND)
    # THEN the others' capacity over demand says that both are pivotal in the first hour only
    assert index.tolist() == [[0.6, 0.8], [1.2, 1.6]]
    assert share_below(index, 1).tolist() == [0.5, 0.5]
    assert share_below([[1.05, 1.1]], RSI_SCREEN).tolist() == [1, 0]


def test_an_operator_is_pivotal_where_demand_cannot_be_met_without_it() -> None:
    draws = np.random.default_rng(0)
    capacity, demand = draws.uniform(0, 50, (200, 4)), draws.uniform(0, 150, 200)
    pivotal = residual_supply_index(capacity, demand) < 1
    for operator in range(4):
        others = np.delete(capacity, operator, axis=1).sum(1)
        assert (pivotal[:, operator] == (others < demand)).all()
    assert 0 < pivotal.mean() < 1


def test_nobody_is_pivotal_without_demand() -> None:
    assert residual_supply_index([[10.0, 20.0], [0.0, 0.0]], [0.0, 0.0]).tolist() == [
        [np.inf, np.inf],
        [np.inf, np.inf],
    ]


# Buyers: 60 MW worth 100, 40 MW worth 45. Sellers: 50 MW at a cost of 10, 50 MW at 30.
WORTH = [[100.0, 45.0, 10.0, 30.0]]
VOLUME = [[-60.0, -40.0, 50.0, 50.0]]


def test_welfare_where_a_high_bid_keeps_a_buyer_out() -> None:
    # GIVEN the second seller asks 60 instead of its cost of 30, which sets the price
    found = welfare(WORTH, [[-60, 0, 50, 10]], [[60, GONE, 60, 60]])
    assert found.consumer_surplus.tolist() == [60 * 40]
    assert found.producer_surplus.tolist() == [50 * 50 + 10 * 30]
    assert found.payments.tolist() == found.revenue.tolist() == [3600]
    # 60 * 100 - 50 * 10 - 10 * 30
    assert found.total.tolist() == [5200]
    # THEN the 40 MW worth 45 that would have cost 30 are lost
    assert greatest_welfare(WORTH, VOLUME).tolist() == [5800]
    assert deadweight_loss(found, greatest_welfare(WORTH, VOLUME)).tolist() == [40 * 15]


def test_welfare_of_pay_as_bid_and_of_shorter_steps() -> None:
    # GIVEN a quarter of an hour in which sellers are paid their bids and buyers pay 60
    found = welfare(WORTH, [[-60, 0, 50, 10]], [[60, 0, 20, 60]], hours=0.25)
    assert found.payments.tolist() == [900]
    assert found.revenue.tolist() == [0.25 * (50 * 20 + 10 * 60)]
    assert found.total.tolist() == [0.25 * 5200]
    assert greatest_welfare(WORTH, VOLUME, hours=0.25).tolist() == [0.25 * 5800]


def test_starts_cost_welfare_and_are_no_loss_of_trade() -> None:
    found = welfare(WORTH, [[-60, 0, 50, 10]], [[60, GONE, 60, 60]], start_costs=[700])
    assert (found.trade.tolist(), found.total.tolist()) == ([5200], [4500])
    assert deadweight_loss(found, greatest_welfare(WORTH, VOLUME)).tolist() == [40 * 15]


def test_nothing_is_lost_where_all_bid_their_cost() -> None:
    found = welfare(WORTH, [[-60, -40, 50, 50]], [[30, 30, 30, 30]])
    assert deadweight_loss(found, greatest_welfare(WORTH, VOLUME)).tolist() == [0]


def test_the_greatest_welfare_is_that_of_a_linear_program() -> None:
    draws = np.random.default_rng(1)
    worth = draws.uniform(-20, 100, (40, 8))
    volume = draws.uniform(0, 50, (40, 8)) * draws.choice([-1, 0, 1], (40, 8))
    worth[volume == 0] = GONE
    found = greatest_welfare(worth, volume)
    for hour in range(40):
        used = volume[hour] != 0
        own, amount = worth[hour][used], volume[hour][used]
        # WHEN x of each order is accepted: most worth less cost, as much bought as sold
        best = Later("scipy.optimize").linprog(own * amount, A_eq=[amount], b_eq=[0], bounds=(0, 1))
        assert found[hour] == pytest.approx(-best.fun, abs=1e-6)
    assert (found > 0).sum() > 20


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: herfindahl_hirschman([10, -1]), "amounts"),
        (lambda: herfindahl_hirschman([10, GONE]), "amounts"),
        (lambda: residual_supply_index([[10]], [-5]), "demand"),
        (lambda: residual_supply_index([[-10]], [5]), "capacity"),
        (lambda: weighted_mean([[1.0]], [[-1.0]]), "weights"),
        (lambda: by_operator(SOLD, [0, 1]), "same units"),
        (lambda: greatest_welfare(WORTH, [[1.0]]), "hour, order"),
    ],
)
def test_impossible_quantities_are_told(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        call()
