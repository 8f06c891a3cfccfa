from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from assume_rl.core.clearing import MarketSpec, pay_as_bid, pay_as_clear
from assume_rl.core.clearing.merit_order import (
    Match,
    MeritOrder,
    Prices,
    discriminatory,
    uniform,
)
from assume_rl.core.reward_curve import OwnBook, book_of_one_product
from assume_rl.evaluation import best_response as module
from assume_rl.evaluation.best_response import (
    BestResponse,
    Objective,
    Sale,
    best_constant,
    best_response,
    break_points,
    clear_at,
    decisive_points,
    sale,
)
from assume_rl.testing import toy_market

CAP = 100.0
UNIFORM, AS_BID = toy_market(pay_as_clear), toy_market(pay_as_bid)


def tensor(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def book_of(price: list[float], volume: list[float], market: MarketSpec = UNIFORM) -> OwnBook:
    """Return the book of an auction, slot 0 is our own."""
    return book_of_one_product(market, tensor(price), tensor(volume), torch.tensor([0]))


def profit_at(cost: float) -> Objective:
    return lambda got: got.revenue - cost * got.sold


def duopoly(rival: float, demand: float, market: MarketSpec = UNIFORM) -> BestResponse:
    """Two plants of 50 MW at cost 20, slot 0 is our own; demand pays any price."""
    book = book_of([0, rival, 3000], [50, 50, -demand], market)
    return best_response(
        book, profit_at(20), marginal_cost=tensor([20])[0], min_price=0.0, max_price=CAP
    )


def test_undercuts_a_rival_when_not_pivotal() -> None:
    best = duopoly(rival=60, demand=40)
    assert best.bid.item() == pytest.approx(60)
    assert best.bid.item() < 60
    assert (best.sale.sold.item(), best.value.item()) == (40, pytest.approx(1600))


# von der Fehr and Harbord: demand 70 makes both pivotal; below 52 the rival makes the cap the reply
@pytest.mark.parametrize(("rival", "profit"), [(51, 1600), (52, 1600), (57, 1850)])
def test_pivotal_duopoly(rival: float, profit: float) -> None:
    best = duopoly(rival, demand=70)
    assert best.value.item() == pytest.approx(profit)
    assert (best.bid.item() == CAP) == (rival < 52)


def test_pay_as_bid_pivotal_duopoly() -> None:
    best = duopoly(rival=57, demand=70, market=AS_BID)
    assert best.value.item() == pytest.approx(1850)


def test_price_limited_demand_is_met_at_its_price() -> None:
    best = best_response(
        book_of([0, 40], [50, -30]), profit_at(20),
        marginal_cost=tensor([20])[0], min_price=0.0, max_price=CAP,
    )  # fmt: skip
    assert (best.bid.item(), best.sale.sold.item(), best.value.item()) == (40, 30, 600)


def test_stands_back_behind_a_rival_where_selling_less_is_better() -> None:
    # GIVEN an objective that wants little sold, and cheaply
    best = best_response(
        book_of([0, 40, 3000], [50, 50, -60]), lambda s: -s.price - 100 * s.sold,
        marginal_cost=tensor([20])[0], min_price=0.0, max_price=CAP,
    )  # fmt: skip
    # THEN it asks what the rival asks, since own orders lose ties
    assert (best.bid.item(), best.sale.sold.item(), best.sale.price.item()) == (40, 10, 40)


def random_hours(market: MarketSpec, hours: int = 60, slots: int = 7) -> OwnBook:
    g = torch.Generator().manual_seed(7)
    price = torch.rand(hours, slots, generator=g, dtype=torch.float64) * CAP
    volume = torch.rand(hours, slots, generator=g, dtype=torch.float64) * 50
    volume[:, 5:] *= -3
    return book_of_one_product(market, price, volume, torch.tensor([0, 1]))


def regretful(got: Sale, nameplate: float = 60) -> Tensor:
    """Profit less a regret that makes a higher price bad where little is sold; kink at cost."""
    missed = ((got.price - 30) * (nameplate - got.sold)).clamp(min=0)
    return got.revenue - 30 * got.sold - 0.4 * missed


def picky(sold: float) -> Objective:
    """Return the wish for a certain sale, MW, at a mean price of 30."""
    return lambda got: -10 * (got.sold - sold).abs() - (got.price - 30).abs()


@pytest.mark.parametrize("one_price", [True, False])
@pytest.mark.parametrize(
    "objective", [regretful, partial(regretful, nameplate=1000), picky(sold=25)]
)
@pytest.mark.parametrize("market", [UNIFORM, AS_BID])
def test_no_price_on_a_fine_grid_is_better(
    market: MarketSpec, objective: Objective, one_price: bool
) -> None:
    book = random_hours(market)
    best = best_response(
        book, objective, marginal_cost=torch.full((60,), 30.0).double(),
        min_price=0.0, max_price=CAP, one_price=one_price,
    )  # fmt: skip
    assert best.exact
    steps = torch.linspace(0, CAP, 101 if one_price else 51, dtype=torch.float64)
    grid = torch.stack((steps, steps), -1) if one_price else torch.combinations(steps, 2)
    tried = objective(sale(clear_at(book, grid.expand(60, -1, 2))))
    assert (tried <= best.value.unsqueeze(-1) + 1e-9).all()
    # AND the reported bids rise, and really bring the reported value
    assert (best.bid[..., 0] <= best.bid[..., 1]).all()
    again = objective(sale(clear_at(book, best.bid.unsqueeze(-2)))).squeeze(-1)
    torch.testing.assert_close(again, best.value, rtol=0, atol=0)


@pytest.mark.parametrize("market", [UNIFORM, AS_BID])
@pytest.mark.parametrize("one_price", [True, False])
@pytest.mark.parametrize("distance", [None, 5.0])
def test_prices_that_decide_nothing_need_not_be_tried(
    market: MarketSpec, one_price: bool, distance: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours of little and much supply, some demand is elastic; prices at a distance are equal."""
    book = random_hours(market, hours=60, slots=15)
    price, volume = book.orders.price.clone(), book.orders.volume.clone()
    volume[..., 10:] *= torch.linspace(0, 3, 60, dtype=torch.float64)[:, None, None]
    if distance is not None:
        price = (price / distance).round() * distance
    book = replace(book, orders=replace(book.orders, price=price, volume=volume))
    limits = {
        "marginal_cost": torch.full((60,), 30.0).double(), "min_price": 0.0, "max_price": CAP,
    }  # fmt: skip

    def found() -> tuple[BestResponse, BestResponse]:
        best = best_response(book, regretful, one_price=one_price, **limits)
        return best, best_constant(book, regretful, **limits)

    monkeypatch.setattr(module, "MOST_CONSTANT", 10_000)
    few = found()
    assert decisive_points(book, **limits).shape[-1] < break_points(book, **limits).shape[-1]
    monkeypatch.setattr(module, "decisive_points", break_points)
    every = found()
    torch.testing.assert_close(few[0].value, every[0].value, rtol=1e-12, atol=1e-9)
    torch.testing.assert_close(few[1].value.sum(), every[1].value.sum(), rtol=1e-12, atol=1e-9)


def test_the_dearest_order_alone_may_be_left_out() -> None:
    """Two prices beat one where an objective wants the first order sold, and the second not."""
    book = book_of_one_product(
        UNIFORM, tensor([0, 0, 40, 3000]), tensor([10, 40, 50, -50]), torch.tensor([0, 1])
    )
    found = {
        one_price: best_response(
            book, lambda got: -(got.sold - 10).abs(), marginal_cost=tensor([20])[0],
            min_price=0.0, max_price=CAP, one_price=one_price,
        )
        for one_price in (True, False)
    }  # fmt: skip
    assert found[True].value.item() == -10
    assert found[False].value.item() == 0
    assert found[False].bid.tolist() == [0, CAP]


def test_a_cheaper_order_that_is_paid_as_bid_moves_the_mean_price() -> None:
    """Who wants 15 MW sold, and a mean price of 30: a rival asks 40 before 5 MW of ours do.

    (20 * 40 + 5 * 40 + 10 * 5) / 35 = 30. With one price below 40 it would sell 20 MW.
    """
    book = book_of_one_product(
        AS_BID, tensor([0, 0, 40, 3000]), tensor([10, 10, 20, -35]), torch.tensor([0, 1])
    )
    known = {"marginal_cost": tensor([30])[0], "min_price": 0.0, "max_price": CAP}
    two = best_response(book, picky(sold=15), one_price=False, **known)
    assert two.bid.tolist() == pytest.approx([5, 40])
    assert two.value.item() == pytest.approx(0)
    one = best_response(book, picky(sold=15), **known)
    assert one.value.item() == pytest.approx(-(20 * 40 + 15 * 40) / 35 + 30)


def test_several_prices_that_another_rule_pays_for_are_a_lower_bound() -> None:
    def half_way(matched: Match) -> Prices:
        alike, own = uniform(matched), discriminatory(matched)
        return replace(alike, paid=(alike.paid + own.paid) / 2)

    market = toy_market(MeritOrder("half_way", half_way))
    found = {
        one_price: best_response(
            random_hours(market), regretful, marginal_cost=torch.full((60,), 30.0).double(),
            min_price=0.0, max_price=CAP, one_price=one_price,
        )
        for one_price in (True, False)
    }  # fmt: skip
    assert found[True].exact
    assert not found[False].exact


@pytest.mark.parametrize("market", [UNIFORM, AS_BID])
def test_no_constant_price_on_a_fine_grid_is_better(market: MarketSpec) -> None:
    book = random_hours(market)
    known = {
        "marginal_cost": torch.full((60,), 30.0).double(),
        "min_price": 0.0,
        "max_price": CAP,
    }
    profit = profit_at(30)
    best = best_constant(book, profit, **known)
    assert best.bid.unique().numel() == 1
    grid = torch.linspace(0, CAP, 501, dtype=torch.float64)[:, None]
    tried = profit(sale(clear_at(book, grid.expand(60, -1, 2)))).sum(0)
    assert tried.max() <= best.value.sum() + 1e-9
    assert best.value.sum() <= best_response(book, profit, **known).value.sum()


def test_a_single_auction_has_a_best_constant_price_too() -> None:
    book = book_of([0, 57, 3000], [50, 50, -70])
    known = {"marginal_cost": tensor([20])[0], "min_price": 0.0, "max_price": CAP}
    best = best_constant(book, profit_at(20), **known)
    assert float(best.value) == pytest.approx(50 * 37)  # just below the rival


def test_the_highest_of_equally_good_constant_prices_is_told() -> None:
    """Just below 70 all is sold in both hours, at prices that others set, as it is at -100."""
    prices = torch.stack((tensor([0, 57, 80, 3000]), tensor([0, 60, 70, 3000])))
    volumes = torch.stack((tensor([50, 50, 50, -120]), tensor([50, 50, 50, -130])))
    known = {"min_price": -CAP, "max_price": CAP}
    book = book_of_one_product(UNIFORM, prices, volumes, torch.tensor([0]))
    best = best_constant(book, profit_at(20), marginal_cost=tensor([20, 20]), **known)
    assert best.bid[:, 0].tolist() == pytest.approx([70, 70])
    assert best.value.tolist() == [50 * 60, 50 * 50]
    # Where nothing can be sold all prices are as good.
    idle = book_of([0, 57, 3000], [50, 50, 0])
    best = best_constant(idle, profit_at(20), marginal_cost=tensor([20])[0], **known)
    assert best.bid.tolist() == [CAP]


def test_of_many_prices_some_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    book = random_hours(UNIFORM)
    known = {
        "marginal_cost": torch.full((60,), 30.0).double(),
        "min_price": 0.0,
        "max_price": CAP,
    }
    all_of_them = best_constant(book, profit_at(30), **known).value.sum()
    monkeypatch.setattr(module, "MOST_CONSTANT", 50)
    assert 0.9 * all_of_them < best_constant(book, profit_at(30), **known).value.sum() < all_of_them


def test_pay_as_bid_stops_where_the_mean_price_is_the_cost() -> None:
    """Two MW of 1,000 among 20: above a mean of 30, what is missed outweighs what is earned."""
    best = best_response(
        book_of([0, 29, 99, 3000], [2, 18, 50, -20], AS_BID),
        lambda got: regretful(got, nameplate=1000), marginal_cost=tensor([30])[0],
        min_price=0.0, max_price=CAP,
    )  # fmt: skip
    assert best.bid.item() == pytest.approx(39)  # (18 * 29 + 2 * 39) / 20 = 30
    assert best.value.item() == pytest.approx(18)


@pytest.mark.reference
def test_single_learner_of_the_recorded_example(reference: Path) -> None:
    # GIVEN example_02a base: six cost-based plants; pp_6 learns; hourly means of the demand
    folder = reference / "examples" / "scenarios" / "example_02a"
    plants = pd.read_csv(folder / "powerplant_units.csv", index_col="name")
    fuel = pd.read_csv(folder / "fuel_prices_df.csv", index_col="fuel").loc["price"].astype(float)
    quarters = pd.read_csv(folder / "demand_df.csv", index_col="datetime", parse_dates=True)
    demand = quarters["demand_EOM"].resample("1h").mean()["2019-03-01 01:00":"2019-03-30 23:00"]
    heat = plants["fuel_type"].map(fuel) + fuel["co2"] * plants["emission_factor"]
    costs = heat / plants["efficiency"] + plants["additional_cost"]
    learner = list(plants.index).index("pp_6")
    cost, size = float(costs["pp_6"]), float(plants["max_power"]["pp_6"])
    price = tensor([*costs, 3000]).expand(len(demand), -1)
    volume = tensor([*plants["max_power"], 0]).expand(len(demand), -1)
    load = -torch.from_numpy(demand.to_numpy().copy()).unsqueeze(-1)
    volume = volume.index_copy(-1, torch.tensor([len(plants)]), load)
    profit = profit_at(cost)

    def reward(got: Sale) -> Tensor:
        lost = ((got.price - cost) * (size - got.sold)).clamp(min=0)
        regret = torch.where(got.sold > 1, 0.1 * lost, 0.5 * lost)
        return (profit(got) - regret) / (CAP * size)

    book = book_of_one_product(UNIFORM, price, volume, torch.tensor([learner]))

    def best(objective: Objective) -> BestResponse:
        return best_response(
            book, objective,
            marginal_cost=torch.full(price.shape[:-1], cost, dtype=torch.float64),
            min_price=-CAP, max_price=CAP,
        )  # fmt: skip

    # THEN the reward-maximising bids bring the known reward and profit
    assert len(demand) == 719
    found = best(reward)
    assert found.value.sum().item() == pytest.approx(77.09, abs=0.005)
    assert profit(found.sale).sum().item() == pytest.approx(21_003_905, abs=1.5)
    # AND bidding for profit alone would earn more, and be rewarded less
    greedy = best(profit)
    assert greedy.value.sum().item() == pytest.approx(21_245_904, abs=1.5)
    assert reward(greedy.sale).sum().item() == pytest.approx(75.902, abs=0.0005)
